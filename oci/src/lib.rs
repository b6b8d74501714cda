//! From a reference to verified bytes, and from bytes to an artifact. No Kubernetes.
//! Nothing that a registry says is believed: sizes are capped, digests recomputed, addresses checked.

mod address;
mod artifact;
mod challenge;
mod client;
mod credentials;
mod error;
mod manifest;
mod pull;
mod push;
mod reference;
mod resolver;
mod transport;

pub use address::{AddressPolicy, HostPattern, HostPatternError};
pub use client::{Artifact, Client, ClientConfig};
pub use credentials::{DOCKER_CONFIG_SIZE_BYTES_MAX, DockerConfigError};
pub use error::{ArtifactError, Error};
pub use ipnet::IpNet;
pub use manifest::{CONFIG_SIZE_BYTES_MAX, MANIFEST_SIZE_BYTES_MAX, MANIFESTS_IN_INDEX_MAX};
pub use morph_component::COMPONENT_SIZE_BYTES_MAX;
pub use morph_grant::Digest;
pub use reference::{PinnedImage, Reference, ReferenceError, Repository};
