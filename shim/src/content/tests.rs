//! A store that holds what a test puts into it, honest or not.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use serde_json::{Value, json};
use std::collections::HashMap;

#[derive(Default)]
struct Memory {
    blobs: HashMap<Digest, Vec<u8>>,
    images: HashMap<String, Digest>,
}

impl Memory {
    fn add(&mut self, bytes: impl Into<Vec<u8>>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    fn manifest(&mut self, config: &str, layers: &[(&str, &Digest, usize)]) -> Digest {
        let layers: Vec<Value> = layers
            .iter()
            .map(|(kind, digest, size)| json!({ "mediaType": kind, "digest": digest, "size": size }))
            .collect();
        let config = json!({ "mediaType": config, "digest": Digest::of(b"{}"), "size": 2 });
        self.add(json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string())
    }

    fn component(&mut self, kind: &str) -> (Digest, Digest) {
        let layer = self.add("the component");
        let manifest = self.manifest("application/vnd.wasm.config.v0+json", &[(kind, &layer, 13)]);
        (manifest, layer)
    }
}

#[async_trait]
impl Store for Memory {
    async fn blob(&self, digest: &Digest, max_bytes: u64) -> Result<Vec<u8>, ContentError> {
        let missing = || ContentError::Missing { what: digest.to_string() };
        let bytes = self.blobs.get(digest).cloned().ok_or_else(missing)?;
        let size_bytes = bytes.len() as u64;
        if size_bytes > max_bytes {
            return Err(ContentError::TooLarge { digest: digest.clone(), size_bytes, max_bytes });
        }
        Ok(bytes)
    }

    async fn image(&self, name: &str) -> Result<Digest, ContentError> {
        self.images.get(name).cloned().ok_or(ContentError::Missing { what: name.into() })
    }
}

async fn check_refused(store: &Memory, digest: &Digest, words: &str) {
    let error = locate(store, &Source::Manifest(digest.clone())).await.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.is_permanent(), "{error}");
}

#[tokio::test]
async fn a_component_is_found_in_each_form_that_is_written_today() {
    for kind in [
        "application/wasm",
        "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
        "application/vnd.wasm.content.layer.v1+wasm",
    ] {
        let mut store = Memory::default();
        let (manifest, layer) = store.component(kind);
        let located = locate(&store, &Source::Manifest(manifest.clone())).await.unwrap();
        assert_eq!((&located.manifest, &located.layer.digest), (&manifest, &layer));
        assert_eq!(read(&store, &located.layer).await.unwrap(), b"the component");
    }
}

#[tokio::test]
async fn an_index_leads_to_the_manifest_for_this_node() {
    let mut store = Memory::default();
    let (manifest, _) = store.component("application/wasm");
    let other = Digest::of(b"arm");
    let entry = |digest: &Digest, os: &str, architecture: &str| {
        let platform = json!({ "os": os, "architecture": architecture });
        json!({ "mediaType": "m", "digest": digest, "size": 1, "platform": platform })
    };
    let manifests = [entry(&other, "linux", "arm64"), entry(&manifest, "linux", "amd64")];
    let index = store.add(json!({ "manifests": manifests }).to_string());
    store.images.insert("docker.io/library/hello:1".into(), index);
    let located = locate(&store, &Source::of_image("hello:1")).await.unwrap();
    assert_eq!(located.manifest, manifest);
    let foreign = store.add(json!({ "manifests": [entry(&other, "linux", "arm64")] }).to_string());
    check_refused(&store, &foreign, "linux/amd64").await;
}

#[tokio::test]
async fn an_ordinary_image_is_told_as_such() {
    let mut store = Memory::default();
    let layer = store.add("tar");
    let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
    let image = store.manifest("application/vnd.oci.image.config.v1+json", &[(tar, &layer, 3)]);
    check_refused(&store, &image, "an ordinary container image").await;
    check_refused(&store, &image, "sidecars").await;
    let chart = store.manifest("application/vnd.cncf.helm.config.v1+json", &[("x", &layer, 3)]);
    check_refused(&store, &chart, "vnd.cncf.helm.config").await;
}

#[tokio::test]
async fn two_components_in_one_manifest_are_refused() {
    let mut store = Memory::default();
    let layer = store.add("x");
    let wasm = "application/wasm";
    let manifest = store.manifest("c", &[(wasm, &layer, 1), (wasm, &layer, 1)]);
    check_refused(&store, &manifest, "2 layers are components").await;
}

#[tokio::test]
async fn a_store_that_lies_is_caught() {
    let mut store = Memory::default();
    let (manifest, layer) = store.component("application/wasm");
    store.blobs.insert(layer.clone(), b"another one!!".to_vec());
    let located = locate(&store, &Source::Manifest(manifest.clone())).await.unwrap();
    assert!(matches!(read(&store, &located.layer).await, Err(ContentError::Digest { .. })));
    store.blobs.insert(manifest.clone(), b"{}".to_vec());
    check_refused(&store, &manifest, "has other bytes").await;
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let store = Memory::default();
    check_refused(&store, &Digest::of(b"x"), "was its image pulled?").await;
    let error = locate(&store, &Source::of_image("registry.test/x:1")).await.unwrap_err().to_string();
    assert!(error.contains("registry.test/x:1"), "{error}");
}

#[tokio::test]
async fn a_component_past_the_limit_is_not_read() {
    let descriptor = Descriptor { digest: Digest::of(b"x"), size_bytes: COMPONENT_SIZE_BYTES_MAX + 1 };
    let error = read(&Memory::default(), &descriptor).await.unwrap_err();
    assert!(matches!(error, ContentError::TooLarge { .. }));
    let mut store = Memory::default();
    let digest = store.add("longer than said");
    let error = read(&store, &Descriptor { digest, size_bytes: 3 }).await.unwrap_err();
    assert!(matches!(error, ContentError::TooLarge { .. }));
}

#[tokio::test]
async fn garbage_is_no_manifest() {
    let mut store = Memory::default();
    for bytes in ["", "[]", "{}", r#"{"layers": [], "manifests": []}"#, r#"{"layers": [{"digest": "x"}]}"#] {
        let digest = store.add(bytes);
        check_refused(&store, &digest, "manifest sha256:").await;
    }
}

#[test]
fn image_names_are_made_whole() {
    let digest = Digest::of(b"x");
    for (name, want) in [
        ("hello", "docker.io/library/hello:latest"),
        ("acme/hello:1", "docker.io/acme/hello:1"),
        ("registry.test/hello", "registry.test/hello:latest"),
        ("localhost:5000/hello:1", "localhost:5000/hello:1"),
        ("localhost/hello:1", "localhost/hello:1"),
    ] {
        assert_eq!(Source::of_image(name), Source::Image(want.into()));
    }
    for name in [format!("registry.test/hello@{digest}"), format!("hello:1@{digest}")] {
        assert_eq!(Source::of_image(&name), Source::Manifest(digest.clone()));
    }
}
