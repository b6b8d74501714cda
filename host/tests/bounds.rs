//! Bounds that a Morph sets for itself: processor time, output, and those of its requests.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{Requests, code};
use std::time::Instant;
use support::http::{block_on, bounded, get, raw, serve, server, try_get};
use support::{Running, command, guest, proxy, run, start};

/// A server of `hello` whose requests may compute for this long.
fn with_cpu(name: &str, millis: u32) -> (Running, std::net::SocketAddr) {
    let mut task = server(0, 10);
    task.limits.cpu_per_call_millis = Some(millis);
    serve(guest(name), task)
}

#[test]
fn a_request_that_computes_for_too_long_is_500_and_the_limit_is_named() {
    let (running, address) = with_cpu("hello", 100);
    let begun = Instant::now();
    assert_eq!(block_on(get(address, "/loop")).status, 500);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert_eq!(block_on(get(address, "/")).status, 200);
    let ended = running.stopped();
    let words =
        "morph: limits.cpuPerCallMillis: the guest computed for more than the 100 ms that one call may";
    assert!(ended.stderr.contains(words) && ended.stderr.contains("wasm backtrace"), "{}", ended.stderr);
    assert_eq!(ended.code, 0);
}

#[test]
fn a_request_that_waits_is_not_held_against_its_processor_time() {
    for name in ["hello", "hello-p3"] {
        let (running, address) = with_cpu(name, 200);
        assert_eq!(block_on(get(address, "/sleep/1000")).status, 200, "{name}");
        let ended = running.stopped();
        assert_eq!((ended.code, ended.stderr.contains("limits.")), (0, false), "{name}: {}", ended.stderr);
    }
}

#[test]
fn each_request_has_its_own_processor_time() {
    let (running, address) = with_cpu("hello", 100);
    // Hundreds of requests together have more than one may.
    for _ in 0..300 {
        assert_eq!(block_on(get(address, "/")).status, 200);
    }
    let ended = running.stopped();
    assert!(!ended.stderr.contains("limits."), "{}", ended.stderr);
}

#[test]
fn a_command_that_computes_for_too_long_is_135_and_names_the_limit() {
    let mut task = command(&["loop"]);
    task.limits.cpu_per_call_millis = Some(100);
    let ended = run(guest("command"), task);
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(
        ended.message.starts_with("limits.cpuPerCallMillis: the guest computed for more than"),
        "{ended:?}"
    );
    for name in ["command", "command-p3"] {
        let mut task = command(&["sleep", "1000"]);
        task.limits.cpu_per_call_millis = Some(200);
        assert_eq!(run(guest(name), task).code, 0, "{name}");
    }
}

#[test]
fn output_past_the_rate_waits_and_nothing_is_lost() {
    let mut task = command(&["flood", "1"]);
    task.limits.output_bytes_per_second = Some(500_000);
    let begun = Instant::now();
    let ended = run(guest("command"), task);
    assert!(begun.elapsed().as_millis() >= 900, "{:?}", begun.elapsed());
    assert_eq!((ended.code, ended.stdout.len()), (0, 1_000_000), "{}", ended.stderr);
    let words = "morph: limits.outputBytesPerSecond: the guest writes more than 500000 bytes a second";
    assert_eq!(ended.stderr.matches(words).count(), 1, "{}", ended.stderr);
}

#[test]
fn a_guest_that_waits_for_the_rate_stops_when_it_is_told_to() {
    let mut task = command(&["flood", "100"]);
    task.limits.output_bytes_per_second = Some(1024);
    let running = start(guest("command"), task, "");
    let ended = running.stopped();
    assert_eq!(ended.code, code::STOPPED, "{ended:?}");
}

#[test]
fn past_a_servers_own_bound_of_concurrency_the_answer_is_503() {
    let (running, address) =
        serve(guest("hello"), bounded(Requests { concurrency: 2, ..Requests::default() }));
    let answers =
        block_on(async { futures::future::join_all((0..5).map(|_| get(address, "/sleep/2000"))).await });
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503, 503]);
    let ended = running.stopped();
    assert!(
        ended.stderr.contains("http.maxConcurrency: 2 requests are worked on; 1 more"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_guest_that_does_not_begin_its_answer_in_time_is_504_and_the_limit_is_named() {
    for name in ["hello", "hello-p3"] {
        let task = bounded(Requests { timeout_millis: 200, ..Requests::default() });
        let (running, address) = serve(guest(name), task);
        let answer = block_on(get(address, "/sleep/3600000"));
        assert_eq!((answer.status, answer.text.as_str()), (504, "the guest took too long\n"), "{name}");
        assert_eq!(block_on(get(address, "/")).status, 200, "{name}");
        let ended = running.stopped();
        let words = "morph: http.requestTimeoutMillis: a request is interrupted: no answer after 200 ms\n";
        assert!(ended.stderr.contains(words), "{name}: {}", ended.stderr);
    }
}

/// Sends the body back, with a head before it has come.
const ECHO: &str = "
    (local.set $other (call $incoming (local.get $request)))
    (local.set $body (call $answer (local.get $out)))
    (local.set $stream (call $stream (local.get $body)))
    (loop $more
        (call $splice (local.get $stream) (local.get $other) (i64.const 4096) (i32.const 1024))
        (br_if $more (i32.eqz (i32.load8_u (i32.const 1024)))))
    (call $drop-output (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 1024))";

#[test]
fn a_body_that_is_said_to_be_too_large_is_413_and_gets_no_guest() {
    let (running, address) =
        serve(guest("hello"), bounded(Requests { body_bytes: 1000, ..Requests::default() }));
    for (length, want) in [(1000, "HTTP/1.1 200 "), (1001, "HTTP/1.1 413 "), (100_000, "HTTP/1.1 413 ")] {
        let head =
            format!("POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        let text = raw(address, &[&head, &"x".repeat(length)]);
        assert!(text.starts_with(want), "{length}: {text}");
    }
    let ended = running.stopped();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "POST /\n"));
    let words = "morph: http.bodyBytesMax: 1 bodies of more than 1000 bytes were refused\n";
    assert_eq!(ended.stderr.matches(words).count(), 1, "{}", ended.stderr);
}

/// Chunks of 400 bytes: the third one is too much.
const CHUNKED: &str = "HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";

fn chunks(count: usize) -> String {
    format!("190\r\n{}\r\n", "x".repeat(400)).repeat(count) + "0\r\n\r\n"
}

#[test]
fn a_body_that_turns_out_too_large_is_413_and_the_guests_read_ends_with_the_interfaces_error() {
    let errors = ["HTTP request body size exceeds limit: 1000 bytes", "HttpRequestBodySize(Some(1000))"];
    for (name, error) in ["hostile", "hostile-p3"].into_iter().zip(errors) {
        let (running, address) =
            serve(guest(name), bounded(Requests { body_bytes: 1000, ..Requests::default() }));
        for (count, want) in [(2, "HTTP/1.1 200 "), (3, "HTTP/1.1 413 "), (1000, "HTTP/1.1 413 ")] {
            let text = raw(address, &["POST /read ", CHUNKED, &chunks(count)]);
            assert!(text.starts_with(want), "{name} {count}: {text}");
        }
        let ended = running.stopped();
        assert_eq!(ended.stdout.matches(error).count(), 2, "{name}: {}", ended.stdout);
        assert!(
            ended.stderr.starts_with("morph: http.bodyBytesMax: 1 bodies of more than 1000"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_body_that_turns_out_too_large_after_the_head_of_the_answer_cuts_the_answer() {
    let (running, address) =
        serve(proxy(ECHO), bounded(Requests { body_bytes: 1000, ..Requests::default() }));
    let text = raw(address, &["POST / ", CHUNKED, &chunks(3)]);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.matches('x').count() <= 1000, "{text}");
    assert_eq!(block_on(try_get(address, "/")).unwrap().status, 200);
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn a_guest_that_exits_after_its_memory_was_refused_names_the_limit() {
    // Its environment doesn't fit: the library that reads it ends the program.
    let mut task = server(0, 10);
    task.limits.memory_bytes = Some(8 << 20);
    task.grants.environment = true;
    task.env = vec![("LARGE".into(), "x".repeat(16 << 20))];
    let (running, address) = serve(guest("hello"), task);
    assert_eq!(block_on(get(address, "/")).status, 500);
    let ended = running.stopped();
    assert!(ended.stderr.contains("morph: limits.memory: the guest wanted"), "{}", ended.stderr);
}
