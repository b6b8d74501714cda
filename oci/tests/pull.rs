//! Resolving and pulling from a registry: what is honest comes through whole, what lies is refused.
#![allow(clippy::unwrap_used)]

mod common;

use common::{client, component, message, pinned, reference};
use morph_oci::{COMPONENT_SIZE_BYTES_MAX, Error, MANIFEST_SIZE_BYTES_MAX};
use morph_testkit::artifact::{self, Artifact};
use morph_testkit::registry::{Fault, Registry};
use serde_json::json;

async fn with(artifact: &Artifact) -> (Registry, String) {
    let registry = Registry::start().await;
    let digest = registry.store("1", artifact);
    (registry, digest)
}

async fn hello() -> (Registry, String) {
    with(&Artifact::of(&component("hello"))).await
}

#[tokio::test]
async fn a_tag_is_resolved_and_its_component_pulled() {
    let (registry, digest) = hello().await;
    let image = client().resolve(&reference(&registry, "1")).await.unwrap();
    assert_eq!(image, pinned(&registry, &digest));
    let pulled = client().pull(&image).await.unwrap();
    assert_eq!(pulled.component, component("hello"));
    assert_eq!(pulled.manifest.to_string(), digest);
    assert_eq!(pulled.content.to_string(), artifact::digest(&component("hello")));
}

#[tokio::test]
async fn a_tag_that_moves_moves_no_digest() {
    let (registry, digest) = hello().await;
    let moved = registry.store("1", &Artifact::of(&component("other")));
    let resolved = client().resolve(&reference(&registry, "1")).await.unwrap();
    assert_eq!(resolved.digest.to_string(), moved);
    let by_digest = client().resolve(&reference(&registry, &digest)).await.unwrap();
    assert_eq!(by_digest.digest.to_string(), digest);
}

#[tokio::test]
async fn an_index_is_resolved_to_the_manifest_in_it() {
    let registry = Registry::start().await;
    let [wasm, native] = ["wasm", "native"].map(|name| Artifact::of(&component(name)));
    let digest = registry.store("wasm", &wasm);
    registry.store("native", &native);
    let index = artifact::index(&[(&native, "linux/amd64"), (&wasm, "wasip2/wasm")]).to_string();
    let index_digest = registry.store_manifest("1", index.as_bytes());
    for name in ["1", index_digest.as_str()] {
        let image = client().resolve(&reference(&registry, name)).await.unwrap();
        assert_eq!(image.digest.to_string(), digest, "{name}");
    }
    let error = client().pull(&pinned(&registry, &index_digest)).await.unwrap_err();
    assert!(message(&error).contains("an index where a manifest is needed"), "{error}");
}

#[tokio::test]
async fn an_index_that_names_what_is_gone_or_another_index_is_refused() {
    let registry = Registry::start().await;
    let gone = Artifact::of(&component("gone"));
    registry.store_manifest("1", artifact::index(&[(&gone, "wasip2/wasm")]).to_string().as_bytes());
    let error = client().resolve(&reference(&registry, "1")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let inner = artifact::index(&[(&gone, "wasip2/wasm")]);
    registry.store_manifest("inner", inner.to_string().as_bytes());
    let entry = artifact::descriptor(artifact::MANIFEST, inner.to_string().as_bytes());
    let outer = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    registry.store_manifest("1", outer.as_bytes());
    let error = client().resolve(&reference(&registry, "1")).await.unwrap_err();
    assert!(message(&error).contains("an index where a manifest is needed"), "{error}");
}

/// Pulls from a registry of which requests with `part` meet a fault.
async fn pull_with(part: &str, fault: Fault) -> Error {
    let (registry, digest) = hello().await;
    registry.fault(part, fault);
    let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(message(&error).contains("127.0.0.1"), "names the registry: {error}");
    error
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_refused() {
    let other = Artifact::of(&component("other"));
    let same_length = component("hellO");
    let layer = artifact::digest(&component("hello"));
    for (part, bytes, want) in [
        ("/manifests/", other.manifest_bytes(), "its manifest has digest"),
        ("/manifests/", b"not json".to_vec(), "its manifest has digest"),
        (layer.as_str(), same_length, "its layer has digest"),
        (layer.as_str(), b"short".to_vec(), "its layer has 5 bytes"),
        ("/blobs/", b"{}".to_vec(), "its config has 2 bytes"),
    ] {
        let error = pull_with(part, Fault::Body(bytes)).await;
        assert!(message(&error).contains(want), "{want}: {error}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_left_at_its_cap() {
    let layer = artifact::digest(&component("hello"));
    for (part, want) in [("/manifests/", "manifest"), ("/blobs/", "config"), (layer.as_str(), "layer")] {
        let error = pull_with(part, Fault::Endless).await;
        assert!(message(&error).contains(&format!("its {want} has more than")), "{want}: {error}");
    }
}

#[tokio::test]
async fn a_body_larger_than_announced_is_refused() {
    let layer = artifact::digest(&component("hello"));
    let error = pull_with(&layer, Fault::Body(vec![0; 1 << 20])).await;
    assert!(message(&error).contains("its layer has more than"), "{error}");
    let error = pull_with("/manifests/", Fault::Body(vec![b' '; MANIFEST_SIZE_BYTES_MAX as usize + 1])).await;
    assert!(message(&error).contains("its manifest has more than"), "{error}");
}

#[tokio::test]
async fn compressed_answers_are_taken_as_the_bytes_that_they_are() {
    let bomb = vec![0x1f; 4096];
    let error = pull_with("/manifests/", Fault::Gzip(bomb)).await;
    assert!(message(&error).contains("its manifest has digest"), "{error}");
}

#[tokio::test]
async fn sizes_above_the_limit_are_refused_before_anything_is_fetched() {
    let artifact = Artifact::of(&component("hello"))
        .changed(|manifest| manifest["layers"][0]["size"] = json!(COMPONENT_SIZE_BYTES_MAX + 1));
    let (registry, digest) = with(&artifact).await;
    let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(message(&error).contains("the most that is taken"), "{error}");
    assert_eq!(registry.count("/blobs/"), 0);
}

#[tokio::test]
async fn a_config_that_names_another_layer_is_refused_before_the_layer_is_fetched() {
    let (bytes, other) = (component("hello"), component("other"));
    let [own, others] = [&bytes, &other].map(|bytes| artifact::digest(bytes));
    for config in [json!({}), json!({ "layerDigests": [] }), json!({ "layerDigests": [others] })] {
        let (registry, digest) = with(&Artifact::with_config(&bytes, &config)).await;
        let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains("its config does not name its layer"), "{config}: {error}");
        assert_eq!(registry.count(&own), 0, "{config}");
    }
}

#[tokio::test]
async fn a_config_that_two_artifacts_share_is_each_ones() {
    let components = [component("hello"), component("other")];
    let config = json!({ "layerDigests": components.each_ref().map(|bytes| artifact::digest(bytes)) });
    for bytes in components {
        let (registry, digest) = with(&Artifact::with_config(&bytes, &config)).await;
        assert_eq!(client().pull(&pinned(&registry, &digest)).await.unwrap().component, bytes);
    }
}

#[tokio::test]
async fn an_artifact_of_another_shape_is_refused() {
    let extra = Artifact::of(&component("hello")).changed(|manifest| {
        let layer = manifest["layers"][0].clone();
        manifest["layers"] = json!([layer, layer]);
    });
    let image = Artifact::of(&component("hello")).changed(|manifest| {
        manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
    });
    for (artifact, want) in [(extra, "2 layers"), (image, "layer.v1.tar+gzip")] {
        let (registry, _) = with(&artifact).await;
        let error = client().resolve(&reference(&registry, "1")).await.unwrap_err();
        assert!(message(&error).contains(want), "{want}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (registry, _) = hello().await;
    let error = client().resolve(&reference(&registry, "2")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("acme/hello:2 is not in {}", registry.authority()));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_registry_that_is_down_is_unreachable() {
    let (registry, digest) = hello().await;
    let image = pinned(&registry, &digest);
    drop(registry);
    let error = client().pull(&image).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { problem: "no connection can be made", .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_failure_that_passes_is_bridged_and_one_that_stays_is_told() {
    for status in [429, 500, 503] {
        let (registry, digest) = hello().await;
        registry.fault("/manifests/", Fault::StatusTimes(status, 2));
        client().pull(&pinned(&registry, &digest)).await.unwrap();
        assert_eq!(registry.count("/manifests/"), 3, "{status}");
        registry.fault("/manifests/", Fault::Status(status));
        let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(matches!(error, Error::Status { status: found, .. } if found == status), "{error}");
        assert_eq!(registry.count("/manifests/"), 6, "{status}: three tries and no more");
        message(&error);
    }
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    for (status, want) in [(400, "status 400"), (403, "refuses access"), (501, "status 501")] {
        let (registry, digest) = hello().await;
        registry.fault("/manifests/", Fault::Status(status));
        let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains(want), "{error}");
        assert_eq!(registry.count("/manifests/"), 1, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let (registry, digest) = hello().await;
    let layer = artifact::digest(&component("hello"));
    registry.fault(&layer, Fault::BreakOff(20));
    let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { problem: "the connection broke off", .. }), "{error:?}");
    assert_eq!(registry.count(&layer), 3);
    registry.heal();
    client().pull(&pinned(&registry, &digest)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_never_answers_is_given_up() {
    let (registry, digest) = hello().await;
    registry.fault("/manifests/", Fault::Silence);
    let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { problem: "it does not answer in time", .. }), "{error:?}");
    assert!(error.is_transient());
}
