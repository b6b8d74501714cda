//! Servers: answers, failures, bounds, and how they end.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{CONCURRENT_REQUESTS_MAX, code};
use std::time::Instant;
use support::guest;
use support::http::{block_on, get, get_http2, raw, refused, serve, server, try_get};

#[test]
fn both_generations_answer_over_http_1() {
    for (name, want) in [
        ("hello", "Hello from a Morph! You asked GET /a?b=c\n"),
        ("hello-p3", "Hello from a Morph of WASI 0.3! You asked /a?b=c\n"),
    ] {
        let (running, address) = serve(guest(name), server(0, 10));
        let answer = block_on(get(address, "/a?b=c"));
        assert_eq!((answer.status, answer.text.as_str()), (200, want), "{name}");
        let ended = running.stopped();
        assert_eq!((ended.code, ended.message.as_str()), (0, ""), "{name}: {ended:?}");
        assert!(ended.stdout.contains("/a?b=c"), "{name}: {}", ended.stdout);
    }
}

#[test]
fn both_generations_answer_many_requests_on_one_connection_of_http_2() {
    for name in ["hello", "hello-p3"] {
        let (running, address) = serve(guest(name), server(0, 10));
        let paths = ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"];
        for (answer, path) in block_on(get_http2(address, &paths)).iter().zip(paths) {
            assert_eq!(answer.status, 200, "{name} {path}");
            assert!(answer.text.contains(path), "{name} {path}: {}", answer.text);
        }
        assert_eq!(running.stopped().code, 0);
    }
}

#[test]
fn output_of_every_request_is_whole() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    block_on(async {
        let all = (0..50).map(|_| get(address, "/line"));
        futures::future::join_all(all).await;
    });
    let ended = running.stopped();
    assert_eq!(ended.stdout, "GET /line\n".repeat(50));
    // Rust's standard error is not buffered: a line comes in pieces, between those of other requests.
    for piece in ["answering ", "/line", "\n"] {
        assert_eq!(ended.stderr.matches(piece).count(), 50, "{}", ended.stderr);
    }
    assert_eq!(ended.stderr.len(), "answering /line\n".len() * 50, "{}", ended.stderr);
}

#[test]
fn a_trap_is_500_and_touches_no_other_request() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    let (trapped, other) = block_on(async { tokio::join!(get(address, "/trap"), get(address, "/sleep/50")) });
    assert_eq!((trapped.status, other.status), (500, 200));
    assert_eq!(block_on(get(address, "/")).status, 200);
    let ended = running.stopped();
    assert!(ended.stderr.contains("morph: the guest trapped: wasm `unreachable`"), "{}", ended.stderr);
    assert_eq!(ended.code, 0);
}

#[test]
fn a_guest_that_loops_leaves_the_others_their_turn() {
    let (running, address) = serve(guest("hello"), server(0, 1));
    block_on(async {
        let loops = (0..4).map(|_| tokio::spawn(try_get(address, "/loop"))).collect::<Vec<_>>();
        for _ in 0..10 {
            assert_eq!(get(address, "/").await.status, 200);
        }
        loops.iter().for_each(tokio::task::JoinHandle::abort);
    });
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn past_the_bound_the_answer_is_503_and_when_to_come_again() {
    for name in ["hello", "hello-p3"] {
        let (running, address) = serve(guest(name), server(0, 10));
        let answers = block_on(async {
            let more = CONCURRENT_REQUESTS_MAX + 20;
            futures::future::join_all((0..more).map(|_| get(address, "/sleep/2000"))).await
        });
        let ok = answers.iter().filter(|answer| answer.status == 200).count();
        let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
        assert_eq!((ok, busy.len()), (CONCURRENT_REQUESTS_MAX, 20), "{name}");
        assert!(busy.iter().all(|answer| answer.retry_after.as_deref() == Some("1")), "{name}");
        assert_eq!(block_on(get(address, "/")).status, 200, "{name}");
        let ended = running.stopped();
        let words = "morph: http.maxConcurrency: 128 requests are worked on; 1 more were answered with 503\n";
        assert_eq!((ended.code, ended.stderr.matches(words).count()), (0, 1), "{name}: {}", ended.stderr);
    }
}

#[test]
fn a_client_that_goes_frees_its_place() {
    let (running, address) = serve(guest("hello"), server(0, 1));
    block_on(async {
        for _ in 0..2 {
            // Each comes again while one of the requests below has its place.
            let sleeper = || async move { while get(address, "/sleep/3600000").await.status == 503 {} };
            let all: Vec<_> = (0..CONCURRENT_REQUESTS_MAX).map(|_| tokio::spawn(sleeper())).collect();
            while get(address, "/").await.status != 503 {}
            all.iter().for_each(tokio::task::JoinHandle::abort);
            while get(address, "/").await.status != 200 {}
        }
    });
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn a_request_under_way_at_stop_is_answered() {
    for name in ["hello", "hello-p3"] {
        let (running, address) = serve(guest(name), server(0, 30));
        let answer = block_on(async {
            let slow = tokio::spawn(get(address, "/sleep/1500"));
            // Listening ends only after the request was taken: it was sent before.
            assert_eq!(get(address, "/").await.status, 200);
            running.stopper.stop();
            refused(address).await;
            slow.await.unwrap()
        });
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(running.ended().code, 0, "{name}");
    }
}

#[test]
fn a_lame_duck_goes_on_accepting() {
    let (running, address) = serve(guest("hello"), server(2, 30));
    running.stopper.stop();
    let stopped = Instant::now();
    let mut answered = 0;
    block_on(async {
        while let Ok(answer) = try_get(address, "/").await {
            assert_eq!(answer.status, 200);
            answered += 1;
        }
    });
    assert!(stopped.elapsed().as_millis() >= 1_900, "it stopped accepting after {:?}", stopped.elapsed());
    assert!(answered > 10, "{answered}");
    assert_eq!(running.ended().code, 0);
}

#[test]
fn what_does_not_end_is_interrupted_within_the_grace_period() {
    for (name, path) in [("hello", "/loop"), ("hello", "/sleep/3600000"), ("hello-p3", "/sleep/3600000")] {
        let (running, address) = serve(guest(name), server(0, 10));
        let (stopper, started) = (running.stopper.clone(), Instant::now());
        let client = std::thread::spawn(move || {
            block_on(async {
                let endless = tokio::spawn(try_get(address, path));
                assert_eq!(get(address, "/").await.status, 200);
                stopper.stop();
                endless.await.unwrap().unwrap()
            })
        });
        let answer = client.join().unwrap();
        assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("1")), "{name} {path}");
        let ended = running.ended();
        assert!(started.elapsed().as_secs() < 10, "{name} {path}: {:?}", started.elapsed());
        assert_eq!(ended.code, 0, "{name} {path}: {ended:?}");
        assert!(ended.stderr.contains("requests are interrupted"), "{name} {path}: {}", ended.stderr);
    }
}

#[test]
fn a_guest_that_reads_no_body_leaves_its_connection_whole() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    let post = "POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello";
    let text = raw(address, &[post, "GET /next HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"]);
    assert!(text.contains("You asked POST /post") && text.contains("You asked GET /next"), "{text}");
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn what_is_no_request_gets_no_guest() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    let long = format!("GET / HTTP/1.1\r\nhost: h\r\nlong: {}\r\n\r\n", "x".repeat(100_000));
    for (request, want) in [
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 400"),
        ("hello?\r\n\r\n", "HTTP/1.1 400"),
        (long.as_str(), "HTTP/1.1 431"),
    ] {
        let text = raw(address, &[request]);
        assert!(text.starts_with(want), "{}: {text}", &request[..20.min(request.len())]);
    }
    let ended = running.stopped();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
}

#[test]
fn an_old_client_that_names_a_host_is_served() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    let text = raw(address, &["GET /old HTTP/1.0\r\nhost: h\r\n\r\n"]);
    assert!(text.starts_with("HTTP/1.0 200") && text.contains("GET /old"), "{text}");
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn a_server_in_another_language_answers_within_the_default_limits() {
    let (running, address) = serve(guest("javascript"), server(0, 10));
    let answer = block_on(get(address, "/from/javascript"));
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (200, "Hello from JavaScript! You asked /from/javascript\n")
    );
    let ended = running.stopped();
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn memory_past_the_limit_is_500_and_the_limit_is_named() {
    let (running, address) = serve(guest("hello"), support::with_memory(server(0, 10), 1));
    assert_eq!(block_on(get(address, "/")).status, 500);
    let ended = running.stopped();
    assert!(ended.stderr.contains("morph: limits.memory: the guest wanted"), "{}", ended.stderr);
    assert_eq!(ended.code, 0);
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    let (running, address) = serve(guest("hello"), server(0, 30));
    let idle = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(block_on(get(address, "/")).status, 200);
    let before = Instant::now();
    assert_eq!(running.stopped().code, 0);
    assert!(before.elapsed().as_secs() < 10, "{:?}", before.elapsed());
    drop(idle);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut task = server(0, 1);
    if let morph_host::Run::Server(http) = &mut task.run {
        http.port = taken.local_addr().unwrap().port();
    }
    let ended = support::run(guest("hello"), task);
    assert_eq!(ended.code, code::GRANT_REFUSED);
    assert!(ended.message.starts_with("http.port: port "), "{}", ended.message);
}

#[test]
fn methods_and_heads_are_the_guests_matter_within_what_http_allows() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    let many = (0..200).map(|number| format!("h{number}: x\r\n")).collect::<String>();
    for (line, headers, want, words) in [
        ("BREW /tea HTTP/1.1", "", "HTTP/1.1 200 ", "Other(\"BREW\") /tea"),
        ("DELETE /x HTTP/1.1", "", "HTTP/1.1 200 ", "Delete /x"),
        ("OPTIONS * HTTP/1.1", "", "HTTP/1.1 200 ", "Options"),
        ("GE(T / HTTP/1.1", "", "HTTP/1.1 400 ", ""),
        ("GET / HTTP/1.1", "bad name: x\r\n", "HTTP/1.1 400 ", ""),
        ("GET / HTTP/1.1", many.as_str(), "HTTP/1.1 431 ", ""),
        ("POST / HTTP/1.1", "content-length: x\r\n", "HTTP/1.1 400 ", ""),
    ] {
        let text = raw(address, &[&format!("{line}\r\nhost: h\r\n{headers}connection: close\r\n\r\n")]);
        assert!(text.starts_with(want) && text.contains(words), "{line}: {text}");
    }
    let text = raw(address, &["HEAD /x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"]);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn idle_connections_by_the_hundred_keep_nobody_waiting() {
    let (running, address) = serve(guest("hello"), server(0, 10));
    let idle: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    for _ in 0..10 {
        assert_eq!(block_on(get(address, "/")).status, 200);
    }
    drop(idle);
    assert_eq!(running.stopped().code, 0);
}
