//! The registry client: what it is configured with, and its three operations.

use crate::address::{AddressPolicy, HostPattern};
use crate::error::Error;
use crate::reference::{PinnedImage, Reference};
use crate::transport::Transport;
use bytes::Bytes;
use ipnet::IpNet;
use morph_grant::Digest;
use std::path::PathBuf;

/// What a [`Client`] may do and with whose credentials. The default may reach public registries by HTTPS.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// A Docker config file, read anew for each operation that a registry wants credentials for.
    pub docker_config: Option<PathBuf>,
    /// Registries (host, or host:port as in references) that are asked without TLS. Those whose name
    /// is loopback always are.
    pub plain_http: Vec<String>,
    /// Networks that may be reached though they aren't public; loopback is none of them by itself.
    pub allow_private: Vec<IpNet>,
    /// Other hosts than itself that a registry may name as token realm or redirect to.
    pub allow_hosts: Vec<HostPattern>,
}

/// A component as it came from a registry; holding one proves that both digests are right.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the component's own bytes.
    pub content: Digest,
    /// The component. Not yet looked into.
    pub component: Bytes,
}

/// Resolves, pulls and pushes. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client with this configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setup`] if TLS can't be set up.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let policy = AddressPolicy::new(config.allow_private);
        let transport = Transport::new(policy, config.plain_http, config.allow_hosts, config.docker_config)?;
        Ok(Self { transport })
    }

    /// The manifest that a reference stands for now; inside an index, the one that can be run here.
    ///
    /// # Errors
    /// Those of the registry and the way to it; [`Error::Artifact`] if there is no component.
    pub async fn resolve(&self, reference: &Reference) -> Result<PinnedImage, Error> {
        crate::pull::resolve(&self.transport, reference).await
    }

    /// The component of a pinned image, each byte of it verified.
    ///
    /// # Errors
    /// As [`Client::resolve`].
    pub async fn pull(&self, image: &PinnedImage) -> Result<Artifact, Error> {
        crate::pull::pull(&self.transport, image).await
    }

    /// Checks a component and pushes it; gives the digest of its manifest.
    ///
    /// # Errors
    /// Those of the registry and the way to it; [`Error::Artifact`] if the bytes are no component, or if
    /// the reference has a digest and it isn't theirs.
    pub async fn push(&self, reference: &Reference, component: Bytes) -> Result<Digest, Error> {
        crate::push::push(&self.transport, reference, component).await
    }
}
