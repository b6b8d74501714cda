//! Tests of `ticker`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);

/// The time that the thread has used the processor, in clock ticks, and how often it was woken.
fn wakes() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let status = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.unwrap().path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
        };
        (field("Name:") == Some("ticker".into()))
            .then(|| field("voluntary_ctxt_switches:")?.parse::<u64>().ok())
    };
    threads.filter_map(status).flatten().sum()
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn the_clock_runs_while_a_guest_does_and_sleeps_otherwise() {
    let engine = wasmtime::Engine::default();
    let ticker = Ticker::start(&engine).unwrap();
    until(|| ticker.0.asleep.load(Ordering::SeqCst));
    for _ in 0..3 {
        let guest = ticker.ticking();
        let other = ticker.ticking();
        drop(other);
        until(|| !ticker.0.asleep.load(Ordering::SeqCst));
        let before = wakes();
        until(|| wakes() > before + 2);
        drop(guest);
        until(|| ticker.0.asleep.load(Ordering::SeqCst));
    }
    let idle = wakes();
    std::thread::park_timeout(Duration::from_millis(20 * TICK_MILLIS));
    assert!(wakes() <= idle + 1, "an idle clock woke {} times", wakes() - idle);
}

#[test]
fn the_thread_ends_with_its_owner() {
    let ticker = Ticker::start(&wasmtime::Engine::default()).unwrap();
    let shared = Arc::downgrade(&ticker.0);
    let guest = ticker.ticking();
    drop(ticker);
    drop(guest);
    until(|| shared.strong_count() == 0);
}
