//! Tests of `output`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::io::{PipeReader, Read};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use wasmtime_wasi::p2::{StreamError, StreamResult};

const PATIENCE: Duration = Duration::from_secs(30);

fn pipe() -> (Output, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    (Output::new(writer.into(), Rate::new(1 << 40)), reader)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// Writes as a guest of 0.2 does: ask, write no more than allowed, wait.
async fn write_p2(stream: &mut DynOutputStream, mut bytes: Bytes) -> StreamResult<()> {
    while !bytes.is_empty() {
        stream.ready().await;
        let room = stream.check_write()?;
        stream.write(bytes.split_to(room.min(bytes.len())))?;
    }
    Ok(())
}

fn is_ready(stream: &mut DynOutputStream) -> bool {
    stream.check_write().is_ok_and(|room| room > 0)
}

#[tokio::test]
async fn what_fits_is_written_at_once_and_by_no_thread() {
    let (output, mut reader) = pipe();
    output.p2_stream().write("hello".into()).unwrap();
    assert!(!output.queue().thread);
    let mut text = [0; 5];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"hello");
}

#[tokio::test]
async fn more_than_a_pipe_holds_arrives_whole_and_in_order() {
    let (output, mut reader) = pipe();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let reading = std::thread::spawn(move || {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        got
    });
    let (first, second) = sent.split_at(1_500_000);
    soon(write_p2(&mut output.p2_stream(), Bytes::copy_from_slice(first))).await.unwrap();
    let mut stream = P3::new(output.clone());
    soon(stream.write_all(second)).await.unwrap();
    soon(output.drained()).await;
    drop((stream, output));
    assert!(reading.join().unwrap() == sent);
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_writer_at_the_bound() {
    let (output, reader) = pipe();
    let mut stream = output.p2_stream();
    let mut written = 0;
    while let Ok(room @ 1..) = stream.check_write() {
        stream.write(Bytes::from(vec![b'x'; room])).unwrap();
        written += room;
    }
    assert_eq!(output.queue().bytes, QUEUE_BYTES_MAX);
    assert!(written < 2 * QUEUE_BYTES_MAX, "{written}");
    assert!(tokio::time::timeout(Duration::from_millis(20), stream.ready()).await.is_err());
    let reading = std::thread::spawn(move || {
        let mut got = Vec::new();
        let mut reader = reader;
        reader.read_to_end(&mut got).unwrap();
        got.len()
    });
    soon(stream.ready()).await;
    assert!(is_ready(&mut stream));
    soon(output.drained()).await;
    drop((stream, output));
    assert_eq!(reading.join().unwrap(), written);
}

#[tokio::test]
async fn a_flush_ends_when_everything_is_written() {
    let (output, mut reader) = pipe();
    let mut stream = output.p2_stream();
    stream.write(Bytes::from(vec![b'x'; 200_000])).unwrap();
    stream.flush().unwrap();
    assert!(matches!(stream.check_write(), Ok(0)));
    let reading = std::thread::spawn(move || {
        let mut got = vec![0; 200_000];
        reader.read_exact(&mut got).unwrap();
        reader
    });
    soon(stream.ready()).await;
    assert!(is_ready(&mut stream));
    drop(reading.join().unwrap());
}

#[tokio::test]
async fn a_reader_that_is_gone_is_a_closed_stream_and_not_a_hang() {
    let (output, reader) = pipe();
    let mut stream = output.p2_stream();
    stream.write(Bytes::from(vec![b'x'; 200_000])).unwrap();
    drop(reader);
    soon(output.drained()).await;
    assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
    assert!(matches!(stream.write("more".into()), Err(StreamError::Closed)));
    let error = P3::new(output.clone()).write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn the_hosts_own_line_comes_after_what_waits() {
    let (output, mut reader) = pipe();
    let mut stream = output.p2_stream();
    stream.write(Bytes::from(vec![b'x'; 150_000])).unwrap();
    output.say("last words\n");
    drop(stream);
    let reading = std::thread::spawn(move || {
        let mut got = String::new();
        reader.read_to_string(&mut got).unwrap();
        got
    });
    soon(output.drained()).await;
    drop(output);
    let got = reading.join().unwrap();
    assert!(got.ends_with("xxmorph: last words\n"), "{}", got.len());
}

/// A stream whose queue is as full as one guest may make it, and the reader.
fn full() -> (Output, DynOutputStream, PipeReader) {
    let (output, reader) = pipe();
    let mut stream = output.p2_stream();
    while let Ok(room @ 1..) = stream.check_write() {
        stream.write(Bytes::from(vec![b'x'; room])).unwrap();
    }
    (output, stream, reader)
}

fn traps(result: StreamResult<()>, words: &str) {
    let Err(StreamError::Trap(error)) = result else { unreachable!("no trap: {result:?}") };
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_guest_that_never_asks_cannot_fill_the_hosts_memory() {
    let (output, mut stream, _reader) = full();
    for length in [1, 4096, 1 << 20] {
        traps(stream.write(Bytes::from(vec![b'x'; length])), "more output was written than allowed");
        traps(output.p2_stream().write(Bytes::from(vec![b'x'; length])), "than allowed");
    }
    assert_eq!(output.queue().bytes, QUEUE_BYTES_MAX);
    assert!(stream.write_zeroes(1 << 40).is_err());
}

#[tokio::test]
async fn a_guest_that_never_asks_may_write_what_there_is_room_for() {
    let (output, _reader) = pipe();
    output.p2_stream().write(Bytes::from(vec![b'x'; QUEUE_BYTES_MAX])).unwrap();
    traps(output.p2_stream().write(Bytes::from(vec![b'x'; QUEUE_BYTES_MAX])), "than allowed");
}

#[tokio::test]
async fn what_was_allowed_is_taken_though_another_guest_was_faster() {
    let (output, _reader) = pipe();
    let mut slow = output.p2_stream();
    let allowed = slow.check_write().unwrap();
    assert_eq!(allowed, PERMIT_BYTES_MAX);
    let mut fast = output.p2_stream();
    while let Ok(room @ 1..) = fast.check_write() {
        fast.write(Bytes::from(vec![b'x'; room])).unwrap();
    }
    slow.write(Bytes::from(vec![b'x'; allowed - 1])).unwrap();
    slow.write(Bytes::from_static(b"y")).unwrap();
    traps(slow.write(Bytes::from_static(b"z")), "than allowed");
}

#[tokio::test]
async fn permits_of_many_streams_are_bounded_together() {
    let (output, _reader) = pipe();
    let mut streams: Vec<DynOutputStream> = (0..1_000).map(|_| output.p2_stream()).collect();
    let allowed: Vec<usize> = streams.iter_mut().map(|stream| stream.check_write().unwrap()).collect();
    let results: Vec<_> = streams.iter_mut().zip(allowed).collect();
    let mut refused = 0;
    for (stream, allowed) in results {
        match stream.write(Bytes::from(vec![b'x'; allowed])) {
            Err(StreamError::Trap(_)) => refused += 1,
            other => other.unwrap(),
        }
    }
    assert!(refused > 100 && output.queue().bytes <= QUEUE_BYTES_BOUND, "{refused}");
}

#[tokio::test]
async fn a_write_before_a_flush_has_ended_traps() {
    let (output, mut reader) = pipe();
    let mut stream = output.p2_stream();
    stream.write(Bytes::from(vec![b'x'; 200_000])).unwrap();
    stream.flush().unwrap();
    traps(stream.write("more".into()), "before its flush had ended");
    let reading = std::thread::spawn(move || {
        let mut got = vec![0; 200_000];
        reader.read_exact(&mut got).unwrap();
        reader
    });
    soon(output.drained()).await;
    stream.write("more".into()).unwrap();
    let mut text = [0; 4];
    reading.join().unwrap().read_exact(&mut text).unwrap();
    assert_eq!(&text, b"more");
}

#[tokio::test(start_paused = true)]
async fn the_hosts_lines_go_beyond_what_guests_fill_and_are_bounded_and_counted() {
    let (output, _stream, mut reader) = full();
    let line = "y".repeat(1_000);
    let mut said = 0;
    while output.queue().dropped == 0 {
        output.say(&line);
        said += 1;
        assert!(said < 100_000);
    }
    output.say(&line);
    assert!(output.queue().bytes <= QUEUE_BYTES_BOUND + OWN_BYTES_MAX);
    let reading = std::thread::spawn(move || {
        let mut got = String::new();
        reader.read_to_string(&mut got).unwrap();
        got
    });
    output.drained().await;
    // For the rate, which the lines before have used up.
    tokio::time::advance(Duration::from_secs(1)).await;
    output.say("heard again");
    output.drained().await;
    drop((output, _stream));
    let got = reading.join().unwrap();
    assert_eq!(got.matches(&format!("morph: {line}\n")).count(), said - 1);
    let note = "morph: 2 lines of the host were dropped: they came too fast, or nobody read them\n";
    assert_eq!(got.matches("were dropped").count(), 1, "{}", &got[got.len() - 200..]);
    assert!(got.ends_with(&format!("{note}morph: heard again\n")), "{}", &got[got.len() - 200..]);
}

#[tokio::test(start_paused = true)]
async fn the_hosts_lines_have_a_rate_of_their_own_and_what_is_dropped_is_told_at_the_end() {
    let (output, mut reader) = pipe();
    let reading = std::thread::spawn(move || {
        let mut got = String::new();
        reader.read_to_string(&mut got).unwrap();
        got
    });
    let line = "y".repeat(1_000);
    for _ in 0..5_000 {
        output.say(&line);
    }
    output.tell_dropped();
    output.drained().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    output.say("heard again");
    drop(output);
    let got = reading.join().unwrap();
    let told: usize = got.matches(&line).count();
    assert!(told * 1_000 <= OWN_BURST_BYTES as usize, "{told} lines");
    // The reader may make room meanwhile: then there is more than one note.
    let note = |line: &str| -> Option<usize> {
        line.strip_prefix("morph: ")?.split_once(" lines of the host were dropped")?.0.parse().ok()
    };
    let dropped: usize = got.lines().filter_map(note).sum();
    assert_eq!(dropped, 5_000 - told, "{}", &got[got.len() - 200..]);
    assert!(got.ends_with("morph: heard again\n"), "{}", &got[got.len() - 200..]);
}

#[tokio::test]
async fn a_line_of_the_host_is_cut() {
    let (output, mut reader) = pipe();
    output.say(&"ä".repeat(100_000));
    drop(output);
    let mut got = String::new();
    reader.read_to_string(&mut got).unwrap();
    assert!(got.len() <= OWN_LINE_BYTES_MAX + 10 && got.ends_with("ä…\n"), "{}", got.len());
}

#[tokio::test]
async fn writers_of_0_3_share_the_room_and_never_pass_it() {
    let (output, _stream, _reader) = full();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut output = P3::new(output.clone());
        writers.spawn(async move { output.write_all(&[b'x'; 50_000]).await });
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), writers.join_next()).await.is_err());
    assert_eq!(output.queue().bytes, QUEUE_BYTES_MAX);
}
