//! containerd's content and image services over its socket. The few messages that are needed are written out
//! here (`api/services/{content,images}/v1` in containerd); nothing is verified here.

use super::{ContentError, Store};
use async_trait::async_trait;
use morph_grant::Digest;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// Header that names containerd's namespace.
const NAMESPACE_HEADER: &str = "containerd-namespace";

/// How long one call may take, in milliseconds: a component of 80 MiB comes in a tenth of a second.
const CALL_MILLIS_MAX: u64 = 30_000;

/// Largest message of a stream, in bytes. containerd sends at most 2 MiB of a blob at once.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

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

#[derive(Clone, PartialEq, prost::Message)]
struct GetImageRequest {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetImageResponse {
    #[prost(message, optional, tag = "1")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Image {
    #[prost(message, optional, tag = "3")]
    target: Option<Target>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Target {
    #[prost(string, tag = "2")]
    digest: String,
}

/// One namespace of a containerd. Connects at the first call, and again when the connection is gone.
#[derive(Debug, Clone)]
pub struct Containerd {
    channel: Channel,
    namespace: MetadataValue<Ascii>,
}

impl Containerd {
    /// A client of the containerd at this socket.
    ///
    /// # Errors
    /// An address or namespace that can't be one.
    pub fn new(address: &str, namespace: &str) -> Result<Self, ContentError> {
        let uri = if address.contains("://") { address.to_owned() } else { format!("unix://{address}") };
        let wrong = |source: Box<dyn std::error::Error + Send + Sync>| ContentError::Containerd {
            doing: format!("address {uri}, namespace {namespace}"),
            source,
        };
        let endpoint = Endpoint::from_shared(uri.clone()).map_err(|error| wrong(error.into()))?;
        Ok(Self {
            channel: endpoint.timeout(Duration::from_millis(CALL_MILLIS_MAX)).connect_lazy(),
            namespace: namespace.parse().map_err(|error| wrong(Box::new(error)))?,
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(NAMESPACE_HEADER, self.namespace.clone());
        request
    }

    async fn ready(&self, doing: &str) -> Result<Grpc<Channel>, ContentError> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready()
            .await
            .map_err(|source| ContentError::Containerd { doing: doing.into(), source: source.into() })?;
        Ok(grpc)
    }
}

#[async_trait]
impl Store for Containerd {
    async fn blob(&self, digest: &Digest, max_bytes: u64) -> Result<Vec<u8>, ContentError> {
        let doing = format!("reading blob {digest}");
        let failed = |status| failed(&doing, format!("blob {digest}"), status);
        let request = self.request(ReadContentRequest { digest: digest.to_string() });
        let path = PathAndQuery::from_static("/containerd.services.content.v1.Content/Read");
        let codec = ProstCodec::<ReadContentRequest, ReadContentResponse>::default();
        let mut grpc = self.ready(&doing).await?;
        let mut stream = grpc.server_streaming(request, path, codec).await.map_err(failed)?.into_inner();
        let mut bytes = Vec::new();
        while let Some(part) = stream.message().await.map_err(failed)? {
            bytes.extend_from_slice(&part.data);
            let size_bytes = bytes.len() as u64;
            if size_bytes > max_bytes {
                return Err(ContentError::TooLarge { digest: digest.clone(), size_bytes, max_bytes });
            }
        }
        Ok(bytes)
    }

    async fn image(&self, name: &str) -> Result<Digest, ContentError> {
        let doing = format!("looking up image {name}");
        let failed = |status| failed(&doing, format!("image {name}"), status);
        let request = self.request(GetImageRequest { name: name.into() });
        let path = PathAndQuery::from_static("/containerd.services.images.v1.Images/Get");
        let codec = ProstCodec::<GetImageRequest, GetImageResponse>::default();
        let mut grpc = self.ready(&doing).await?;
        let answer = grpc.unary(request, path, codec).await.map_err(failed)?.into_inner();
        let digest = answer.image.and_then(|image| image.target).map(|target| target.digest);
        digest
            .unwrap_or_default()
            .parse()
            .map_err(|source| ContentError::Containerd { doing, source: Box::new(source) })
    }
}

fn failed(doing: &str, what: String, status: Status) -> ContentError {
    match status.code() {
        Code::NotFound => ContentError::Missing { what },
        _ => ContentError::Containerd { doing: doing.into(), source: Box::new(status) },
    }
}
