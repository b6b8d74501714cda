//! What each path is answered with, and over a real socket.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::listen::bind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[test]
fn each_path_has_its_answer() {
    let (starting, ready, stopping) = (Health::default(), Health::default(), Health::default());
    ready.set_ready();
    stopping.set_ready();
    stopping.set_stopping();
    for (health, port, method, path, want) in [
        (&starting, Port::Health, Method::GET, "/livez", 200),
        (&starting, Port::Health, Method::GET, "/readyz", 503),
        (&ready, Port::Health, Method::GET, "/readyz", 200),
        (&ready, Port::Health, Method::HEAD, "/readyz", 200),
        (&stopping, Port::Health, Method::GET, "/livez", 200),
        (&stopping, Port::Health, Method::GET, "/readyz", 503),
        (&ready, Port::Health, Method::POST, "/readyz", 405),
        (&ready, Port::Health, Method::GET, "/metrics", 404),
        (&ready, Port::Metrics, Method::GET, "/metrics", 200),
        (&ready, Port::Metrics, Method::GET, "/livez", 404),
        (&ready, Port::Metrics, Method::GET, "/../livez", 404),
    ] {
        let (status, _, text) = health.answer(port, &method, path);
        assert_eq!(status.as_u16(), want, "{port:?} {method} {path}: {text}");
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_port_serves_until_it_is_told_to_stop() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let health = Arc::new(Health::default());
    health.metrics.leader.set(1);
    let served = tokio::spawn(serve(listener, Port::Metrics, health, stop.clone()));
    let answer = get(address, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("morph_operator_leader 1"), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
    stop.cancel();
    served.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, Port::Health, Arc::default(), stop.clone()));
    let silent = TcpStream::connect(address).await.unwrap();
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    stop.cancel();
    served.await.unwrap().unwrap();
    drop(silent);
}
