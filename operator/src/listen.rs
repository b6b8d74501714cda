//! Listens: takes so many connections at once and no more, each for so long and no longer, and speaks HTTP/1
//! over them. What is answered is `health.rs`'s and `denials/serve.rs`'s.

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time between two tries to accept a connection when one went wrong, in milliseconds: out of descriptors,
/// say, trying again at once would only burn CPU.
const ACCEPT_PAUSE_MS: u64 = 100;

/// What a port allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections served at once; more wait in the kernel's queue.
    pub connections: usize,
    /// How long one may last, in milliseconds, whatever comes over it.
    pub connection_ms: u64,
    /// How long a request's head may take, in milliseconds.
    pub head_ms: u64,
}

/// Opens a port.
///
/// # Errors
/// The address can't be had.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Serves connections until told to stop.
///
/// # Errors
/// The task of a connection panicked. A connection that fails is its client's affair, and said in the log.
pub async fn serve<C>(
    listener: TcpListener,
    limits: Limits,
    stop: CancellationToken,
    connection: impl Fn(TcpStream) -> C,
) -> anyhow::Result<()>
where
    C: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => ended.context("a connection's task")?,
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(bounded(connection(stream), limits.connection_ms));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            },
        }
    }
    connections.shutdown().await;
    Ok(())
}

async fn bounded(connection: impl Future<Output = anyhow::Result<()>>, limit_ms: u64) {
    match tokio::time::timeout(Duration::from_millis(limit_ms), connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "a connection ended early"),
    }
}

/// Speaks HTTP/1 over a connection to its end.
///
/// # Errors
/// The client does not speak it, or goes away, or takes too long for a head.
pub async fn http1<S, A>(
    stream: S,
    limits: Limits,
    answer: impl Fn(Request<Incoming>) -> A,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request| {
        let response = answer(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.head_ms))
        .serve_connection(TokioIo::new(stream), service)
        .await
        .context("the connection")
}

#[cfg(test)]
mod tests;
