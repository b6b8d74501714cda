//! Tests of `connection`: the time of these tests is not the clock's.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::stdio::{Stdio, Streams};
use crate::store::Stores;
use crate::ticker::Ticker;
use crate::{EngineKind, Program, Run, Task, engine, linker};
use morph_component::Preview;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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

fn connections() -> Connections {
    let engine = engine(EngineKind::P2).unwrap();
    let program = Program::from_component(&engine, &wat::parse_str(MUTE).unwrap()).unwrap();
    let task = Task::ungranted("mute", Run::Command);
    let instance = linker::link(&program, &task.grants).unwrap();
    let null = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap().into();
    let streams = Streams::from(Stdio { stdin: null(), stdout: null(), stderr: null() });
    let ticker = Ticker::start(&engine.inner).unwrap();
    let stores = Stores::new(engine, task.into(), streams.clone(), ticker);
    Connections::new(Arc::new(Guests::new(&instance, Preview::P2, stores, streams.stderr).unwrap()))
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

#[tokio::test(start_paused = true)]
async fn a_request_under_way_keeps_its_connection_however_crowded_it_is() {
    let (requests, crowded) = (watch::Sender::new(0), watch::Sender::new(true));
    let under_way = UnderWay::new(&requests);
    let other = UnderWay::new(&requests);
    let patience = [FIRST_REQUEST_SECONDS_MAX, IDLE_SECONDS_MAX].map(Duration::from_secs);
    let mut quiet = pin!(quiet(requests.subscribe(), crowded.subscribe(), patience));
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
    let (requests, crowded) = (watch::Sender::new(0), watch::Sender::new(false));
    let patience = [FIRST_REQUEST_SECONDS_MAX, IDLE_SECONDS_MAX].map(Duration::from_secs);
    let mut quiet = pin!(quiet(requests.subscribe(), crowded.subscribe(), patience));
    let begun = Instant::now();
    let nearly = Duration::from_secs(IDLE_SECONDS_MAX - 1);
    assert!(tokio::time::timeout(Duration::from_secs(1), quiet.as_mut()).await.is_err());
    for _ in 0..5 {
        drop(UnderWay::new(&requests));
        assert!(tokio::time::timeout(nearly, quiet.as_mut()).await.is_err());
    }
    quiet.await;
    assert_eq!(begun.elapsed().as_secs(), 1 + 5 * (IDLE_SECONDS_MAX - 1) + 1);
}
