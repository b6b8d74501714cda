//! Components as artifacts in the local registry.

use anyhow::{Context as _, Result};
use morph_grant::Digest;
use morph_oci::{Client, ClientConfig, Reference};
use std::path::PathBuf;

/// The local cluster's registry; `MORPH_REGISTRY` names another.
const REGISTRY: &str = "10.245.0.1:5000";

/// A component that was pushed.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// By its tag.
    pub image: String,
    /// By its manifest's digest.
    pub pinned: String,
    /// Its manifest's digest.
    pub manifest: Digest,
    /// Its own digest.
    pub content: Digest,
}

/// Where the registry is.
pub(crate) fn registry() -> String {
    std::env::var("MORPH_REGISTRY").unwrap_or_else(|_| REGISTRY.to_owned())
}

/// The bytes of a guest that `hack/guests` has built.
///
/// # Errors
/// When it isn't there.
pub fn guest(name: &str) -> Result<Vec<u8>> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").context("CARGO_TARGET_DIR is not set; eval \"$(hack/env)\"")?;
    let path = PathBuf::from(target).join("guests").join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| format!("{}: run hack/guests", path.display()))
}

/// A client that may reach the local registry without TLS, and nothing private besides.
///
/// # Errors
/// When it can't be set up.
pub(crate) fn client() -> Result<Client> {
    let registry = registry();
    let host = registry.rsplit_once(':').map_or(registry.as_str(), |(host, _)| host).to_owned();
    let network = host.parse::<std::net::IpAddr>().context("the registry's address")?.into();
    let config =
        ClientConfig { plain_http: vec![registry], allow_private: vec![network], ..ClientConfig::default() };
    Ok(Client::new(config)?)
}

impl Pushed {
    /// Pushes `component` as `<repository>/<name>:<tag>`.
    ///
    /// # Errors
    /// When it can't be pushed.
    pub async fn push(repository: &str, name: &str, tag: &str, component: Vec<u8>) -> Result<Self> {
        let repository = format!("{}/{repository}/{name}", registry());
        let image = format!("{repository}:{tag}");
        let reference: Reference = image.parse()?;
        let content = Digest::of(&component);
        let manifest = client()?.push(&reference, component.into()).await.with_context(|| image.clone())?;
        let pinned = format!("{repository}@{manifest}");
        Ok(Self { image, pinned, manifest, content })
    }
}

/// What a registry is told about one blob.
fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    let digest = Digest::of(bytes).to_string();
    serde_json::json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

impl Pushed {
    /// Pushes a layer and a config of the caller's own, unchecked: what a careless or hostile tool would
    /// push.
    ///
    /// # Errors
    /// When the registry doesn't take it.
    pub async fn push_raw(repository: &str, name: &str, layer: &[u8], config: &[u8]) -> Result<Self> {
        let path = format!("{repository}/{name}");
        let manifest = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.wasm.config.v0+json", config),
            "layers": [descriptor("application/wasm", layer)],
        }))?;
        let digest = Digest::of(&manifest);
        let pinned = push_image(&path, [layer, config], manifest).await?;
        let image = format!("{}/{path}:1", registry());
        Ok(Self { image, pinned, manifest: digest, content: Digest::of(layer) })
    }
}

/// Pushes blobs and the manifest that names them as `<path>:1`, whatever they are; answers the image by its
/// digest.
///
/// # Errors
/// When the registry doesn't take it.
pub async fn push_image(path: &str, blobs: [&[u8]; 2], manifest: Vec<u8>) -> Result<String> {
    let registry = registry();
    let http = reqwest::Client::builder().build()?;
    for blob in blobs {
        let digest = Digest::of(blob).to_string();
        let start = format!("http://{registry}/v2/{path}/blobs/uploads/");
        let answer = http.post(&start).send().await?.error_for_status()?;
        let place = answer.headers().get("location").context("an upload without a place")?.to_str()?;
        let mut url = answer.url().join(place)?;
        url.query_pairs_mut().append_pair("digest", &digest);
        http.put(url).body(blob.to_vec()).send().await?.error_for_status()?;
    }
    let digest = Digest::of(&manifest);
    http.put(format!("http://{registry}/v2/{path}/manifests/1"))
        .header("content-type", "application/vnd.oci.image.manifest.v1+json")
        .body(manifest)
        .send()
        .await?
        .error_for_status()?;
    Ok(format!("{registry}/{path}@{digest}"))
}
