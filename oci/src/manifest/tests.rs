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

/// Which entry is meant follows from what the index says, and not from the order in which it says so.
fn check_order(platforms: &[&str]) {
    let artifacts: Vec<Artifact> =
        platforms.iter().enumerate().map(|(at, _)| Artifact::of(at.to_string().as_bytes())).collect();
    let pairs: Vec<_> = artifacts.iter().zip(platforms.iter().copied()).collect();
    let mut turned = pairs.clone();
    turned.reverse();
    assert_eq!(chosen(&pairs).ok(), chosen(&turned).ok(), "{platforms:?}");
}

fn any_platforms() -> impl Strategy<Value = Vec<&'static str>> {
    let platform = prop::sample::select(vec![
        "",
        "wasip2/wasm",
        "wasi/wasm",
        "wasip1/wasm",
        "linux/amd64",
        "linux/arm64",
        "unknown/unknown",
        "wasm/wasip2",
        "WASI/wasm",
        "wasip2/amd64",
    ]);
    prop::collection::vec(platform, 0..6)
}

proptest! {
    #[test]
    fn the_choice_does_not_hang_on_the_order(platforms in any_platforms()) {
        check_order(&platforms);
    }

    #[test]
    fn an_attestation_more_changes_no_choice(platforms in any_platforms()) {
        let artifacts: Vec<Artifact> =
            platforms.iter().enumerate().map(|(at, _)| Artifact::of(at.to_string().as_bytes())).collect();
        let mut pairs: Vec<_> = artifacts.iter().zip(platforms.iter().copied()).collect();
        let before = chosen(&pairs).ok();
        let attestation = Artifact::of(b"attestation");
        pairs.insert(0, (&attestation, "unknown/unknown"));
        prop_assert_eq!(chosen(&pairs).ok(), before);
    }

    #[test]
    fn a_field_of_another_type_is_refused(at in 0_usize..9, to in 0_usize..5) {
        let pointers = [
            "/schemaVersion", "/mediaType", "/config", "/config/mediaType", "/config/digest", "/config/size",
            "/layers", "/layers/0", "/layers/0/digest",
        ];
        let values = [json!(true), json!(1.5), json!([[]]), json!({ "a": 1 }), json!("\u{0}")];
        let read = parsed(|m| *m.pointer_mut(pointers[at]).unwrap() = values[to].clone());
        prop_assert!(read.is_err(), "{} = {}", pointers[at], values[to]);
    }
}

#[test]
fn a_size_at_its_limit_is_read_and_one_past_it_is_not() {
    for (pointer, max) in
        [("/layers/0/size", COMPONENT_SIZE_BYTES_MAX), ("/config/size", CONFIG_SIZE_BYTES_MAX)]
    {
        assert!(parsed(|m| *m.pointer_mut(pointer).unwrap() = json!(max)).is_ok(), "{pointer}");
        for past in [max + 1, u64::from(u32::MAX) + 1, u64::MAX] {
            assert!(parsed(|m| *m.pointer_mut(pointer).unwrap() = json!(past)).is_err(), "{pointer} {past}");
        }
    }
}

#[test]
fn a_name_that_stands_twice_in_a_manifest_is_no_way_around() {
    let honest = String::from_utf8(Artifact::of(LAYER).manifest_bytes()).unwrap();
    for twice in
        ["\"layers\":[]", "\"config\":null", "\"schemaVersion\":2", "\"manifests\":[],\"manifests\":[]"]
    {
        let text = format!("{{{twice},{}", &honest[1..]);
        let error = Content::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, ArtifactError::Form { .. }), "{twice}: {error}");
    }
}
