//! Tests of `manifest`.
#![allow(clippy::unwrap_used)]
use super::*;
use morph_testkit::artifact::{self, Artifact};
use proptest::prelude::*;
use serde_json::{Value, json};

const LAYER: &[u8] = b"a component";

fn parsed(change: impl FnOnce(&mut Value)) -> Result<Content, ArtifactError> {
    Content::parse(&Artifact::of(LAYER).changed(change).manifest_bytes())
}

fn check_refused(change: impl FnOnce(&mut Value), want: &str) {
    let error = parsed(change).unwrap_err().to_string();
    assert!(error.contains(want), "{want}: {error}");
}

#[test]
fn the_forms_that_are_read() {
    let image_config = "application/vnd.oci.image.config.v1+json";
    let old_layer = OLD_WASM_LAYERS[0];
    for (config, layer) in [
        (WASM_CONFIG, WASM_LAYER),
        (WASM_CONFIG, OLD_WASM_LAYERS[1]),
        (OLD_WASM_CONFIG, old_layer),
        (image_config, old_layer),
    ] {
        let read = parsed(|m| {
            m["config"]["mediaType"] = json!(config);
            m["layers"][0]["mediaType"] = json!(layer);
        });
        assert!(matches!(read, Ok(Content::Manifest(_))), "{config} {layer}: {read:?}");
    }
    assert!(matches!(parsed(|m| *m = without(m, "mediaType")), Ok(Content::Manifest(_))));
    assert!(matches!(parsed(|m| m["mediaType"] = json!(DOCKER_MANIFEST)), Ok(Content::Manifest(_))));
}

fn without(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(key);
    value
}

#[test]
fn the_forms_that_are_refused() {
    check_refused(|m| m["schemaVersion"] = json!(1), "schemaVersion");
    check_refused(|m| m["mediaType"] = json!(OCI_INDEX), "media type");
    check_refused(|m| *m = without(m, "config"), "no config or no layers");
    check_refused(|m| *m = without(m, "layers"), "no config or no layers");
    check_refused(|m| m["manifests"] = json!([]), "a manifest and an index at once");
    check_refused(|m| m["layers"] = json!([]), "0 layers");
    check_refused(|m| m["layers"] = json!([m["layers"][0], m["layers"][0]]), "2 layers");
    check_refused(
        |m| m["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar"),
        "layer.v1.tar",
    );
    check_refused(|m| m["config"]["mediaType"] = json!("application/json"), "application/json");
    check_refused(|m| m["config"]["mediaType"] = json!(IMAGE_CONFIGS[0]), "image.config.v1+json");
    check_refused(|m| m["layers"][0]["size"] = json!(COMPONENT_SIZE_BYTES_MAX + 1), "the most that is taken");
    check_refused(|m| m["config"]["size"] = json!(CONFIG_SIZE_BYTES_MAX + 1), "the most that is taken");
    check_refused(|m| m["layers"][0]["digest"] = json!("sha512:00"), "not of the form");
    check_refused(|m| m["layers"][0]["size"] = json!(-1), "not of the form");
}

#[test]
fn a_media_type_in_a_message_is_only_a_media_type() {
    check_refused(|m| m["config"]["mediaType"] = json!("a\nb <script>"), "(no media type at all)");
    check_refused(|m| m["config"]["mediaType"] = json!(""), "\"\"");
    let error = parsed(|m| m["config"]["mediaType"] = json!("x".repeat(5000))).unwrap_err().to_string();
    assert!(error.len() < 300, "{error}");
}

fn chosen(entries: &[(&Artifact, &str)]) -> Result<Digest, ArtifactError> {
    let bytes = artifact::index(entries).to_string();
    let Content::Index(entries) = Content::parse(bytes.as_bytes()).unwrap() else { unreachable!() };
    choose(&entries).map(|entry| entry.digest.clone())
}

#[test]
fn the_manifest_of_an_index_that_can_be_run_is_chosen() {
    let [one, two] = [b"1", b"2"].map(|layer| Artifact::of(layer));
    for (platforms, want) in [
        (["wasip2/wasm", "linux/amd64"], Some(0)),
        (["linux/amd64", "wasip2/wasm"], Some(1)),
        (["wasip1/wasm", "wasi/wasm"], Some(1)),
        (["linux/arm64", "linux/amd64"], Some(1)),
        (["linux/amd64", "unknown/unknown"], Some(0)),
        (["", "unknown/unknown"], Some(0)),
        (["", "linux/amd64"], Some(1)),
        (["linux/arm64", "unknown/unknown"], None),
        (["wasip2/wasm", "wasip2/wasm"], None),
        (["", ""], None),
    ] {
        let found =
            chosen(&[(&one, platforms[0]), (&two, platforms[1])]).ok().map(|digest| digest.to_string());
        let want = want.map(|at: usize| [&one, &two][at].digest());
        assert_eq!(found, want, "{platforms:?}");
    }
}

#[test]
fn an_index_without_a_choice_says_why() {
    let [one, two] = [b"1", b"2"].map(|layer| Artifact::of(layer));
    let error = chosen(&[(&one, "linux/arm64")]).unwrap_err().to_string();
    assert!(error.contains("1 manifests, and none for wasm"), "{error}");
    let error = chosen(&[(&one, "wasip2/wasm"), (&two, "wasip2/wasm")]).unwrap_err().to_string();
    assert!(error.contains("2 manifests for wasip2/wasm"), "{error}");
    assert!(chosen(&[]).is_err());
}

#[test]
fn an_index_is_bounded_and_indexes_in_it_are_not_chosen() {
    let entry = artifact::descriptor(OCI_MANIFEST, b"x");
    let index = |entries: Vec<Value>| json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    let full = index(vec![entry.clone(); MANIFESTS_IN_INDEX_MAX]);
    assert!(Content::parse(full.as_bytes()).is_ok());
    let over = index(vec![entry; MANIFESTS_IN_INDEX_MAX + 1]);
    assert!(Content::parse(over.as_bytes()).is_err());
    let nested = index(vec![artifact::descriptor(OCI_INDEX, b"x")]);
    let Content::Index(entries) = Content::parse(nested.as_bytes()).unwrap() else { unreachable!() };
    assert!(matches!(choose(&entries), Err(ArtifactError::NoPlatform { count: 1 })));
}

fn check_config(media_type: &str, layer_type: &str, config: &Value) -> Result<(), ArtifactError> {
    let made = Artifact::with_config(LAYER, config).changed(|m| {
        m["config"]["mediaType"] = json!(media_type);
        m["layers"][0]["mediaType"] = json!(layer_type);
    });
    let Content::Manifest(manifest) = Content::parse(&made.manifest_bytes()).unwrap() else { unreachable!() };
    manifest.check_config(&made.config)
}

#[test]
fn a_config_must_name_its_layer() {
    let own = artifact::digest(LAYER);
    let other = artifact::digest(b"another");
    let image = IMAGE_CONFIGS[0];
    for (media_type, config, want) in [
        (WASM_CONFIG, json!({ "layerDigests": [own] }), true),
        (WASM_CONFIG, json!({ "layerDigests": [other] }), false),
        (WASM_CONFIG, json!({ "layerDigests": [other, own] }), true),
        (WASM_CONFIG, json!({ "layerDigests": [] }), false),
        (WASM_CONFIG, json!({}), false),
        (WASM_CONFIG, json!([]), false),
        (image, json!({ "rootfs": { "type": "layers", "diff_ids": [own] } }), true),
        (image, json!({ "rootfs": { "type": "layers", "diff_ids": [other] } }), false),
        (image, json!({ "layerDigests": [own] }), false),
        (image, json!({}), false),
    ] {
        let layer = if media_type == image { OLD_WASM_LAYERS[0] } else { WASM_LAYER };
        assert_eq!(check_config(media_type, layer, &config).is_ok(), want, "{media_type} {config}");
    }
}

#[test]
fn bytes_are_held_against_digest_and_size() {
    let digest = Digest::of(LAYER);
    assert!(check_bytes("layer", LAYER, &digest, Some(LAYER.len() as u64)).is_ok());
    assert!(check_bytes("layer", LAYER, &digest, None).is_ok());
    let error = check_bytes("layer", LAYER, &digest, Some(5)).unwrap_err();
    assert!(matches!(error, ArtifactError::Size { wanted_bytes: 5, found_bytes: 11, .. }), "{error}");
    let error = check_bytes("layer", b"another one", &digest, Some(11)).unwrap_err();
    assert!(matches!(error, ArtifactError::Digest { .. }), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _read = Content::parse(&bytes);
    }

    #[test]
    fn a_manifest_with_a_byte_changed_is_read_or_refused(at in 0usize..500, byte in any::<u8>()) {
        let mut bytes = Artifact::of(LAYER).manifest_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _read = Content::parse(&bytes);
    }
}
