//! Artifacts as registries hold them, made apart from the code under test: honest ones in the CNCF's form,
//! and ones that say what isn't so.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a component's config.
pub const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of a component.
pub const LAYER: &str = "application/wasm";

/// `sha256:…` of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

/// What points to `bytes`.
#[must_use]
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// A manifest, its config and its layer.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The manifest; its bytes are this, written without spaces.
    pub manifest: Value,
    /// The config's bytes.
    pub config: Vec<u8>,
    /// The layer's bytes.
    pub layer: Vec<u8>,
}

impl Artifact {
    /// An honest artifact of one layer.
    #[must_use]
    pub fn of(component: &[u8]) -> Self {
        Self::with_config(
            component,
            &json!({
                "created": "2026-01-01T00:00:00Z",
                "architecture": "wasm",
                "os": "wasip2",
                "layerDigests": [digest(component)],
            }),
        )
    }

    /// An artifact whose config says what the caller wants.
    #[must_use]
    pub fn with_config(component: &[u8], config: &Value) -> Self {
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, component)],
        });
        Self { manifest, config, layer: component.to_vec() }
    }

    /// This artifact after a change to its manifest.
    #[must_use]
    pub fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.manifest);
        self
    }

    /// The manifest's bytes.
    #[must_use]
    pub fn manifest_bytes(&self) -> Vec<u8> {
        self.manifest.to_string().into_bytes()
    }

    /// The manifest's digest.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.manifest_bytes())
    }
}

/// An index of artifacts, each for a platform `os/architecture`, or for none where that is empty.
#[must_use]
pub fn index(entries: &[(&Artifact, &str)]) -> Value {
    let manifests = entries.iter().map(|(artifact, platform)| {
        let mut entry = descriptor(MANIFEST, &artifact.manifest_bytes());
        if let Some((os, architecture)) = platform.split_once('/') {
            entry["platform"] = json!({ "os": os, "architecture": architecture });
        }
        entry
    });
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests.collect::<Vec<_>>() })
}
