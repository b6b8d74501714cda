//! Tests of `serve`.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::connection::tests::{ECHO, doing, guests, null};
use super::*;
use crate::Stdio;
use crate::limits::CONNECTIONS_MAX;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

fn http(lame_duck_seconds: u32, grace_period_seconds: u32) -> Http {
    Http {
        address: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        lame_duck_seconds,
        grace_period_seconds,
        requests: crate::Requests::default(),
    }
}

fn ending(lame_duck_seconds: u32, grace_period_seconds: u32) -> (u128, u128) {
    let ending = Ending::of(&http(lame_duck_seconds, grace_period_seconds));
    (ending.lame_duck.as_millis(), ending.interrupt.as_millis())
}

#[test]
fn guests_are_interrupted_before_the_grace_period_is_over() {
    for (lame_duck, grace, want) in [
        (3, 30, (3_000, 29_000)),
        (0, 30, (0, 29_000)),
        (3, 5, (3_000, 4_500)),
        (3, 2, (1_800, 1_800)),
        (60, 30, (29_000, 29_000)),
        (3, 0, (0, 0)),
        (u32::MAX, u32::MAX, (4_294_967_294_000, 4_294_967_294_000)),
    ] {
        assert_eq!(ending(lame_duck, grace), want, "lame duck {lame_duck} s, grace {grace} s");
    }
}

/// A server that sends back what it is sent, and its listener.
fn server() -> (Server, TcpListener, SocketAddr) {
    let guests = guests(&doing(ECHO), null());
    let listener = listen::bind(Ipv4Addr::LOCALHOST.into(), 0).unwrap();
    let address = listener.local_addr().unwrap();
    (Server { connections: Connections::new(guests.clone()), guests }, listener, address)
}

/// Connections that nobody has accepted, on each of which a request has been sent.
fn asking(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let ask = || {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        client
    };
    std::iter::repeat_with(ask).take(count).collect()
}

/// Wants that each is answered, and told that this was the last.
fn check_answered(clients: Vec<TcpStream>) {
    for (number, mut client) in clients.into_iter().enumerate() {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap_or_else(|error| panic!("client {number}: {error}"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "client {number}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "client {number}: {answer}");
        assert!(answer.ends_with("hello\r\n0\r\n\r\n"), "client {number}: {answer}");
    }
}

/// Serves until it has ended; stop has been said.
async fn serve_to_the_end(server: &Server, listener: TcpListener) {
    let (stopper, stop) = crate::stop();
    stopper.stop();
    let streams = Streams::new(Stdio { stdin: null(), stdout: null(), stderr: null() }, &Default::default());
    server.serve(listener, &http(0, 30), &stop, &streams).await;
}

#[tokio::test]
async fn connections_that_nobody_has_accepted_at_the_end_are_answered() {
    let (server, listener, address) = server();
    let clients = asking(address, 100);
    serve_to_the_end(&server, listener).await;
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    check_answered(clients);
}

/// How often what hangs on which of two things a server sees first is tried.
const ROUNDS: usize = 16;

#[tokio::test]
async fn connections_without_a_place_at_the_end_get_one() {
    for _ in 0..ROUNDS {
        let (server, listener, address) = server();
        let server = Arc::new(server);
        let mut places = Vec::new();
        while places.len() < CONNECTIONS_MAX {
            places.extend(server.connections.place().await);
        }
        let clients = asking(address, 3);
        let serving = {
            let server = server.clone();
            tokio::spawn(async move { serve_to_the_end(&server, listener).await })
        };
        // The end has come when nobody listens.
        while TcpStream::connect(address).is_ok() {
            tokio::task::yield_now().await;
        }
        drop(places);
        serving.await.unwrap();
        check_answered(clients);
    }
}
