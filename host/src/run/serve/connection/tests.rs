//! Tests of `connection`: the time of these tests is not the clock's.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::limits::CONCURRENT_REQUESTS_MAX;
use crate::stdio::{Stdio, Streams};
use crate::store::Stores;
use crate::ticker::Ticker;
use crate::{EngineKind, Program, Requests, Run, Task, engine, linker};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioExecutor;
use morph_component::Preview;
use std::io::{PipeReader, Read};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

/// A guest that returns without an answer.
const MUTE: &str = r#"(component
    (import "wasi:http/types@0.2.0" (instance $types
        (export "incoming-request" (type (sub resource)))
        (export "response-outparam" (type (sub resource)))))
    (alias export $types "incoming-request" (type $request))
    (alias export $types "response-outparam" (type $out))
    (core module $m (func (export "handle") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func $handle (param "request" (own $request)) (param "response-out" (own $out))
        (canon lift (core func $i "handle")))
    (instance $handler (export "handle" (func $handle)))
    (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

/// A guest written by hand that does this with its request.
pub(crate) fn doing(handle: &str) -> String {
    include_str!("../../../../tests/support/proxy.wat").replace("HANDLE", handle)
}

/// Answers without an end, until nobody reads.
const ENDLESS: &str = "
    (local.set $stream (call $stream (call $answer (local.get $out))))
    (loop $more
        (call $zeroes (local.get $stream) (i64.const 4096) (i32.const 1024))
        (br_if $more (i32.eqz (i32.load8_u (i32.const 1024)))))";

/// Sends a request's body back.
pub(crate) const ECHO: &str = "
    (local.set $other (call $incoming (local.get $request)))
    (local.set $body (call $answer (local.get $out)))
    (local.set $stream (call $stream (local.get $body)))
    (loop $more
        (call $splice (local.get $stream) (local.get $other) (i64.const 4096) (i32.const 1024))
        (br_if $more (i32.eqz (i32.load8_u (i32.const 1024)))))
    (call $drop-output (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 1024))";

fn connections() -> Connections {
    serving(MUTE)
}

fn serving(component: &str) -> Connections {
    Connections::new(guests(component, null()))
}

/// The same, with this as standard error.
fn telling(component: &str, stderr: OwnedFd) -> Connections {
    Connections::new(guests(component, stderr))
}

pub(crate) fn null() -> OwnedFd {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap().into()
}

/// The guests of a server, with this as standard error.
pub(crate) fn guests(component: &str, stderr: OwnedFd) -> Arc<Guests> {
    let engine = engine(EngineKind::P2).unwrap();
    let program = Program::from_component(&engine, &wat::parse_str(component).unwrap()).unwrap();
    let task = Task::ungranted("mute", Run::Command); // no server's: nothing listens
    let instance = linker::link(&program, &task).unwrap();
    let streams = Streams::new(Stdio { stdin: null(), stdout: null(), stderr }, &task.limits);
    let ticker = Ticker::start(&engine.inner).unwrap();
    let stores = Stores::new(engine, task.into(), streams.clone(), ticker, None);
    Arc::new(Guests::new(&instance, Preview::P2, stores, streams.stderr, Requests::default()).unwrap())
}

/// A client's end of a connection that is served.
async fn connect(connections: &Connections) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    connections.serve(stream, peer, connections.place().await.unwrap());
    client
}

/// Sends this, and answers after how many seconds the server closed and what it had said.
async fn closed_after(connections: &Connections, sent: &[u8]) -> (u64, String) {
    let mut client = connect(connections).await;
    client.write_all(sent).await.unwrap();
    let (begun, mut got) = (Instant::now(), Vec::new());
    // A reset is an end as well.
    let _ = client.read_to_end(&mut got).await;
    (begun.elapsed().as_secs(), String::from_utf8_lossy(&got).into_owned())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_no_whole_request_is_closed() {
    let connections = connections();
    let limit = FIRST_REQUEST_SECONDS_MAX..=FIRST_REQUEST_SECONDS_MAX + CLOSING_SECONDS_MAX + 1;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    for (what, sent) in [
        ("nothing", b"".as_slice()),
        ("half a preface of HTTP/2", &preface[..10]),
        ("a preface and no settings", preface),
        ("half a head", b"GET / HTTP/1.1\r\nhost: h\r\n"),
    ] {
        let (seconds, _) = closed_after(&connections, sent).await;
        assert!(limit.contains(&seconds), "{what}: {seconds} s");
    }
    connections.close();
    connections.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_had_its_answer_is_kept_for_a_while() {
    let connections = connections();
    let (seconds, got) = closed_after(&connections, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 500 ") && got.ends_with("the guest gave no answer\n"), "{got}");
    let limit = IDLE_SECONDS_MAX..=IDLE_SECONDS_MAX + CLOSING_SECONDS_MAX + 1;
    assert!(limit.contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_for_a_place_gets_an_idle_ones() {
    let connections = connections();
    let idle = connect(&connections).await;
    let all = connections.places.clone();
    let rest = all.clone().acquire_many_owned(all.available_permits() as u32).await.unwrap();
    let begun = Instant::now();
    let place = connections.place().await.unwrap();
    let waited = begun.elapsed().as_secs();
    assert!((CROWDED_SECONDS_MAX..=CROWDED_SECONDS_MAX + CLOSING_SECONDS_MAX + 1).contains(&waited));
    drop((idle, rest, place));
    // With places left, the next one is in no hurry.
    let (seconds, _) = closed_after(&connections, b"").await;
    assert!(seconds >= FIRST_REQUEST_SECONDS_MAX, "{seconds} s");
}

/// What was said, once nobody is left to say more.
fn said(mut reader: PipeReader, connections: Connections) -> String {
    drop(connections);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_no_longer_crowds_nobody() {
    let connections = connections();
    let all = connections.places.clone();
    let _all = all.clone().acquire_many_owned(all.available_permits() as u32).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(1), connections.place()).await;
    assert!(waited.is_err() && !*connections.crowded.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_to_wait_is_told_of() {
    let (reader, stderr) = std::io::pipe().unwrap();
    let connections = telling(MUTE, stderr.into());
    let idle = connect(&connections).await;
    let all = connections.places.clone();
    let rest = all.clone().acquire_many_owned(all.available_permits() as u32).await.unwrap();
    drop(connections.place().await.unwrap());
    drop((idle, rest));
    connections.close();
    connections.ended().await;
    let said = said(reader, connections);
    assert_eq!(said, "morph: limit connections: 1024 are open; 1 more had to wait for a place\n");
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_keeps_its_connection_however_crowded_it_is() {
    let (used, crowded) = (watch::Sender::<Used>::default(), watch::Sender::new(true));
    let under_way = UnderWay::new(&used, Version::HTTP_11);
    let other = UnderWay::new(&used, Version::HTTP_11);
    let patience = [FIRST_REQUEST_SECONDS_MAX, IDLE_SECONDS_MAX].map(Duration::from_secs);
    let mut quiet = pin!(quiet(used.subscribe(), crowded.subscribe(), patience));
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, quiet.as_mut()).await.is_err());
    drop(other);
    assert!(tokio::time::timeout(hour, quiet.as_mut()).await.is_err());
    drop(under_way);
    let begun = Instant::now();
    quiet.await;
    assert_eq!(begun.elapsed().as_secs(), CROWDED_SECONDS_MAX);
}

#[tokio::test(start_paused = true)]
async fn each_request_begins_the_patience_anew() {
    let (used, crowded) = (watch::Sender::<Used>::default(), watch::Sender::new(false));
    let patience = [FIRST_REQUEST_SECONDS_MAX, IDLE_SECONDS_MAX].map(Duration::from_secs);
    let mut quiet = pin!(quiet(used.subscribe(), crowded.subscribe(), patience));
    let begun = Instant::now();
    let nearly = Duration::from_secs(IDLE_SECONDS_MAX - 1);
    assert!(tokio::time::timeout(Duration::from_secs(1), quiet.as_mut()).await.is_err());
    for _ in 0..5 {
        drop(UnderWay::new(&used, Version::HTTP_11));
        assert!(tokio::time::timeout(nearly, quiet.as_mut()).await.is_err());
    }
    quiet.await;
    assert_eq!(begun.elapsed().as_secs(), 1 + 5 * (IDLE_SECONDS_MAX - 1) + 1);
}

/// Where a client that takes no part is given up, in seconds: on its own, and while others wait.
const STALLED: std::ops::RangeInclusive<u64> = 300..=310;
const STALLED_CROWDED: std::ops::RangeInclusive<u64> = 30..=40;

/// Sends this and reads as far as the status of the answer, 200.
async fn begun(connections: &Connections, sent: &[u8]) -> TcpStream {
    let mut client = connect(connections).await;
    client.write_all(sent).await.unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    client
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_more_of_its_answer_is_let_go() {
    for (is_crowded, limit) in [(false, STALLED), (true, STALLED_CROWDED)] {
        let connections = serving(&doing(ENDLESS));
        let client = begun(&connections, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        connections.crowded.send_replace(is_crowded);
        let since = Instant::now();
        connections.close();
        connections.guests.close();
        connections.ended().await;
        connections.guests.ended().await;
        assert!(limit.contains(&since.elapsed().as_secs()), "{is_crowded}: {:?}", since.elapsed());
        drop(client);
    }
}

/// Bytes of an answer that has an end: more than sockets with little room take, and less than hyper keeps.
const LAST_BYTES: usize = 15 * 4096;

/// A request over HTTP/1.1, and the same over HTTP/2: preface, settings, and one frame of headers.
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const GET_2: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01h";

/// Whether this has the end of an answer over HTTP/1.1, and all of it.
fn is_whole(text: &[u8]) -> bool {
    let zeroes = || text.iter().filter(|byte| **byte == 0).count();
    text.ends_with(b"\r\n0\r\n\r\n") && zeroes() == LAST_BYTES
}

/// The same over HTTP/2.
fn is_whole_2(mut frames: &[u8]) -> bool {
    let (mut bytes, mut is_ended) = (0, false);
    while let Some(([a, b, c, kind, flags, ..], rest)) = frames.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((_, next)) = rest.split_at_checked(length) else { return false };
        if *kind == 0 {
            (bytes, is_ended) = (bytes + length, flags & 1 == 1);
        }
        frames = next;
    }
    is_ended && bytes == LAST_BYTES
}

/// A client's end of a connection with little room at both ends.
async fn narrow(connections: &Connections) -> TcpStream {
    let sockets = [(); 2].map(|()| TcpSocket::new_v4().unwrap());
    let [listens, asks] = sockets;
    listens.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    listens.set_send_buffer_size(4096).unwrap();
    asks.set_recv_buffer_size(4096).unwrap();
    let listener = listens.listen(1).unwrap();
    let client = asks.connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    connections.serve(stream, peer, connections.place().await.unwrap());
    client
}

/// Such a one whose guest has given its whole answer to this, of [`LAST_BYTES`].
async fn answered(connections: &Connections, asked: &[u8]) -> TcpStream {
    let mut client = narrow(connections).await;
    let asked = async {
        client.write_all(asked).await.unwrap();
        // More than what HTTP/2 says before.
        while client.peek(&mut [0; 1024]).await.unwrap() < 1024 || connections.guests.busy() > 0 {
            tokio::task::yield_now().await;
        }
    };
    on_a_still_clock(asked).await;
    client
}

/// A guest that gives it.
fn last() -> String {
    let zeroes = "(call $zeroes (local.get $stream) (i64.const 4096) (i32.const 1024))";
    doing(&format!(
        "(local.set $body (call $answer (local.get $out)))
        (local.set $stream (call $stream (local.get $body))) {}
        (call $drop-output (local.get $stream))
        (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 1024))",
        zeroes.repeat(LAST_BYTES / 4096)
    ))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_time_for_the_last_of_its_answer_has_all_of_it() {
    for is_crowded in [false, true] {
        for (asked, is_whole) in [(GET, is_whole as fn(&[u8]) -> bool), (GET_2, is_whole_2)] {
            let connections = serving(&last());
            let mut client = answered(&connections, asked).await;
            connections.crowded.send_replace(is_crowded);
            connections.close();
            let mut text = Vec::new();
            for most in [LAST_BYTES / 2, usize::MAX] {
                tokio::time::sleep(Duration::from_secs(STALLED_CROWDED.start() - 5)).await;
                let reading = async {
                    while text.len() < most && !is_whole(&text) {
                        assert_ne!(client.read_buf(&mut text).await.unwrap(), 0, "{is_crowded}: cut");
                    }
                };
                on_a_still_clock(reading).await;
            }
            drop(client);
            connections.ended().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_takes_the_last_of_its_answer_is_let_go() {
    for (is_crowded, limit) in [(false, STALLED), (true, STALLED_CROWDED)] {
        let connections = serving(&last());
        let client = answered(&connections, GET).await;
        connections.crowded.send_replace(is_crowded);
        let since = Instant::now();
        connections.close();
        connections.ended().await;
        assert!(limit.contains(&since.elapsed().as_secs()), "{is_crowded}: {:?}", since.elapsed());
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_pings_gains_no_time_by_what_it_does_not_read() {
    let connections = connections();
    let mut client = narrow(&connections).await;
    let (preface, ping) = (&GET_2[..33], b"\0\0\x08\x06\0\0\0\0\0........");
    let since = Instant::now();
    client.write_all(preface).await.unwrap();
    // Ends when the connection does: nobody reads so many.
    let wrote = client.write_all(&ping.repeat(1 << 20)).await;
    let limit = FIRST_REQUEST_SECONDS_MAX..=FIRST_REQUEST_SECONDS_MAX + CLOSING_SECONDS_MAX + 1;
    assert!(wrote.is_err() && limit.contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_on_is_kept_however_slow_it_is() {
    let connections = serving(&doing(ENDLESS));
    let mut client = begun(&connections, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    // More than the kernel keeps for it, so that something moves each time.
    let mut piece = vec![0; 16 << 20];
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(*STALLED.start() - 20)).await;
        on_a_still_clock(client.read_exact(&mut piece)).await.unwrap();
    }
    assert_eq!(connections.guests.busy(), 1);
}

/// Waits for what the kernel brings without a moment passing: a paused clock goes on by itself where nothing
/// runs, but not while a thread for blocking work does.
async fn on_a_still_clock<T>(work: impl Future<Output = T>) -> T {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let held = tokio::task::spawn_blocking(move || wait.recv().is_err());
    let value = work.await;
    drop(done);
    assert!(held.await.unwrap());
    value
}

#[tokio::test(start_paused = true)]
async fn clients_that_send_no_body_give_their_places_to_others() {
    let connections = serving(&doing(ECHO));
    let post = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf";
    let get = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let mut clients = Vec::new();
    for _ in 0..CONCURRENT_REQUESTS_MAX {
        clients.push(begun(&connections, post).await);
    }
    let since = Instant::now();
    assert!(closed_after(&connections, get).await.1.starts_with("HTTP/1.1 503 "));
    for mut client in clients {
        let _ = client.read_to_end(&mut Vec::new()).await;
    }
    assert!(STALLED_CROWDED.contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(closed_after(&connections, get).await.1.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_2_that_is_not_read_is_reset_and_the_others_go_on() {
    let connections = serving(&doing(ENDLESS));
    let stream = TokioIo::new(connect(&connections).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = || hyper::Request::get("http://h/").body(Empty::<bytes::Bytes>::new()).unwrap();
    let stalled = sender.send_request(request()).await.unwrap();
    let mut read = sender.send_request(request()).await.unwrap();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut bytes = 0;
        while bytes < 16 << 20 {
            bytes += read.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
    }
    assert_eq!(connections.guests.busy(), 1);
    assert!(stalled.collect().await.is_err());
    assert!(read.frame().await.unwrap().is_ok());
    driver.abort();
}

/// A request over HTTP/1.1 with a body of five bytes, and the first words of its answer.
const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello";
const OK: &str = "HTTP/1.1 200 OK\r\n";

/// Sends a request and reads its answer, up to the last byte of the echo.
async fn echoed(client: &mut TcpStream) -> String {
    client.write_all(POST).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"hello\r\n0\r\n\r\n") {
        assert!(client.read_buf(&mut got).await.unwrap() > 0, "{}", String::from_utf8_lossy(&got));
    }
    String::from_utf8(got).unwrap()
}

fn is_last(answer: &str) -> bool {
    answer.starts_with(OK) && answer.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn the_next_answer_tells_a_client_to_ask_elsewhere() {
    let connections = serving(&doing(ECHO));
    let mut client = connect(&connections).await;
    assert!(!is_last(&echoed(&mut client).await));
    connections.leave();
    assert!(is_last(&echoed(&mut client).await));
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "and then it is closed");
    // Who comes still is answered as well, and told the same.
    assert!(is_last(&echoed(&mut connect(&connections).await).await));
}

#[tokio::test(start_paused = true)]
async fn what_is_about_to_be_asked_at_the_end_is_answered() {
    let connections = serving(&doing(ECHO));
    let (mut kept, mut fresh) = (connect(&connections).await, connect(&connections).await);
    on_a_still_clock(echoed(&mut kept)).await;
    connections.close();
    tokio::time::sleep(Duration::from_millis(LATELY_MILLIS / 2)).await;
    for client in [&mut kept, &mut fresh] {
        assert!(is_last(&on_a_still_clock(echoed(client)).await));
    }
    connections.ended().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_nobody_waits_long_for_who_asks_nothing() {
    let lately = Duration::from_millis(LATELY_MILLIS);
    for (idle, want) in [(Duration::ZERO, lately), (lately, Duration::ZERO)] {
        let connections = serving(&doing(ECHO));
        let (mut kept, _fresh) = (connect(&connections).await, connect(&connections).await);
        on_a_still_clock(echoed(&mut kept)).await;
        tokio::time::sleep(idle).await;
        let closed = Instant::now();
        connections.close();
        connections.ended().await;
        let late = closed.elapsed().saturating_sub(want);
        assert!(closed.elapsed() >= want && late < lately / 10, "idle for {idle:?}: {:?}", closed.elapsed());
    }
}

#[tokio::test]
async fn a_client_of_http_2_hears_of_the_end_and_has_the_whole_of_what_it_asked() {
    let connections = serving(&doing(ECHO));
    let stream = TokioIo::new(connect(&connections).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = || {
        let (body, asked) = futures::channel::mpsc::channel::<Result<_, Infallible>>(1);
        let body_of = http_body_util::StreamBody::new(asked);
        (body, hyper::Request::post("http://h/").body(body_of).unwrap())
    };
    let piece = || Ok(hyper::body::Frame::data(bytes::Bytes::from_static(b"half")));
    let (mut body, asked) = request();
    body.try_send(piece()).unwrap();
    let answer = sender.send_request(asked).await.unwrap();
    connections.leave();
    // It asks on until it has heard, and then no more: what it has sent is answered, the rest is its own.
    loop {
        let (body, asked) = request();
        drop(body);
        let Ok(answer) = sender.try_send_request(asked).await else { break };
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "");
    }
    connections.close();
    body.try_send(piece()).unwrap();
    body.disconnect();
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "halfhalf");
    connections.ended().await;
    driver.await.unwrap().unwrap();
}
