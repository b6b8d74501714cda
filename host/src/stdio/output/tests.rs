//! Tests of `output`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::io::{PipeReader, Read};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const PATIENCE: Duration = Duration::from_secs(30);

fn pipe() -> (Output, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    (Output::new(writer.into()), reader)
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
    let mut stream = output.clone();
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
    while is_ready(&mut stream) {
        stream.write(Bytes::from(vec![b'x'; 10_000])).unwrap();
        written += 10_000;
    }
    assert!(output.queue().bytes <= QUEUE_BYTES_MAX + 10_000, "{}", output.queue().bytes);
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
    let error = output.clone().write(b"more").await.unwrap_err();
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
