//! Reads manifests, indexes and configs of artifacts: which of an index is meant, and whether what they
//! say fits together. Decisions on bytes only.

use crate::error::ArtifactError;
use morph_component::COMPONENT_SIZE_BYTES_MAX;
use morph_grant::Digest;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest manifest or index read, in bytes. A component's manifest has about 500; an index of many
/// platforms some 10,000.
pub const MANIFEST_SIZE_BYTES_MAX: u64 = 256 << 10;

/// Largest config read, in bytes. It lists imports and exports, at most 512 ids of 256 bytes.
pub const CONFIG_SIZE_BYTES_MAX: u64 = 256 << 10;

/// Most manifests in an index that are looked at.
pub const MANIFESTS_IN_INDEX_MAX: usize = 256;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Config of a Wasm artifact as the CNCF's guidance has it.
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Layer of a Wasm artifact as the CNCF's guidance has it.
pub(crate) const WASM_LAYER: &str = "application/wasm";

/// Configs of images made by container tools; they name their layers as `rootfs.diff_ids`.
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// The config of an older form, which says nothing of its layer.
const OLD_WASM_CONFIG: &str = "application/vnd.wasm.config.v1+json";
/// Layers of older forms: read, never written.
const OLD_WASM_LAYERS: [&str; 2] = [
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];

/// Longest media type shown in a message, in characters.
const MEDIA_TYPE_SHOWN_CHARS_MAX: usize = 100;

/// What stands under a tag or a digest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Manifest(Manifest),
    Index(Vec<Entry>),
}

/// A manifest of one component, all of it checked but for the bytes that it points to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layer: Descriptor,
}

/// What points to bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// A manifest in an index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Entry>>,
}

impl Content {
    /// Reads a manifest or an index. The bytes alone decide which it is, never a header; bytes that could
    /// be read as both are refused.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let raw: Raw = parse_json("manifest", bytes)?;
        if raw.schema_version != 2 {
            return Err(ArtifactError::Manifest { problem: "has a schemaVersion other than 2" });
        }
        let announced = raw.media_type.as_deref();
        match (raw.config, raw.layers, raw.manifests) {
            (Some(config), Some(layers), None) => {
                check_media_type(
                    "manifest",
                    announced.unwrap_or(OCI_MANIFEST),
                    &[OCI_MANIFEST, DOCKER_MANIFEST],
                )?;
                check_manifest(config, layers).map(Self::Manifest)
            }
            (None, None, Some(entries)) => {
                check_media_type("index", announced.unwrap_or(OCI_INDEX), &[OCI_INDEX, DOCKER_INDEX])?;
                if entries.len() > MANIFESTS_IN_INDEX_MAX {
                    return Err(ArtifactError::Manifest {
                        problem: "is an index of more than 256 manifests",
                    });
                }
                Ok(Self::Index(entries))
            }
            (_, _, Some(_)) => Err(ArtifactError::Manifest { problem: "is a manifest and an index at once" }),
            _ => Err(ArtifactError::Manifest { problem: "has no config or no layers" }),
        }
    }
}

fn check_media_type(what: &'static str, found: &str, known: &[&str]) -> Result<(), ArtifactError> {
    if known.contains(&found) {
        Ok(())
    } else {
        Err(media_type(what, found, "it must be OCI's or Docker's, of version 2"))
    }
}

fn check_manifest(config: Descriptor, layers: Vec<Descriptor>) -> Result<Manifest, ArtifactError> {
    let count = layers.len();
    let Ok([layer]) = <[Descriptor; 1]>::try_from(layers) else {
        return Err(ArtifactError::Layers { count });
    };
    let is_old = OLD_WASM_LAYERS.contains(&layer.media_type.as_str());
    if layer.media_type != WASM_LAYER && !is_old {
        let wanted = "a component is stored as application/wasm; push it with `morph push`";
        return Err(media_type("layer", &layer.media_type, wanted));
    }
    let config_type = config.media_type.as_str();
    let is_old_config = config_type == OLD_WASM_CONFIG || IMAGE_CONFIGS.contains(&config_type);
    if config_type != WASM_CONFIG && !(is_old && is_old_config) {
        let wanted = "a component's is application/vnd.wasm.config.v0+json; push it with `morph push`";
        return Err(media_type("config", config_type, wanted));
    }
    check_size("config", config.size, CONFIG_SIZE_BYTES_MAX)?;
    check_size("layer", layer.size, COMPONENT_SIZE_BYTES_MAX)?;
    Ok(Manifest { config, layer })
}

fn check_size(what: &'static str, size: u64, max_bytes: u64) -> Result<(), ArtifactError> {
    if size > max_bytes { Err(ArtifactError::TooLarge { what, max_bytes }) } else { Ok(()) }
}

fn media_type(what: &'static str, found: &str, wanted: &'static str) -> ArtifactError {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+/".contains(c);
    let found = match found {
        "" => "\"\"".to_owned(),
        found if found.chars().all(plain) => found.chars().take(MEDIA_TYPE_SHOWN_CHARS_MAX).collect(),
        _ => "(no media type at all)".to_owned(),
    };
    ArtifactError::MediaType { what, found, wanted }
}

/// The manifest of an index that is meant: for wasm (wasip2 before wasi before wasip1), else for
/// linux/amd64, else the only one there is if it is for no platform. What is for platform
/// unknown/unknown is an attestation and not looked at.
pub(crate) fn choose(entries: &[Entry]) -> Result<&Entry, ArtifactError> {
    const PREFERRED: [(&str, &str, &str); 4] = [
        ("wasip2", "wasm", "wasip2/wasm"),
        ("wasi", "wasm", "wasi/wasm"),
        ("wasip1", "wasm", "wasip1/wasm"),
        ("linux", "amd64", "linux/amd64"),
    ];
    let is_manifest = |entry: &&Entry| [OCI_MANIFEST, DOCKER_MANIFEST].contains(&entry.media_type.as_str());
    for (os, architecture, platform) in PREFERRED {
        let fits = |entry: &&Entry| {
            entry.platform.as_ref().is_some_and(|p| p.os == os && p.architecture == architecture)
        };
        let found: Vec<&Entry> = entries.iter().filter(is_manifest).filter(fits).collect();
        match found[..] {
            [] => {}
            [entry] => return Ok(entry),
            _ => return Err(ArtifactError::AmbiguousPlatform { platform, count: found.len() }),
        }
    }
    let unbound: Vec<&Entry> = entries.iter().filter(is_manifest).filter(|e| e.platform.is_none()).collect();
    match unbound[..] {
        [] => Err(ArtifactError::NoPlatform { count: entries.len() }),
        [entry] => Ok(entry),
        _ => Err(ArtifactError::AmbiguousPlatform { platform: "no platform", count: unbound.len() }),
    }
}

#[derive(Deserialize)]
struct WasmConfig {
    #[serde(default, rename = "layerDigests")]
    layer_digests: Vec<Digest>,
}

#[derive(Deserialize)]
struct ImageConfig {
    #[serde(default)]
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl Manifest {
    /// Whether the config names the layer. Container runtimes know an image by its config's digest: one that
    /// names no layer would make one image of all artifacts. One that names several is several artifacts';
    /// nothing here or on the node goes by it.
    pub(crate) fn check_config(&self, bytes: &[u8]) -> Result<(), ArtifactError> {
        let named = match self.config.media_type.as_str() {
            WASM_CONFIG => parse_json::<WasmConfig>("config", bytes)?.layer_digests,
            OLD_WASM_CONFIG => return Ok(()),
            _ => {
                let config: ImageConfig = parse_json("config", bytes)?;
                config.rootfs.map(|rootfs| rootfs.diff_ids).unwrap_or_default()
            }
        };
        if named.contains(&self.layer.digest) {
            Ok(())
        } else {
            Err(ArtifactError::ConfigNamesOther { layer: self.layer.digest.clone() })
        }
    }
}

fn parse_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, ArtifactError> {
    serde_json::from_slice(bytes).map_err(|error| ArtifactError::Form {
        what,
        line: error.line(),
        column: error.column(),
    })
}

/// Whether `bytes` are the ones that a digest (and a size, where one was announced) stand for.
pub(crate) fn check_bytes(
    what: &'static str,
    bytes: &[u8],
    digest: &Digest,
    size: Option<u64>,
) -> Result<(), ArtifactError> {
    let found_bytes = bytes.len() as u64;
    if let Some(wanted_bytes) = size.filter(|size| *size != found_bytes) {
        return Err(ArtifactError::Size { what, wanted_bytes, found_bytes });
    }
    let found = Digest::of(bytes);
    if found == *digest { Ok(()) } else { Err(ArtifactError::Digest { what, wanted: digest.clone(), found }) }
}

#[cfg(test)]
mod tests;
