//! Which layer of an OCI manifest is the component. Pure; only the CNCF form is written anywhere, older forms
//! are read.

use super::{ContentError, Descriptor};
use morph_grant::Digest;
use serde::Deserialize;

/// Media types of a layer that is a component, the CNCF's first.
const LAYERS: [&str; 3] = [
    "application/wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];

/// What a manifest or index leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// The component.
    Layer(Descriptor),
    /// A manifest of an index.
    Manifest(Digest),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

pub(super) fn read(bytes: &[u8], digest: &Digest) -> Result<Entry, ContentError> {
    let problem = |problem: String| ContentError::Manifest { digest: digest.clone(), problem };
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| problem(error.to_string()))?;
    match (raw.layers, raw.manifests) {
        (Some(layers), None) => layer(&layers, raw.config.as_ref(), digest),
        (None, Some(manifests)) => manifests
            .iter()
            .find(|entry| entry.platform.as_ref().is_some_and(is_ours))
            .or(manifests.first().filter(|entry| manifests.len() == 1 && entry.platform.is_none()))
            .map(|entry| Entry::Manifest(entry.digest.clone()))
            .ok_or_else(|| problem("the index names nothing for wasm or linux/amd64".into())),
        _ => Err(problem("neither a manifest nor an index".into())),
    }
}

/// containerd's CRI pulls what is for the node's platform; artifacts may say `wasm` too.
fn is_ours(platform: &RawPlatform) -> bool {
    platform.architecture == "wasm" || (platform.os == "linux" && platform.architecture == "amd64")
}

fn layer(
    layers: &[RawDescriptor],
    config: Option<&RawDescriptor>,
    digest: &Digest,
) -> Result<Entry, ContentError> {
    let components: Vec<_> =
        layers.iter().filter(|layer| LAYERS.contains(&layer.media_type.as_str())).collect();
    match components[..] {
        [one] => Ok(Entry::Layer(Descriptor { digest: one.digest.clone(), size_bytes: one.size })),
        [] => {
            let config = config.map_or("", |config| config.media_type.as_str());
            let found = match config {
                "" => format!("an artifact of {} layers", layers.len()),
                "application/vnd.oci.image.config.v1+json"
                | "application/vnd.docker.container.image.v1+json" => {
                    "an ordinary container image".to_owned()
                }
                other => format!("an artifact of type {}", other.chars().take(100).collect::<String>()),
            };
            Err(ContentError::NoComponent { digest: digest.clone(), found })
        }
        _ => Err(ContentError::Manifest {
            digest: digest.clone(),
            problem: format!("{} layers are components, one is expected", components.len()),
        }),
    }
}
