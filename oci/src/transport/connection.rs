//! The HTTP client underneath and what it may connect to. No proxies, no redirects of its own, TLS with
//! the machine's certificates; addresses are checked by name and by number.

use crate::address::{AddressPolicy, HostPattern, is_loopback_name};
use crate::credentials::{self, Credentials};
use crate::error::Error;
use crate::resolver::{NoName, Refused, Resolver};
use reqwest::{Client, RequestBuilder, Response, Url};
use std::error::Error as StdError;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest time to look a name up, connect and agree on TLS, in seconds.
const CONNECT_TIMEOUT_S: u64 = 10;

/// Longest silence in the middle of an answer, in seconds.
const SILENCE_TIMEOUT_S: u64 = 30;

/// Connections kept open to one host. An operation is a handful of requests in a row.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// How a client reaches registries. Clones share connections.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Shared>);

struct Shared {
    http: Client,
    policy: AddressPolicy,
    plain_http: Vec<String>,
    allow_hosts: Vec<HostPattern>,
    docker_config: Option<PathBuf>,
}

impl Transport {
    pub(crate) fn new(
        policy: AddressPolicy,
        plain_http: Vec<String>,
        allow_hosts: Vec<HostPattern>,
        docker_config: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(concat!("morph/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_S))
            .read_timeout(Duration::from_secs(SILENCE_TIMEOUT_S))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .dns_resolver(Resolver::new(policy.clone()))
            .tls_backend_preconfigured(tls()?)
            .build()
            .map_err(|error| Error::Setup(error.into()))?;
        Ok(Self(Arc::new(Shared { http, policy, plain_http, allow_hosts, docker_config })))
    }

    pub(crate) fn http(&self) -> &Client {
        &self.0.http
    }

    /// Whether `authority` (host, or host:port) is asked without TLS.
    pub(crate) fn is_plain(&self, authority: &str) -> bool {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        is_loopback_name(host) || self.0.plain_http.iter().any(|listed| listed == authority)
    }

    /// Whether a registry may send the client to a host that isn't its own.
    pub(crate) fn may_be_sent_to(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.0.allow_hosts.iter().any(|pattern| pattern.matches(host, url.port()))
    }

    /// The credentials for a registry as they are now.
    pub(crate) async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, Error> {
        match &self.0.docker_config {
            Some(path) => credentials::read(path, registry).await,
            None => Ok(None),
        }
    }

    /// Sends a request to `url`, if its scheme and its address allow it. Addresses behind a name are
    /// checked when it is looked up.
    pub(crate) async fn execute(&self, request: RequestBuilder, url: &Url) -> Result<Response, Error> {
        let host = authority(url);
        match url.scheme() {
            "https" => {}
            "http" if self.is_plain(&host) => {}
            _ => return Err(Error::PlainHttp { host }),
        }
        match literal_address(url).filter(|address| !self.0.policy.permits(*address)) {
            Some(address) => Err(Error::RefusedAddress { host, address: address.to_canonical() }),
            None => request.send().await.map_err(|error| unreachable(&host, error)),
        }
    }
}

/// The address that a URL has in place of a name; such a one is never looked up.
fn literal_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Host and port of a URL as references spell them.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Why no (whole) answer came.
pub(crate) fn unreachable(host: &str, error: reqwest::Error) -> Error {
    let host = host.to_owned();
    if let Some(Refused(address)) = cause::<Refused>(&error) {
        return Error::RefusedAddress { host, address: *address };
    }
    let problem = if cause::<NoName>(&error).is_some() {
        "its name can't be looked up"
    } else if cause::<rustls::Error>(&error).is_some() {
        "TLS can't be agreed on"
    } else if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "no connection can be made"
    } else {
        "the connection broke off"
    };
    Error::Unreachable { host, problem, source: error.without_url().into() }
}

/// The first error of type `T` below `error`. An I/O error hides what it wraps from `source`.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

/// TLS with the machine's certificates. Where there are none, or one is broken, that shows when a
/// registry's can't be verified: plain registries need none.
fn tls() -> Result<rustls::ClientConfig, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Setup(error.into()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests;
