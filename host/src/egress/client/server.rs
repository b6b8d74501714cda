//! A server of HTTP/1.1 and HTTP/2, plain and over TLS, for tests. It does what the path says and remembers
//! what it was asked.
#![allow(clippy::unwrap_used, clippy::panic)]
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::PrivateKeyDer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A certificate authority of the test's own.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// What a server with these names presents; `protocols` is what it offers.
    pub(crate) fn server(&self, names: &[&str], protocols: &[&str]) -> Arc<rustls::ServerConfig> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.present(rcgen::CertificateParams::new(names).unwrap(), protocols)
    }

    pub(crate) fn expired(&self, name: &str) -> Arc<rustls::ServerConfig> {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.present(params, &["http/1.1"])
    }

    fn present(&self, params: rcgen::CertificateParams, protocols: &[&str]) -> Arc<rustls::ServerConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key);
        let mut config = config.unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// What a server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: SocketAddr,
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, tls, asked.clone()));
        Self { port, asked, _tasks: tasks }
    }

    /// What it was asked since the last call.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let (tls, asked) = (tls.clone(), asked.clone());
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, peer, asked.clone()));
            let builder = auto::Builder::new(TokioExecutor::new());
            // Clients that don't trust it, or that go, are what tests are about.
            match tls {
                None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                Some(config) => {
                    if let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(stream).await {
                        drop(builder.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
    }
}

type Sent = BoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Sent>, hyper::Error> {
    let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
    let host = host.or(request.uri().authority().map(ToString::to_string)).unwrap_or_default();
    let path = request.uri().path_and_query().unwrap().to_string();
    let line = format!("{} {host}{path} {:?}", request.method(), request.version());
    asked.lock().unwrap().push(Asked { line, headers: request.headers().clone(), peer });
    let token = request.headers().get("authorization").cloned();
    let what = path.strip_prefix("/v1/").unwrap_or(&path).to_owned();
    let response = Response::builder();
    let pieces = |pieces: Vec<Frame<Bytes>>| {
        BodyExt::boxed(StreamBody::new(futures::stream::iter(pieces.into_iter().map(Ok::<_, Infallible>))))
    };
    let whole = |text: &str| Full::new(Bytes::from(text.to_owned())).boxed();
    let response = match what.as_str() {
        "redirect" => {
            response.status(302).header("location", "http://169.254.169.254/latest/").body(whole(""))
        }
        // It answers, and reads on.
        "early" => {
            let reading = request.into_body().collect();
            tokio::spawn(async move { drop(reading.await) });
            response.body(whole("early"))
        }
        "never" => std::future::pending().await,
        "stall" => {
            let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
            response.body(BodyExt::boxed(StreamBody::new(first.chain(futures::stream::pending()))))
        }
        "big" => response.body(whole(&"x".repeat(2 << 20))),
        "big-in-pieces" => {
            response.body(pieces((0..4).map(|_| Frame::data(vec![b'x'; 512 << 10].into())).collect()))
        }
        "big-headers" => response.header("x-big", "x".repeat(70 << 10)).body(whole("")),
        "many-headers" => (0..150).fold(response, |r, n| r.header(format!("x-{n}"), "1")).body(whole("")),
        "upgrade" => {
            response.status(101).header("upgrade", "x").header("connection", "upgrade").body(whole(""))
        }
        "echo-token" => {
            let token = token.unwrap();
            let response = response.header("x-echo", token.clone()).header("x-kept", "kept");
            let mut trailers = HeaderMap::new();
            trailers.insert("x-echo-trailer", token);
            trailers.insert("x-kept-trailer", "kept".parse().unwrap());
            let body = vec![Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)];
            response.header("trailer", "x-echo-trailer, x-kept-trailer").body(pieces(body))
        }
        "empty" => response.body(Empty::new().boxed()),
        _ => {
            let body = request.into_body().collect().await?.to_bytes();
            response.body(whole(&format!("{} bytes", body.len())))
        }
    };
    Ok(response.unwrap())
}
