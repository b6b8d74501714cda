//! Pushing: what is pushed can be pulled, twice is once, and nothing is sent that isn't a component.
#![allow(clippy::unwrap_used)]

mod common;

use common::{client, component, message, reference};
use morph_oci::Error;
use morph_testkit::artifact;
use morph_testkit::registry::{Auth, Fault, Registry};

#[tokio::test]
async fn what_is_pushed_is_pulled_again() {
    let registry = Registry::start().await;
    let digest = client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap();
    let image = client().resolve(&reference(&registry, "1")).await.unwrap();
    assert_eq!(image.digest, digest);
    assert_eq!(client().pull(&image).await.unwrap().component, component("hello"));
    let manifest: serde_json::Value = serde_json::from_slice(&registry.manifest("1").unwrap()).unwrap();
    let config = registry.blob(manifest["config"]["digest"].as_str().unwrap()).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["component"]["imports"][0], "acme:hello/thing@1.0.0");
}

#[tokio::test]
async fn pushing_again_sends_no_blob_and_changes_no_digest() {
    let registry = Registry::start().await;
    let one = client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap();
    let two = client().push(&reference(&registry, "2"), component("hello").into()).await.unwrap();
    assert_eq!(one, two);
    assert_eq!(registry.count("POST"), 2, "config and layer, once");
}

#[tokio::test]
async fn a_reference_with_a_digest_takes_exactly_that() {
    let registry = Registry::start().await;
    let digest = client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap();
    let right = reference(&registry, &digest.to_string());
    assert_eq!(client().push(&right, component("hello").into()).await.unwrap(), digest);
    let error = client().push(&right, component("other").into()).await.unwrap_err();
    assert!(message(&error).contains(&format!("{digest} was asked for")), "{error}");
}

#[tokio::test]
async fn what_is_no_component_is_not_sent() {
    let registry = Registry::start().await;
    let module = wat::parse_str("(module)").unwrap();
    for (bytes, want) in
        [(b"hello".to_vec(), "not a WebAssembly component"), (module, "core WebAssembly module")]
    {
        let error = client().push(&reference(&registry, "1"), bytes.into()).await.unwrap_err();
        assert!(message(&error).contains(want), "{error}");
    }
    assert_eq!(registry.log(), []);
}

#[tokio::test]
async fn a_push_asks_for_a_token_that_may_push() {
    let registry = Registry::start().await;
    registry.require(Auth::AnonymousToken);
    client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap();
    assert_eq!(registry.count("/token?service=it&scope=repository%3Aacme%2Fhello%3Apull%2Cpush"), 1);
}

#[tokio::test]
async fn an_upload_to_another_host_takes_no_bytes_there_unless_listed() {
    let (registry, other) = (Registry::start().await, Registry::start().await);
    let elsewhere = format!("http://{}/v2/x/blobs/uploads/1", other.authority());
    registry.fault("POST", Fault::Redirect(307, elsewhere));
    let error = client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignHost { by: "redirects", .. }), "{error}");
    assert_eq!(other.log(), []);
}

#[tokio::test]
async fn a_registry_that_takes_no_pushes_says_no() {
    for (part, status, want) in [
        ("POST", 403, "refuses access to a blob of acme/hello"),
        ("POST", 202, "an upload has no Location"),
        ("PUT /v2/acme/hello/blobs", 400, "status 400"),
        ("PUT /v2/acme/hello/manifests", 405, "status 405"),
        ("HEAD", 500, "status 500"),
    ] {
        let registry = Registry::start().await;
        registry.fault(part, Fault::Status(status));
        let error = client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap_err();
        assert!(message(&error).contains(want), "{want}: {error}");
        assert_eq!(registry.manifest("1"), None);
    }
}

#[tokio::test]
async fn a_put_is_sent_once() {
    let registry = Registry::start().await;
    registry.fault("PUT", Fault::Status(503));
    let error = client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(registry.count("PUT"), 1);
    assert_eq!(registry.blob(&artifact::digest(&component("hello"))), None);
}

#[tokio::test]
async fn an_uploads_location_may_be_absolute_but_not_elsewhere() {
    let registry = Registry::start().await;
    let own = format!("http://{}/v2/acme/hello/blobs/uploads/9?state=kept", registry.authority());
    registry.fault("POST", Fault::Redirect(202, own));
    client().push(&reference(&registry, "1"), component("hello").into()).await.unwrap();
    assert_eq!(registry.count("PUT /v2/acme/hello/blobs/uploads/9?state=kept&digest="), 2);
    for (location, want) in [
        ("http://registry.invalid/upload", "sends uploads to registry.invalid"),
        ("//registry.invalid/upload", "sends uploads to registry.invalid"),
        ("https://10.0.0.1/upload", "sends uploads to 10.0.0.1"),
        ("http://", "an upload's Location is no address"),
    ] {
        registry.fault("POST", Fault::Redirect(202, location.to_owned()));
        let error = client().push(&reference(&registry, "2"), component("other").into()).await.unwrap_err();
        assert!(message(&error).contains(want), "{location}: {error}");
    }
}

#[tokio::test]
async fn two_components_share_no_blob() {
    let registry = Registry::start().await;
    client().push(&reference(&registry, "1"), component("one").into()).await.unwrap();
    client().push(&reference(&registry, "2"), component("two").into()).await.unwrap();
    for (tag, name) in [("1", "one"), ("2", "two")] {
        let image = client().resolve(&reference(&registry, tag)).await.unwrap();
        assert_eq!(client().pull(&image).await.unwrap().component, component(name));
    }
    assert_eq!(registry.count("POST"), 4, "each config names its own layer");
}

#[tokio::test]
async fn a_large_component_goes_and_comes_whole() {
    let registry = Registry::start().await;
    let filler = "x".repeat(8 << 20);
    let text = format!(
        "(component (core module (memory 1) (data \"{filler}\")) (instance $run) \
         (export \"wasi:cli/run@0.2.0\" (instance $run)))"
    );
    let large = wat::parse_str(text).unwrap();
    let digest = client().push(&reference(&registry, "1"), large.clone().into()).await.unwrap();
    let pulled = client().pull(&reference(&registry, "1").pinned(digest)).await.unwrap();
    assert!(pulled.component == large);
}
