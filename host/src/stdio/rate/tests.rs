//! Tests of `rate`: the time of these tests is not the clock's.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::stdio::{Stdio, Streams};
use morph_grant::Limits;
use std::io::{PipeReader, Read};
use tokio::io::AsyncWriteExt;
use wasmtime_wasi::cli::StdoutStream;

#[test]
fn a_bucket_fills_at_its_rate_up_to_its_size() {
    let mut bucket = Bucket::new(1000, 500);
    let begun = Instant::now();
    let at = |millis| begun + Duration::from_millis(millis);
    assert_eq!(bucket.room(at(0)), Ok(500));
    bucket.take(400);
    assert_eq!(bucket.room(at(0)), Ok(100));
    assert_eq!(bucket.room(at(200)), Ok(300));
    assert_eq!(bucket.room(at(60_000)), Ok(500));
}

#[test]
fn an_empty_bucket_says_how_long_to_wait() {
    let mut bucket = Bucket::new(1000, 500);
    let begun = Instant::now();
    bucket.room(begun).unwrap();
    bucket.take(500);
    let wait = bucket.room(begun).unwrap_err();
    assert_eq!(wait, Duration::from_millis(50));
    assert_eq!(bucket.room(begun + wait), Ok(50));
    // Less than a wait is worth is not given out byte by byte.
    bucket.take(1);
    assert_eq!(bucket.room(begun + wait), Err(Duration::from_millis(1)));
    bucket.take(49);
    // What several were allowed is paid for by waiting the longer.
    bucket.take(1000);
    assert_eq!(bucket.room(begun + wait), Err(Duration::from_millis(1050)));
}

#[test]
fn looks_that_come_fast_lose_no_byte_of_a_slow_bucket() {
    let mut bucket = Bucket::new(10, 10);
    let begun = Instant::now();
    bucket.room(begun).unwrap();
    bucket.take(10);
    for millis in 1..=1000 {
        // The answer is the next one's matter.
        let _ = bucket.room(begun + Duration::from_millis(millis));
    }
    assert_eq!(bucket.room(begun + Duration::from_secs(1)), Ok(10));
}

/// Streams over pipes, limited to a thousand bytes a second.
fn streams() -> (Streams, PipeReader, PipeReader) {
    let null = std::fs::File::open("/dev/null").unwrap();
    let (stdout, stdout_end) = std::io::pipe().unwrap();
    let (stderr, stderr_end) = std::io::pipe().unwrap();
    let stdio = Stdio { stdin: null.into(), stdout: stdout_end.into(), stderr: stderr_end.into() };
    let limits = Limits { output_bytes_per_second: Some(1000), ..Limits::default() };
    (Streams::new(stdio, &limits), stdout, stderr)
}

fn text(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

const WORDS: &str =
    "morph: limits.outputBytesPerSecond: the guest writes more than 1000 bytes a second and has to wait\n";

#[tokio::test(start_paused = true)]
async fn both_outputs_together_are_slowed_down_nothing_is_lost_and_it_is_said_once() {
    let (streams, stdout, stderr) = streams();
    let begun = Instant::now();
    let mut out = std::pin::Pin::from(streams.stdout.async_stream());
    out.write_all(&[b'x'; 3000]).await.unwrap();
    let mut err = streams.stderr.p2_stream();
    for _ in 0..300 {
        err.ready().await;
        let room = err.check_write().unwrap();
        err.write(vec![b'y'; room.min(10)].into()).unwrap();
    }
    // The first thousand bytes are the burst.
    let seconds = begun.elapsed().as_secs();
    assert!((4..=5).contains(&seconds), "{seconds} s");
    drop((streams, out, err));
    assert_eq!(text(stdout), "x".repeat(3000));
    let stderr = text(stderr);
    assert_eq!(stderr.matches(WORDS).count(), 1, "{stderr}");
    assert_eq!(stderr.replace(WORDS, "").len(), 3000, "{stderr}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_of_0_2_that_never_asks_is_held_to_the_rate() {
    let (streams, _stdout, _stderr) = streams();
    let mut out = streams.stdout.p2_stream();
    out.write(vec![b'x'; 1000].into()).unwrap();
    assert!(out.write(vec![b'x'; 1000].into()).is_err());
    assert_eq!(out.check_write().unwrap(), 0);
    out.ready().await;
    assert_eq!(out.check_write().unwrap(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_hosts_own_lines_do_not_wait_for_the_rate() {
    let (streams, _stdout, stderr) = streams();
    let mut err = std::pin::Pin::from(streams.stderr.async_stream());
    err.write_all(&[b'x'; 1000]).await.unwrap();
    streams.stderr.say("a word");
    drop((streams, err));
    assert!(text(stderr).ends_with("xmorph: a word\n"));
}
