//! A web server with TLS at an address of the caller's. It keeps what it was asked, and says back in a header
//! what it was sent as `Authorization`, as careless servers do.

use crate::tls;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// The header in which the server says back what it was sent.
pub const ECHO: &str = "x-you-sent";

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET` and so on.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Authorization` header, or nothing.
    pub authorization: String,
}

/// A running server; it ends with this value.
pub struct Web {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: JoinHandle<()>,
}

impl Web {
    /// Starts a server for `name` on a free port of `address`, and gives the certificate, in PEM, by which it
    /// can be verified.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn start(address: IpAddr, name: &str) -> std::io::Result<(Self, String)> {
        let (acceptor, certificate) = tls::acceptor(name);
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::default();
        let server = tokio::spawn(run(listener, acceptor, Arc::clone(&asked)));
        Ok((Self { address, asked, server }, certificate))
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(asked: &Mutex<Vec<Asked>>) -> MutexGuard<'_, Vec<Asked>> {
    asked.lock().expect("no test panics while it holds this")
}

async fn run(listener: TcpListener, acceptor: TlsAcceptor, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, asked) = (acceptor.clone(), Arc::clone(&asked));
        connections.spawn(async move {
            // A client that doesn't trust the certificate goes away.
            if let Ok(stream) = acceptor.accept(stream).await {
                let service = service_fn(|request| answer(request, &asked));
                let http = hyper::server::conn::http1::Builder::new();
                let _ended = http.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    asked: &Mutex<Vec<Asked>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let sent = request.headers().get(AUTHORIZATION).cloned();
    let seen = Asked {
        method: request.method().to_string(),
        path: request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned(),
        authorization: sent.as_ref().map_or("", |value| value.to_str().unwrap_or("not a text")).to_owned(),
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{} {}", seen.method, seen.path))));
    if let Some(sent) = sent {
        response.headers_mut().insert(ECHO, sent);
    }
    lock(asked).push(seen);
    Ok(response)
}
