//! The port that nodes' agents report to: TLS, HTTP/1, one path. What a report is worth is `receive.rs`.

use super::receive::Receiver;
use super::{BODY_BYTES_MAX, PATH};
use crate::listen::{self, Limits};
use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// An agent comes at most once a second, and for some milliseconds. Who came first must not keep others out;
/// a connection lasts as long as an agent waits for its answer.
const LIMITS: Limits = Limits { connections: 64, connection_ms: 10_000, head_ms: HANDSHAKE_MS_MAX };

/// How long the handshake, and then a request's head, may take, in milliseconds.
const HANDSHAKE_MS_MAX: u64 = 3_000;

/// Serves until told to stop.
///
/// # Errors
/// As [`listen::serve`].
pub async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    receiver: Arc<Receiver>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let connection = |stream| connection(stream, tls.clone(), Arc::clone(&receiver));
    listen::serve(listener, LIMITS, stop, connection).await
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, receiver: Arc<Receiver>) -> anyhow::Result<()> {
    let greeted = tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS_MAX), tls.accept(stream)).await;
    let stream = greeted.context("no handshake in time")?.context("the handshake")?;
    listen::http1(stream, LIMITS, |request| answer(request, Arc::clone(&receiver))).await
}

async fn answer(request: Request<Incoming>, receiver: Arc<Receiver>) -> Response<Full<Bytes>> {
    let (status, text) = match hear(request, &receiver).await {
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
