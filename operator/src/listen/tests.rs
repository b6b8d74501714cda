//! The bounds of a port, over real sockets on loopback.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

const LIMITS: Limits = Limits { connections: 2, connection_ms: 60_000, head_ms: 60_000 };

struct Port {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Port {
    /// A port that answers every request with its path, and counts the connections that it serves.
    async fn open(limits: Limits) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let count = Arc::clone(&served);
        let serving = tokio::spawn(serve(listener, limits, stop.clone(), move |stream| {
            count.fetch_add(1, Ordering::Relaxed);
            http1(stream, limits, |request: Request<Incoming>| {
                let path = request.uri().path().to_owned();
                async move { Response::new(Full::from(path)) }
            })
        }));
        Self { address, served, stop, serving }
    }

    async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
        assert!(TcpStream::connect(self.address).await.is_err());
    }
}

/// What comes back for these bytes until the other side closes.
async fn ask(mut stream: TcpStream, bytes: &str) -> std::io::Result<String> {
    stream.write_all(bytes.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

const GET: &str = "GET /here HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered_and_nonsense_ends_its_own_connection_alone() {
    let port = Port::open(LIMITS).await;
    let nonsense = ask(TcpStream::connect(port.address).await.unwrap(), "nonsense\r\n\r\n").await.unwrap();
    assert!(nonsense.contains("400"), "{nonsense}");
    let answer = ask(TcpStream::connect(port.address).await.unwrap(), GET).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("/here"), "{answer}");
    port.close().await;
}

#[tokio::test]
async fn what_is_beyond_the_limit_waits_for_a_place() {
    let port = Port::open(LIMITS).await;
    let mut silent = Vec::new();
    for _ in 0..LIMITS.connections {
        silent.push(TcpStream::connect(port.address).await.unwrap());
    }
    let waiting = tokio::spawn(ask(TcpStream::connect(port.address).await.unwrap(), GET));
    while port.served.load(Ordering::Relaxed) < LIMITS.connections {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    silent.pop();
    assert!(waiting.await.unwrap().unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(port.served.load(Ordering::Relaxed), LIMITS.connections + 1);
    port.close().await;
}

#[tokio::test]
async fn a_connection_and_a_head_have_an_end() {
    let port = Port::open(Limits { connection_ms: 1, ..LIMITS }).await;
    assert_eq!(ask(TcpStream::connect(port.address).await.unwrap(), "").await.unwrap(), "");
    port.close().await;
    let port = Port::open(Limits { head_ms: 1, ..LIMITS }).await;
    let slow = ask(TcpStream::connect(port.address).await.unwrap(), "GET / HTTP/1.1\r\n").await;
    // It may even be closed before that is sent.
    assert!(!slow.as_ref().is_ok_and(|answer| answer.contains("200")), "{slow:?}");
    port.close().await;
}

#[tokio::test]
async fn a_panic_of_a_connections_task_ends_the_port() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve(listener, LIMITS, CancellationToken::new(), |_| async { panic!("on purpose") });
    let (ended, _) = tokio::join!(serving, TcpStream::connect(address));
    assert!(ended.is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = format!("{:#}", bind(address).await.unwrap_err());
    assert!(error.contains(&address.to_string()), "{error}");
}
