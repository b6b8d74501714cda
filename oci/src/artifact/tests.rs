//! Tests of `artifact`.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::manifest::Content;
use serde_json::{Value, json};

fn component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (import "wasi:cli/stdout@0.2.0" (instance))
            (import "wasi:cli/exit@0.2.0" (instance))
            (instance $run)
            (export "wasi:cli/run@0.2.0" (instance $run)))"#,
    )
    .unwrap()
}

fn written() -> Written {
    let component = component();
    write(&component, &morph_component::inspect(&component).unwrap()).unwrap()
}

#[test]
fn the_config_has_the_cncf_form() {
    let config: Value = serde_json::from_slice(&written().config).unwrap();
    let wanted = json!({
        "created": CREATED,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [Digest::of(&component())],
        "component": {
            "exports": ["wasi:cli/run@0.2.0"],
            "imports": ["wasi:cli/exit@0.2.0", "wasi:cli/stdout@0.2.0"],
        },
    });
    assert_eq!(config, wanted);
}

#[test]
fn a_module_of_preview_1_is_written_as_it_is_and_says_what_it_is() {
    let module =
        wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap();
    let written = write(&module, &morph_component::inspect(&module).unwrap()).unwrap();
    assert_eq!(written.layer_digest, Digest::of(&module));
    let config: Value = serde_json::from_slice(&written.config).unwrap();
    let digests = [Digest::of(&module)];
    let wanted =
        json!({ "created": CREATED, "architecture": "wasm", "os": "wasip1", "layerDigests": digests });
    assert_eq!(config, wanted);
}

#[test]
fn the_manifest_names_config_and_layer() {
    let written = written();
    let manifest: Value = serde_json::from_slice(&written.manifest).unwrap();
    assert_eq!(manifest["config"]["digest"], json!(Digest::of(&written.config)));
    assert_eq!(manifest["config"]["size"], json!(written.config.len()));
    assert_eq!(manifest["config"]["mediaType"], json!(WASM_CONFIG));
    assert_eq!(manifest["layers"][0]["digest"], json!(written.layer_digest));
    assert_eq!(manifest["layers"][0]["mediaType"], json!(WASM_LAYER));
    assert_eq!(manifest["mediaType"], json!(OCI_MANIFEST));
}

#[test]
fn what_is_written_is_read() {
    let written = written();
    let Content::Manifest(manifest) = Content::parse(&written.manifest).unwrap() else { unreachable!() };
    manifest.check_config(&written.config).unwrap();
    assert_eq!(manifest.layer.digest, Digest::of(&component()));
}

#[test]
fn the_same_component_gives_the_same_bytes() {
    let (one, two) = (written(), written());
    assert_eq!((one.manifest, one.config), (two.manifest, two.config));
}
