//! The HTTP side of the registry: first the fault that fits, then who may, then what there is.

use super::{Auth, Fault, PASSWORD, Seen, State, TOKEN, USERNAME};
use crate::artifact;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What the body of every refusal says; if a client's message has it, the client repeats what servers say.
pub const CHATTER: &str = "text-of-the-server";

/// Bytes of each chunk of an endless answer.
const CHUNK_BYTES: usize = 16 << 10;

/// Takes connections until it is aborted, and its connections with it.
pub(super) async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            match tls {
                None => connection(stream, &state).await,
                // A client that doesn't trust the certificate goes away.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, &state).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) {
    let service = service_fn(|request| answer(request, state));
    // A client that goes away, or a fault that breaks off, ends a connection with an error.
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A body that can lie about its length and can be without end.
struct Told {
    bytes: Option<Bytes>,
    announced: Option<u64>,
    then: Then,
}

enum Then {
    End,
    /// Once what was said so far is on its way.
    BreakOffSoon,
    BreakOff,
    Endless,
}

impl Body for Told {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        Poll::Ready(match self.then {
            Then::End => None,
            Then::BreakOffSoon => {
                self.then = Then::BreakOff;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Then::BreakOff => Some(Err(std::io::Error::other("the fault that was asked for"))),
            Then::Endless => Some(Ok(Frame::data(Bytes::from(vec![0; CHUNK_BYTES])))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn told(status: u16, bytes: Vec<u8>) -> Response<Told> {
    let announced = Some(bytes.len() as u64);
    let mut response = Response::new(Told { bytes: Some(bytes.into()), announced, then: Then::End });
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

fn refusal(status: u16) -> Response<Told> {
    told(status, format!("{{\"errors\":[{{\"message\":\"{CHATTER}\"}}]}}").into_bytes())
}

fn with(mut response: Response<Told>, name: http::HeaderName, value: &str) -> Response<Told> {
    response.headers_mut().insert(name, value.parse().expect("a header"));
    response
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Result<Response<Told>, Infallible> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let seen = Seen {
        method: request.method().to_string(),
        path: request.uri().to_string(),
        authorization: text(AUTHORIZATION).to_owned(),
    };
    let host = text(HOST).to_owned();
    let method = request.method().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let fault = {
        let mut state = state.lock().expect("no test panics with the lock");
        state.log.push(seen.clone());
        take_fault(&mut state, &seen)
    };
    if matches!(fault, Some(Fault::Silence)) {
        std::future::pending::<()>().await;
    }
    let mut state = state.lock().expect("no test panics with the lock");
    let honest = |state: &mut State| {
        if seen.path.starts_with("/token?") {
            return token(state, &seen);
        }
        challenge(state, &seen, &host).unwrap_or_else(|| serve(state, &method, &seen.path, body))
    };
    Ok(match fault {
        None | Some(Fault::Silence) => honest(&mut state),
        Some(Fault::Status(status) | Fault::StatusTimes(status, _)) => refusal(status),
        Some(Fault::Redirect(status, to)) => with(refusal(status), LOCATION, &to),
        Some(Fault::Challenge(value)) => with(refusal(401), WWW_AUTHENTICATE, &value),
        Some(Fault::Body(bytes)) => told(200, bytes),
        Some(Fault::Gzip(bytes)) => with(told(200, bytes), CONTENT_ENCODING, "gzip"),
        Some(Fault::BreakOff(after)) => {
            let mut response = honest(&mut state);
            let body = response.body_mut();
            body.bytes = body.bytes.take().map(|bytes| bytes.slice(..after.min(bytes.len())));
            body.then = Then::BreakOffSoon;
            response
        }
        Some(Fault::Endless) => Response::new(Told { bytes: None, announced: None, then: Then::Endless }),
    })
}

fn take_fault(state: &mut State, seen: &Seen) -> Option<Fault> {
    let asked = format!("{} {}", seen.method, seen.path);
    let (_, fault) =
        state.faults.iter_mut().rev().find(|(part, fault)| {
            asked.contains(part.as_str()) && !matches!(fault, Fault::StatusTimes(_, 0))
        })?;
    if let Fault::StatusTimes(_, times) = fault {
        *times -= 1;
    }
    Some(fault.clone())
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")))
}

fn challenge(state: &State, seen: &Seen, host: &str) -> Option<Response<Told>> {
    let (wanted, value) = match state.auth.as_ref()? {
        Auth::Basic => (basic(), "Basic realm=\"it\"".to_owned()),
        Auth::AnonymousToken | Auth::Token => {
            (format!("Bearer {TOKEN}"), format!("Bearer realm=\"http://{host}/token\",service=\"it\""))
        }
        Auth::TokenFrom(realm) => {
            (format!("Bearer {TOKEN}"), format!("Bearer realm=\"{realm}\",service=\"it\""))
        }
    };
    (seen.authorization != wanted).then(|| with(refusal(401), WWW_AUTHENTICATE, &value))
}

fn token(state: &State, seen: &Seen) -> Response<Told> {
    if matches!(state.auth, Some(Auth::Token)) && seen.authorization != basic() {
        return refusal(401);
    }
    told(200, format!("{{\"token\":\"{TOKEN}\"}}").into_bytes())
}

/// What a manifest says that it is: clients go by the header alone.
fn media_type(manifest: Option<&Vec<u8>>) -> String {
    let manifest = manifest.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok());
    let named = manifest.and_then(|manifest| Some(manifest["mediaType"].as_str()?.to_owned()));
    named.unwrap_or_else(|| artifact::MANIFEST.to_owned())
}

fn serve(state: &mut State, method: &Method, path: &str, body: Bytes) -> Response<Told> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let found = |bytes: Option<&Vec<u8>>| match (bytes, method) {
        (Some(bytes), &Method::HEAD) => with(told(200, Vec::new()), CONTENT_LENGTH, &bytes.len().to_string()),
        (Some(bytes), _) => told(200, bytes.clone()),
        (None, _) => refusal(404),
    };
    let last = path.rsplit('/').next().unwrap_or_default();
    match *method {
        Method::GET | Method::HEAD if path.contains("/manifests/") => {
            let manifest = state.manifests.get(last);
            with(found(manifest), CONTENT_TYPE, &media_type(manifest))
        }
        Method::GET | Method::HEAD if path.contains("/blobs/") => found(state.blobs.get(last)),
        Method::POST if path.ends_with("/blobs/uploads/") => {
            with(told(202, Vec::new()), LOCATION, &format!("{path}1?state=of-it"))
        }
        Method::PUT if path.contains("/blobs/uploads/") => {
            let digest = artifact::digest(&body);
            if !query.contains(&format!("digest={}", digest.replace(':', "%3A"))) {
                return refusal(400);
            }
            state.blobs.insert(digest, body.to_vec());
            told(201, Vec::new())
        }
        Method::PUT if path.contains("/manifests/") => {
            state.manifests.insert(artifact::digest(&body), body.to_vec());
            state.manifests.insert(last.to_owned(), body.to_vec());
            told(201, Vec::new())
        }
        _ => refusal(405),
    }
}
