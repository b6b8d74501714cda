//! Serves /livez, /readyz and /metrics over HTTP, to the kubelet and to Prometheus. Decides nothing but
//! what a path is answered with.

use crate::metrics::Metrics;
use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections served at once: a kubelet and a few scrapers. More wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 32;

/// How long a connection may last, in milliseconds, whatever comes over it.
pub const CONNECTION_MS_MAX: u64 = 60_000;

/// How long a request's head may take, in milliseconds.
pub const HEAD_MS_MAX: u64 = 5_000;

/// What the ports answer from.
#[derive(Default)]
pub struct Health {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    ready: AtomicBool,
    stopping: AtomicBool,
}

/// Which paths a port has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// /livez and /readyz
    Health,
    /// /metrics
    Metrics,
}

impl Health {
    /// What answers from these metrics; not ready yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// The API server was reached and every task runs. A replica that waits for the lease is ready too.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::set_ready`] was called.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The process was told to stop.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn answer(&self, port: Port, method: &Method, path: &str) -> (StatusCode, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let words = |status, text: &str| (status, TEXT, format!("{text}\n"));
        if method != Method::GET && method != Method::HEAD {
            return words(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD");
        }
        match (port, path) {
            // A task that ended ends the process; what answers here is alive.
            (Port::Health, "/livez") => words(StatusCode::OK, "ok"),
            (Port::Health, "/readyz") if self.stopping.load(Ordering::Relaxed) => {
                words(StatusCode::SERVICE_UNAVAILABLE, "stopping")
            }
            (Port::Health, "/readyz") if self.is_ready() => words(StatusCode::OK, "ok"),
            (Port::Health, "/readyz") => words(StatusCode::SERVICE_UNAVAILABLE, "starting"),
            (Port::Metrics, "/metrics") => match self.metrics.text() {
                Ok(text) => (StatusCode::OK, OPEN_METRICS, text),
                Err(error) => words(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            },
            _ => words(StatusCode::NOT_FOUND, "not here"),
        }
    }

    fn respond(&self, port: Port, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, content_type, text) = self.answer(port, request.method(), request.uri().path());
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        response
    }
}

/// Opens a port.
///
/// # Errors
/// The address can't be had.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Serves one port until told to stop.
///
/// # Errors
/// None: a connection that fails is its client's affair, and said in the log.
pub async fn serve(
    listener: TcpListener,
    port: Port,
    health: Arc<Health>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => ended.context("a connection's task")?,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, port, Arc::clone(&health)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    // Out of descriptors, say: trying again at once would only burn CPU.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    connections.shutdown().await;
    Ok(())
}

async fn connection(stream: TcpStream, port: Port, health: Arc<Health>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = health.respond(port, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS_MAX))
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(Duration::from_millis(CONNECTION_MS_MAX), served).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
    }
}

#[cfg(test)]
mod tests;
