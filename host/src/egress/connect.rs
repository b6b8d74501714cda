//! Makes connections for one rule: look up, check every address, connect to one of those that were checked,
//! and speak TLS with whoever has a certificate of the granted name.

use super::address::{self, Why};
use super::name::Host;
use super::resolve::{self, Resolver};
use super::trust::{self, Trust};
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one address may take to answer, in milliseconds: a packet lost once comes again after one second.
const ATTEMPT_MILLIS_MAX: u64 = 3_000;

/// How long TLS may take to be agreed on, in milliseconds.
const TLS_MILLIS_MAX: u64 = 10_000;

/// Addresses of a name that are tried.
const ATTEMPTS_MAX: usize = 4;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Dns(#[source] resolve::Error),
    #[error("{host} is at {address}, {why}")]
    Prohibited { host: Host, address: IpAddr, why: Why },
    #[error("{0}")]
    Connect(#[source] io::Error),
    #[error("nobody answered in time")]
    Timeout,
    #[error("{0}")]
    Trust(#[source] trust::Error),
    #[error("{0}")]
    Tls(#[source] io::Error),
    #[error("no host to connect to")]
    NoHost,
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Inner>);

struct Inner {
    resolver: Resolver,
    networks: Vec<IpNet>,
    node: Vec<IpAddr>,
    trust: Arc<Trust>,
}

impl Connector {
    pub(crate) fn new(
        resolver: Resolver,
        networks: Vec<IpNet>,
        node: Vec<IpAddr>,
        trust: Arc<Trust>,
    ) -> Self {
        Self(Arc::new(Inner { resolver, networks, node, trust }))
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Stream>, Failure> {
        let host = uri.host().and_then(|host| Host::parse(host).ok()).ok_or(Failure::NoHost)?;
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let addresses = self.addresses(&host).await?;
        let stream = connect_to_one(&addresses, port).await?;
        let stream = match is_tls {
            true => self.tls(&host, stream).await?,
            false => Stream { io: Box::new(stream), is_http2: false },
        };
        Ok(TokioIo::new(stream))
    }

    /// Every address of the host, each checked: one that may not be reached spoils all, since whoever answers
    /// with it means no good.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        let inner = &self.0;
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => inner.resolver.resolve(name).await.map_err(Failure::Dns)?,
        };
        for address in &addresses {
            address::allowed(*address, &inner.networks, &inner.node).map_err(|why| Failure::Prohibited {
                host: host.clone(),
                address: *address,
                why,
            })?;
        }
        Ok(addresses.into_iter().map(|address| address.to_canonical()).collect())
    }

    async fn tls(&self, host: &Host, stream: TcpStream) -> Result<Stream, Failure> {
        let config = self.0.trust.config().map_err(Failure::Trust)?;
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Failure::NoHost)?,
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let connecting = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        let agreed = timeout(Duration::from_millis(TLS_MILLIS_MAX), connecting).await;
        let stream = agreed.map_err(|_| Failure::Timeout)?.map_err(Failure::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream { io: Box::new(stream), is_http2 })
    }
}

async fn connect_to_one(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Failure> {
    let mut last = Failure::NoHost;
    for address in in_turns(addresses).take(ATTEMPTS_MAX) {
        let connecting = TcpStream::connect(SocketAddr::new(address, port));
        match timeout(Duration::from_millis(ATTEMPT_MILLIS_MAX), connecting).await {
            Ok(Ok(stream)) => {
                // A request is written whole: nothing is gained by waiting for more.
                stream.set_nodelay(true).map_err(Failure::Connect)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = Failure::Connect(error),
            Err(_) => last = Failure::Timeout,
        }
    }
    Err(last)
}

/// IPv6 and IPv4 in turns (RFC 8305, without its race): where one kind has no way out, the other is near.
fn in_turns(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv6());
    let length = v6.len().max(v4.len());
    (0..length).flat_map(move |at| [v6.get(at).copied(), v4.get(at).copied()]).flatten()
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection, plain or in TLS.
pub(crate) struct Stream {
    io: Box<dyn Io>,
    is_http2: bool,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// HTTP/2 only where TLS agreed on it: never by prior knowledge.
impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self.is_http2 {
            true => Connected::new().negotiated_h2(),
            false => Connected::new(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_of_address_take_turns() {
        let addresses = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "2a00::1"].map(|text| text.parse().unwrap());
        let order: Vec<String> = in_turns(&addresses).map(|address| address.to_string()).collect();
        assert_eq!(order, ["2a00::1", "1.1.1.1", "1.1.1.2", "1.1.1.3"]);
    }
}
