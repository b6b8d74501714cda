//! Loads on servers that answer well, ill, late and not at all.
#![allow(clippy::unwrap_used)]

use super::*;
use tokio::net::TcpListener;

/// A server that gives every request of every connection the same answer.
async fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the test's runtime.
    drop(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut request = [0; 1024];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    }));
    address
}

fn load(server: SocketAddr) -> Load {
    Load { server, from: None, connections: 4, seconds: 1 }
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_asks_again_and_again() {
    let found = load(server(GOOD).await).run().await.unwrap();
    assert!(found.answers > 4 && found.seconds >= 1.0, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_other_than_200_is_no_figure() {
    let server = server(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let error = format!("{:#}", load(server).run().await.unwrap_err());
    assert!(error.contains("answered 503"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_off() {
    let server = server(&[b'x'; ANSWER_BYTES_MAX + 1]).await;
    let error = format!("{:#}", load(server).run().await.unwrap_err());
    assert!(error.contains("more than 65536 bytes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_namespace_that_is_gone_is_named() {
    let mut load = load("127.0.0.1:1".parse().unwrap());
    load.from = Some("/proc/0/ns/net".into());
    let error = format!("{:#}", load.run().await.unwrap_err());
    assert!(error.contains("/proc/0/ns/net"), "{error}");
}

#[tokio::test]
async fn the_first_answer_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let begun = Instant::now();
    let (found, ()) = tokio::join!(first_answer(address, begun, 10), async {
        // The first connection ends without an answer: as with a server that isn't ready.
        drop(listener.accept().await.unwrap());
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(GOOD).await.unwrap();
    });
    assert!(found.unwrap() <= begun.elapsed());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = format!("{:#}", first_answer(address, Instant::now(), 0).await.unwrap_err());
    assert!(error.contains("no answer of"), "{error}");
}
