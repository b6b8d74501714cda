//! containerd's content service, as far as the shim asks it: blobs by their digests, over a Unix socket.

use crate::harness::guest_bytes;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use morph_grant::Digest;
use prost::Message as _;
use serde_json::json;
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

/// Bytes of a blob in one message: containerd sends at most 2 MiB at once.
const PART_BYTES: usize = 1 << 20;

/// `NOT_FOUND`, as gRPC writes it.
const NOT_FOUND: HeaderValue = HeaderValue::from_static("5");

#[derive(Clone, PartialEq, prost::Message)]
struct ReadContentRequest {
    #[prost(string, tag = "1")]
    digest: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadContentResponse {
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

type Blobs = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// A store that serves as long as it lives.
pub(crate) struct Store {
    blobs: Blobs,
    _serving: JoinSet<()>,
}

impl Store {
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let blobs = Blobs::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&blobs)));
        Self { blobs, _serving: serving }
    }

    fn add(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.lock().unwrap().insert(digest.to_string(), bytes);
        digest
    }

    /// Puts a component into the store; answers its image's name with digest.
    pub(crate) fn image(&self, name: &str, component: Vec<u8>) -> String {
        let (size, config) = (component.len(), self.add(b"{}".into()));
        let layer = self.add(component);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2 },
            "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": size }],
        });
        format!("registry.test/{name}@{}", self.add(manifest.to_string().into_bytes()))
    }

    /// Puts a guest of `hack/guests` into the store.
    pub(crate) fn guest(&self, guest: &str) -> String {
        self.image(guest, guest_bytes(guest))
    }
}

async fn accept(listener: UnixListener, blobs: Blobs) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let blobs = Arc::clone(&blobs);
        let service = hyper::service::service_fn(move |request| answer(Arc::clone(&blobs), request));
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        connections.spawn(async move {
            // A client that is gone ends it with an error.
            drop(connection.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    blobs: Blobs,
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // Behind a byte that says whether it is compressed, and four of its length.
    let asked = ReadContentRequest::decode(&body[5..]).unwrap();
    let found = blobs.lock().unwrap().get(&asked.digest).cloned();
    let status = if found.is_some() { HeaderValue::from_static("0") } else { NOT_FOUND };
    let mut messages = BytesMut::new();
    for part in found.unwrap_or_default().chunks(PART_BYTES) {
        let message = ReadContentResponse { data: part.into() }.encode_to_vec();
        messages.put_u8(0);
        messages.put_u32(u32::try_from(message.len()).unwrap());
        messages.extend_from_slice(&message);
    }
    let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), status)]);
    let body = Full::new(messages.freeze()).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}
