//! What can go wrong between a reference and verified bytes. Messages may end up in a resource's status,
//! so none holds any text that a server answered: only names that the caller gave, numbers and codes.

use crate::credentials::DockerConfigError;
use morph_grant::Digest;
use std::net::IpAddr;
use std::path::PathBuf;

/// Why an operation on a registry came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry answers, but hasn't got it.
    #[error("{what} is not in {registry}")]
    NotFound {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// The registry wants other credentials, or some at all.
    #[error("{registry} refuses access to {what} {}", if *.had_credentials {
        "with the credentials given; check them and the rights that they have"
    } else {
        "and no credentials for it were given"
    })]
    Unauthorized {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        what: String,
        /// Whether there were credentials for it.
        had_credentials: bool,
    },
    /// No answer: no connection, no name, or not in time.
    #[error("{host} can't be reached: {problem}")]
    Unreachable {
        /// The host that was tried.
        host: String,
        /// At which step it failed.
        problem: &'static str,
        /// What the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that is neither yes nor no.
    #[error("{registry} answered with status {status} when asked for {what}")]
    Status {
        /// The registry asked.
        registry: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
    },
    /// The host is at an address that isn't public, and it isn't listed.
    #[error("{host} is at {address}, which is not a public address; list its network to allow it")]
    RefusedAddress {
        /// The host that was asked for.
        host: String,
        /// Its address.
        address: IpAddr,
    },
    /// The registry sends the client to another host, which isn't listed.
    #[error("{registry} {by} to {host}, which is another host; list it to allow that")]
    ForeignHost {
        /// The registry asked.
        registry: String,
        /// How it does so.
        by: &'static str,
        /// Where to.
        host: String,
    },
    /// Something is only to be had without TLS.
    #[error("{host} would be asked without TLS; allow plain HTTP for it by name, or use https")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// An answer that no registry gives: a missing or wrong header, an endless redirect, a token of no use.
    #[error("{registry} does not answer as a registry does: {problem}")]
    Protocol {
        /// The registry asked.
        registry: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The credentials can't be read.
    #[error("docker config file {}: {problem}", .path.display())]
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: DockerConfigError,
    },
    /// What the registry has is not what it should be.
    #[error("{image}: {problem}")]
    Artifact {
        /// What was asked for.
        image: String,
        /// What is wrong with it.
        problem: Box<ArtifactError>,
    },
    /// The client can't be made.
    #[error("the HTTP client can't be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the same call may well succeed later with nothing changed but the network or the registry.
    /// What is missing or refused may also appear, but not by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => is_transient_status(*status),
            _ => false,
        }
    }
}

/// Statuses by which a server says "not now".
pub(crate) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}

/// Why an artifact isn't a component that was stored properly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Not JSON of the form that the specification gives.
    #[error("its {what} is not of the form that it should have (line {line}, column {column})")]
    Form {
        /// Manifest, index or config.
        what: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A manifest that could be read as two things.
    #[error("its manifest {problem}")]
    Manifest {
        /// What is wrong.
        problem: &'static str,
    },
    /// A media type that isn't known here.
    #[error("its {what} has media type {found}; {wanted}")]
    MediaType {
        /// Manifest, config or layer.
        what: &'static str,
        /// The media type.
        found: String,
        /// Which would do.
        wanted: &'static str,
    },
    /// Not exactly one layer.
    #[error("it has {count} layers; a component is exactly one")]
    Layers {
        /// How many.
        count: usize,
    },
    /// More bytes than are taken.
    #[error("its {what} has more than {max_bytes} bytes, the most that is taken")]
    TooLarge {
        /// Manifest, config or layer.
        what: &'static str,
        /// The limit.
        max_bytes: u64,
    },
    /// More bytes than was said; how many more isn't looked at.
    #[error("its {what} has more than the {wanted_bytes} bytes that were announced")]
    TooLong {
        /// Config or layer.
        what: &'static str,
        /// As announced.
        wanted_bytes: u64,
    },
    /// Not as many bytes as was said.
    #[error("its {what} has {found_bytes} bytes, and {wanted_bytes} were announced")]
    Size {
        /// Config or layer.
        what: &'static str,
        /// As announced.
        wanted_bytes: u64,
        /// As received.
        found_bytes: u64,
    },
    /// Not the bytes that were asked for.
    #[error("its {what} has digest {found}, and {wanted} was asked for")]
    Digest {
        /// Manifest, config or layer.
        what: &'static str,
        /// As asked for.
        wanted: Digest,
        /// As received.
        found: Digest,
    },
    /// The config is another artifact's.
    #[error("its config does not name its layer {layer}; push it anew with a tool that writes layerDigests")]
    ConfigNamesOther {
        /// The layer.
        layer: Digest,
    },
    /// Nothing in the index can be run here.
    #[error("its index has {count} manifests, and none for wasm or for linux/amd64")]
    NoPlatform {
        /// How many there are.
        count: usize,
    },
    /// More than one manifest of the index would do.
    #[error("its index has {count} manifests for {platform}; name one by its digest")]
    AmbiguousPlatform {
        /// The platform.
        platform: &'static str,
        /// How many there are.
        count: usize,
    },
    /// An index where a manifest is needed.
    #[error("it is an index where a manifest is needed")]
    Index,
    /// The layer is no component.
    #[error(transparent)]
    Component(#[from] morph_component::Error),
}

impl ArtifactError {
    /// This, said of `image`.
    pub(crate) fn of(self, image: &impl std::fmt::Display) -> Error {
        Error::Artifact { image: image.to_string(), problem: Box::new(self) }
    }
}

#[cfg(test)]
mod tests;
