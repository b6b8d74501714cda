//! A registry on loopback, honest but for the faults that a test sets. It keeps a log of what it was asked,
//! so that a test can tell what a client did not send.

mod serve;

pub use serve::CHATTER;

use crate::artifact::{self, Artifact};
use crate::tls;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The user name that a registry with [`Auth`] knows.
pub const USERNAME: &str = "anna";
/// Her password.
pub const PASSWORD: &str = "pass:word";
/// The token that the realm gives out.
pub const TOKEN: &str = "t0ken";

/// What a registry does instead of answering as it should.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with a status and a body that no message may repeat.
    Status(u16),
    /// Answers with a status this many times, then as it should.
    StatusTimes(u16, usize),
    /// Answers with a status and a `Location`.
    Redirect(u16, String),
    /// Answers 401 with this `WWW-Authenticate`, whatever was sent.
    Challenge(String),
    /// Answers with other bytes.
    Body(Vec<u8>),
    /// Answers with other bytes which it says are compressed with gzip.
    Gzip(Vec<u8>),
    /// Announces the whole answer and breaks off after this many bytes.
    BreakOff(usize),
    /// Sends zeros without an announced length and without end.
    Endless,
    /// Takes the request and never answers.
    Silence,
}

/// What a registry wants before it answers.
#[derive(Debug, Clone)]
pub enum Auth {
    /// User name and password with each request.
    Basic,
    /// A token of its own realm, for anybody.
    AnonymousToken,
    /// A token of its own realm, for [`USERNAME`] and [`PASSWORD`].
    Token,
    /// A token that the realm at this address gives out.
    TokenFrom(String),
}

/// One request as the registry saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET` and so on.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Authorization` header, or nothing.
    pub authorization: String,
}

#[derive(Default)]
struct State {
    manifests: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    faults: Vec<(String, Fault)>,
    auth: Option<Auth>,
    log: Vec<Seen>,
}

/// A running registry; it ends with this value.
pub struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Registry {
    /// Starts an empty registry on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, None).await
    }

    /// Starts an empty registry with TLS on a free port, and gives the certificate, in PEM, by which it can
    /// be verified. Its name is 0.0.0.0: loopback names are asked without TLS, and this one, which is no
    /// loopback name, leads to this machine too.
    pub async fn start_tls() -> (Self, String) {
        let (acceptor, certificate) = tls::acceptor(&Ipv4Addr::UNSPECIFIED.to_string());
        (Self::start_at(Ipv4Addr::UNSPECIFIED, Some(acceptor)).await, certificate)
    }

    async fn start_at(address: Ipv4Addr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the port");
        let state = Arc::new(Mutex::new(State::default()));
        let server = tokio::spawn(serve::run(listener, tls, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// Host and port as references spell them.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stores an artifact, by its digest and under `tag`; gives the manifest's digest. What an artifact
    /// says of itself isn't checked.
    pub fn store(&self, tag: &str, artifact: &Artifact) -> String {
        let mut state = self.state();
        for bytes in [&artifact.config, &artifact.layer] {
            state.blobs.insert(artifact::digest(bytes), bytes.clone());
        }
        drop(state);
        self.store_manifest(tag, &artifact.manifest_bytes())
    }

    /// Stores a manifest or an index alone.
    pub fn store_manifest(&self, tag: &str, bytes: &[u8]) -> String {
        let digest = artifact::digest(bytes);
        let mut state = self.state();
        state.manifests.insert(tag.to_owned(), bytes.to_vec());
        state.manifests.insert(digest.clone(), bytes.to_vec());
        digest
    }

    /// From now on, requests whose `METHOD path` contains `part` meet this fault; the last one set counts.
    pub fn fault(&self, part: &str, fault: Fault) {
        self.state().faults.push((part.to_owned(), fault));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// From now on, wants this before it answers.
    pub fn require(&self, auth: Auth) {
        self.state().auth = Some(auth);
    }

    /// What it was asked so far.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.state().log.clone()
    }

    /// How many requests so far have `part` in their `METHOD path`.
    #[must_use]
    pub fn count(&self, part: &str) -> usize {
        self.log().iter().filter(|seen| format!("{} {}", seen.method, seen.path).contains(part)).count()
    }

    /// A manifest or index by tag or digest.
    #[must_use]
    pub fn manifest(&self, name: &str) -> Option<Vec<u8>> {
        self.state().manifests.get(name).cloned()
    }

    /// A blob by digest.
    #[must_use]
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.state().blobs.get(digest).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with the lock")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[cfg(test)]
mod tests;
