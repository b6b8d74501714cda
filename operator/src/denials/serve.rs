//! The port that nodes' agents report to: TLS, HTTP/1, one path. What a report is worth is `receive.rs`.

use super::receive::Receiver;
use super::{BODY_BYTES_MAX, PATH};
use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections served at once: an agent comes at most once a second, and for some milliseconds. More wait in the
/// kernel's queue.
pub const CONNECTIONS_MAX: usize = 64;

/// How long a connection may last, in milliseconds, whatever comes over it: who came first must not keep
/// others out. It is also how long an agent waits for its answer.
pub const CONNECTION_MS_MAX: u64 = 10_000;

/// How long the handshake, and then a request's head, may take, in milliseconds.
pub const HEAD_MS_MAX: u64 = 3_000;

/// Serves until told to stop.
///
/// # Errors
/// None but a panic of a connection's task: one that fails is its client's affair.
pub async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    receiver: Arc<Receiver>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => ended.context("a connection's task")?,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), Arc::clone(&receiver)));
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

async fn connection(stream: TcpStream, tls: TlsAcceptor, receiver: Arc<Receiver>) {
    let served = async {
        let greeted = tokio::time::timeout(Duration::from_millis(HEAD_MS_MAX), tls.accept(stream)).await;
        let stream = greeted.context("no handshake in time")?.context("the handshake")?;
        let service = service_fn(move |request: Request<Incoming>| {
            let receiver = Arc::clone(&receiver);
            async move { Ok::<_, Infallible>(answer(request, &receiver).await) }
        });
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(HEAD_MS_MAX))
            .serve_connection(TokioIo::new(stream), service)
            .await
            .context("the connection")
    };
    match tokio::time::timeout(Duration::from_millis(CONNECTION_MS_MAX), served).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "an agent's connection ended early"),
    }
}

async fn answer(request: Request<Incoming>, receiver: &Receiver) -> Response<Full<Bytes>> {
    let (status, text) = match hear(request, receiver).await {
        Ok(()) => (StatusCode::NO_CONTENT, String::new()),
        Err((status, text)) => (status, format!("{text}\n")),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

async fn hear(request: Request<Incoming>, receiver: &Receiver) -> Result<(), (StatusCode, String)> {
    if request.uri().path() != PATH {
        return Err((StatusCode::NOT_FOUND, "not here".to_owned()));
    }
    if request.method() != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "POST".to_owned()));
    }
    let token = bearer(request.headers()).ok_or((StatusCode::UNAUTHORIZED, "a bearer token".to_owned()))?;
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let too_large = |_| (StatusCode::PAYLOAD_TOO_LARGE, format!("at most {BODY_BYTES_MAX} bytes"));
    let body = body.map_err(too_large)?.to_bytes();
    receiver.receive(&token, &body).await.map_err(|unheard| (unheard.status(), unheard.to_string()))
}

fn bearer(headers: &http::HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
