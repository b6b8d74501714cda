//! From the manifest digest that a grant names (or the image that a pod names) to the component's bytes, out
//! of containerd's content store. Every blob is hashed here; an image id proves nothing.

mod containerd;
mod locations;
mod manifest;

pub use containerd::Containerd;
pub use locations::Locations;

use async_trait::async_trait;
use manifest::Entry;
use morph_component::COMPONENT_SIZE_BYTES_MAX;
use morph_grant::Digest;

/// Largest manifest or index read, in bytes: the limit that registries have.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// Where a component is to be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This manifest, whatever it is called.
    Manifest(Digest),
    /// The image of this name, as containerd knows it.
    Image(String),
}

impl Source {
    /// The source that an image's name says: its digest, if there is one in it.
    #[must_use]
    pub fn of_image(name: &str) -> Self {
        match name.rsplit_once('@').map(|(_, digest)| digest.parse()) {
            Some(Ok(digest)) => Self::Manifest(digest),
            _ => Self::Image(normal_name(name)),
        }
    }
}

/// A blob that something else named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Size of its bytes.
    pub size_bytes: u64,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// containerd can't be asked.
    #[error("containerd: {doing}")]
    Containerd {
        /// What was asked.
        doing: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// containerd doesn't have it.
    #[error("{what} is not in containerd's store; was its image pulled?")]
    Missing {
        /// What was asked for.
        what: String,
    },
    /// The bytes aren't those that were named.
    #[error("blob {wanted} has other bytes: they are {found}")]
    Digest {
        /// What was named.
        wanted: Digest,
        /// What was found.
        found: Digest,
    },
    /// More bytes than are read.
    #[error("blob {digest} has {size_bytes} bytes, at most {max_bytes} are read")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Its size.
        size_bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// A manifest that can't be understood.
    #[error("manifest {digest}: {problem}")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        problem: String,
    },
    /// An image of something else.
    #[error(
        "not a WebAssembly component: manifest {digest} is {found}; runtime class morph runs components \
         only, and that goes for injected sidecars too"
    )]
    NoComponent {
        /// The manifest.
        digest: Digest,
        /// What it is.
        found: String,
    },
}

impl ContentError {
    /// Whether the image is at fault: trying again won't help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Containerd { .. })
    }
}

/// A store of blobs and of names for them.
#[async_trait]
pub trait Store: Send + Sync {
    /// The bytes of a blob, at most so many; they aren't verified.
    async fn blob(&self, digest: &Digest, max_bytes: u64) -> Result<Vec<u8>, ContentError>;

    /// What a name stands for.
    async fn image(&self, name: &str) -> Result<Digest, ContentError>;
}

/// Where a component's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// The layer that is the component.
    pub layer: Descriptor,
}

/// Finds the component's layer.
///
/// # Errors
/// Any [`ContentError`].
pub async fn locate(store: &dyn Store, source: &Source) -> Result<Located, ContentError> {
    let named = match source {
        Source::Manifest(digest) => digest.clone(),
        Source::Image(name) => store.image(name).await?,
    };
    let inner = match open_manifest(store, &named).await? {
        Entry::Layer(layer) => return Ok(Located { manifest: named, layer }),
        Entry::Manifest(inner) => inner,
    };
    match open_manifest(store, &inner).await? {
        Entry::Layer(layer) => Ok(Located { manifest: inner, layer }),
        Entry::Manifest(_) => {
            Err(ContentError::Manifest { digest: named, problem: "an index in an index".into() })
        }
    }
}

async fn open_manifest(store: &dyn Store, digest: &Digest) -> Result<Entry, ContentError> {
    let bytes = verified(store, digest, MANIFEST_BYTES_MAX).await?;
    manifest::read(&bytes, digest)
}

/// Reads the component's bytes.
///
/// # Errors
/// Any [`ContentError`].
pub async fn read(store: &dyn Store, layer: &Descriptor) -> Result<Vec<u8>, ContentError> {
    let Descriptor { digest, size_bytes } = layer;
    if *size_bytes > COMPONENT_SIZE_BYTES_MAX {
        let (digest, max_bytes) = (digest.clone(), COMPONENT_SIZE_BYTES_MAX);
        return Err(ContentError::TooLarge { digest, size_bytes: *size_bytes, max_bytes });
    }
    verified(store, digest, *size_bytes).await
}

async fn verified(store: &dyn Store, digest: &Digest, max_bytes: u64) -> Result<Vec<u8>, ContentError> {
    let bytes = store.blob(digest, max_bytes).await?;
    let found = Digest::of(&bytes);
    if found == *digest { Ok(bytes) } else { Err(ContentError::Digest { wanted: digest.clone(), found }) }
}

/// The name as containerd keeps it: with registry, repository path and tag.
fn normal_name(name: &str) -> String {
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, "latest"),
    };
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match path.split_once('/') {
        Some((first, _)) if is_registry(first) => format!("{path}:{tag}"),
        Some(_) => format!("docker.io/{path}:{tag}"),
        None => format!("docker.io/library/{path}:{tag}"),
    }
}

#[cfg(test)]
mod tests;
