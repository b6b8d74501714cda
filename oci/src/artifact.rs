//! Writes a component as an OCI artifact in the CNCF's form: config, one layer, manifest.
//! The same component gives the same bytes, always: pushing twice makes one artifact.

use crate::manifest::{OCI_MANIFEST, WASM_CONFIG, WASM_LAYER};
use morph_component::World;
use morph_grant::Digest;
use serde::Serialize;

/// The `created` of every config, which the form requires: a real time would give each push its own digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Config and manifest of one component.
pub(crate) struct Written {
    pub(crate) config: Vec<u8>,
    pub(crate) config_digest: Digest,
    pub(crate) layer_digest: Digest,
    pub(crate) manifest: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    /// Absent for a module of WASI preview 1, which has no world of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Component>,
}

#[derive(Serialize)]
struct Component {
    exports: Vec<String>,
    imports: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: usize,
}

/// Writes config and manifest of `component`, whose world is `world`.
pub(crate) fn write(component: &[u8], world: &World) -> Result<Written, serde_json::Error> {
    let layer_digest = Digest::of(component);
    let is_module = morph_component::is_module(component).unwrap_or(false);
    let exports = world.exports.iter().map(ToString::to_string);
    let config = serde_json::to_vec(&Config {
        created: CREATED,
        architecture: "wasm",
        os: if is_module { "wasip1" } else { "wasip2" },
        layer_digests: [layer_digest.clone()],
        component: (!is_module).then(|| Component {
            exports: exports.chain(world.plain_exports.iter().cloned()).collect(),
            imports: world.imports.iter().map(ToString::to_string).collect(),
        }),
    })?;
    let config_digest = Digest::of(&config);
    let descriptor =
        |media_type, digest: &Digest, size| Descriptor { media_type, digest: digest.clone(), size };
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: descriptor(WASM_CONFIG, &config_digest, config.len()),
        layers: [descriptor(WASM_LAYER, &layer_digest, component.len())],
    })?;
    Ok(Written { config, config_digest, layer_digest, manifest })
}

#[cfg(test)]
mod tests;
