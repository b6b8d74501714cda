//! Serves /livez, /readyz and /metrics over HTTP, to the kubelet and to Prometheus. Decides nothing but
//! what a path is answered with.

use crate::listen::{self, Limits};
use crate::metrics::Metrics;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A kubelet and a few scrapers.
const LIMITS: Limits = Limits { connections: 32, connection_ms: 60_000, head_ms: 5_000 };

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

/// Serves one port until told to stop.
///
/// # Errors
/// As [`listen::serve`].
pub async fn serve(
    listener: TcpListener,
    port: Port,
    health: Arc<Health>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let connection = |stream| {
        let health = Arc::clone(&health);
        listen::http1(stream, LIMITS, move |request| std::future::ready(health.respond(port, &request)))
    };
    listen::serve(listener, LIMITS, stop, connection).await
}

#[cfg(test)]
mod tests;
