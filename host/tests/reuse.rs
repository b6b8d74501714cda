//! `http.reuse`: which instance answers, what it still has of the last request, and when there is none left.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{REQUESTS_PER_INSTANCE_MAX, Requests, Reuse, Task};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use support::http::{block_on, bounded, get, get_http2, serve};
use support::{guest, proxy, with_memory};

const BOTH: [&str; 2] = ["hello", "hello-p3"];

fn pooled() -> Task {
    bounded(Requests { reuse: Reuse::Pooled, ..Requests::default() })
}

/// How many requests the instance has had that answers this one.
async fn count(address: SocketAddr) -> u32 {
    get(address, "/count").await.text.trim().parse().unwrap()
}

/// Ends when an instance is kept that has had so many requests: it is kept shortly after its answer.
async fn kept_after(address: SocketAddr, requests: u32) {
    let mut counts = Vec::new();
    while counts.last() != Some(&(requests + 1)) {
        counts.push(count(address).await);
        assert!(counts.len() < 1000, "{counts:?}");
    }
}

/// Counts many times. Every instance is seen at each of its counts, from 1 on: one that is seen at a count
/// without having been seen at the one before has had another request in between, and was kept after it.
async fn check_nobody_came_back(address: SocketAddr) {
    let mut seen = BTreeMap::<u32, u32>::new();
    for _ in 0..200 {
        let count = count(address).await;
        *seen.entry(count).or_default() += 1;
        let before = seen.get(&(count - 1)).copied().unwrap_or(0);
        assert!(count == 1 || seen[&count] <= before, "{count} without {}: {seen:?}", count - 1);
    }
    assert!(seen.len() > 20, "instances are kept: {seen:?}");
}

#[test]
fn without_the_word_each_request_has_a_fresh_instance() {
    for name in BOTH {
        let (running, address) = serve(guest(name), bounded(Requests::default()));
        let counts = block_on(async { [count(address).await, count(address).await, count(address).await] });
        assert_eq!(counts, [1, 1, 1], "{name}");
        assert_eq!(running.stopped().code, 0);
    }
}

#[test]
fn with_it_an_instance_answers_again() {
    for name in BOTH {
        let (running, address) = serve(guest(name), pooled());
        block_on(kept_after(address, 20));
        let ended = running.stopped();
        assert_eq!((ended.code, ended.message.as_str()), (0, ""), "{name}: {ended:?}");
    }
}

#[test]
fn requests_at_the_same_time_have_an_instance_each() {
    let (running, address) = serve(guest("hello"), pooled());
    let answers = block_on(get_http2(address, &["/sleep/500", "/count", "/sleep/500"]));
    assert_eq!(answers[1].text, "1\n");
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn one_that_trapped_never_answers_again() {
    for name in BOTH {
        let (running, address) = serve(guest(name), pooled());
        block_on(async {
            assert_eq!(get(address, "/trap").await.status, 500, "{name}");
            check_nobody_came_back(address).await;
        });
        let ended = running.stopped();
        assert_eq!(ended.stderr.matches("the guest trapped").count(), 1, "{name}: {}", ended.stderr);
    }
}

#[test]
fn each_request_has_processor_time_of_its_own() {
    let mut task = pooled();
    task.limits.cpu_per_call_millis = Some(400);
    let (running, address) = serve(guest("hello"), task);
    block_on(async {
        for _ in 0..4 {
            assert_eq!(get(address, "/compute/150").await.status, 200);
        }
        assert_eq!(get(address, "/compute/60000").await.status, 500);
        assert_eq!(get(address, "/compute/150").await.status, 200);
    });
    let ended = running.stopped();
    assert_eq!(ended.stderr.matches("limits.cpuPerCallMillis").count(), 1, "{}", ended.stderr);
}

/// Wants more memory than there may be at its first request, answers all the same, and traps at its second.
const GREEDY_THEN_TRAPS: &str = "
    (if (i32.load (i32.const 8192)) (then unreachable))
    (i32.store (i32.const 8192) (i32.const 1))
    (drop (memory.grow (i32.const 4096)))
    (local.set $body (call $answer (local.get $out)))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 1024))";

#[test]
fn what_an_instance_was_refused_is_not_the_reason_for_a_later_end() {
    let (running, address) = serve(proxy(GREEDY_THEN_TRAPS), with_memory(pooled(), 8));
    block_on(async { while get(address, "/").await.status != 500 {} });
    let ended = running.stopped();
    assert!(ended.stderr.contains("the guest trapped: wasm `unreachable`"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("limits.memory"), "{}", ended.stderr);
}

#[test]
fn an_answer_that_its_guest_left_open_ends_and_its_instance_with_it() {
    let (running, address) = serve(guest("hello"), pooled());
    block_on(async {
        let answer = get(address, "/unfinished").await;
        assert!(answer.text.starts_with("Hello"), "{answer:?}");
        check_nobody_came_back(address).await;
    });
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn an_instance_answers_a_thousand_requests_and_no_more() {
    let (running, address) = serve(guest("hello"), pooled());
    let counts = block_on(async {
        let mut counts = Vec::new();
        while counts.len() < 20_000 && counts.last() != Some(&REQUESTS_PER_INSTANCE_MAX) {
            counts.push(count(address).await);
        }
        counts.push(count(address).await);
        counts
    });
    assert!(counts.contains(&REQUESTS_PER_INSTANCE_MAX), "{:?}", counts.iter().max());
    assert!(!counts.contains(&(REQUESTS_PER_INSTANCE_MAX + 1)), "one answered once too often");
    assert_eq!(running.stopped().code, 0);
}

/// Times that a thread of this process went to sleep.
fn sleeps(thread: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let own = tasks.filter(|task| std::fs::read_to_string(task.join("comm")).unwrap().trim() == thread);
    let of = |task: std::path::PathBuf| {
        let status = std::fs::read_to_string(task.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    own.map(of).sum()
}

#[test]
fn an_instance_that_waits_keeps_no_clock_running() {
    let (running, address) = serve(guest("hello"), pooled());
    block_on(async {
        kept_after(address, 3).await;
        // The clock sees at its next tick that nobody runs.
        let mut before = sleeps("ticker");
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = sleeps("ticker");
            if now == before {
                break;
            }
            before = now;
        }
        assert!(before > 0, "there is such a thread");
        assert!(count(address).await > 1, "and an instance is kept all the while");
    });
    assert_eq!(running.stopped().code, 0);
}
