//! Where the client goes and what it takes along: addresses, redirects, token realms, credentials.
#![allow(clippy::unwrap_used)]

mod common;

use common::{client, component, config, message, pinned, reference};
use morph_oci::{Client, ClientConfig, Error, Reference};
use morph_testkit::artifact::{self, Artifact};
use morph_testkit::registry::{Auth, Fault, PASSWORD, Registry, TOKEN, USERNAME};
use std::io::Write as _;
use tempfile::NamedTempFile;

async fn hello() -> (Registry, String) {
    let registry = Registry::start().await;
    let digest = registry.store("1", &Artifact::of(&component("hello")));
    (registry, digest)
}

fn listing(hosts: &[&str]) -> Client {
    let allow_hosts = hosts.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Client::new(ClientConfig { allow_hosts, ..config() }).unwrap()
}

/// A Docker config file with the right credentials for these registries.
fn docker_config(registries: &[&Registry]) -> NamedTempFile {
    let entry = serde_json::json!({ "username": USERNAME, "password": PASSWORD });
    let auths: serde_json::Map<_, _> = registries.iter().map(|r| (r.authority(), entry.clone())).collect();
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{}", serde_json::json!({ "auths": auths })).unwrap();
    file
}

fn with_credentials(file: &NamedTempFile, hosts: &[&str]) -> Client {
    let allow_hosts = hosts.iter().map(|pattern| pattern.parse().unwrap()).collect();
    let docker_config = Some(file.path().to_owned());
    Client::new(ClientConfig { allow_hosts, docker_config, ..config() }).unwrap()
}

#[tokio::test]
async fn loopback_is_not_reached_unless_listed() {
    let (registry, _) = hello().await;
    let bare = Client::new(ClientConfig::default()).unwrap();
    let by_name: Reference = format!("localhost:{}/acme/hello:1", registry.port()).parse().unwrap();
    for reference in [reference(&registry, "1"), by_name] {
        let error = bare.resolve(&reference).await.unwrap_err();
        assert!(matches!(error, Error::RefusedAddress { .. }), "{error:?}");
        assert!(!error.is_transient());
    }
    assert_eq!(registry.log(), []);
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let (registry, digest) = hello().await;
    let layer = artifact::digest(&component("hello"));
    registry.fault(&format!("hello/blobs/{layer}"), Fault::Redirect(307, format!("/v2/kept/blobs/{layer}")));
    assert_eq!(client().pull(&pinned(&registry, &digest)).await.unwrap().component, component("hello"));
}

#[tokio::test]
async fn a_redirect_to_another_host_is_followed_only_if_listed_and_without_credentials() {
    let ((registry, digest), (other, _)) = (hello().await, hello().await);
    let layer = artifact::digest(&component("hello"));
    registry.require(Auth::Basic);
    let to = format!("http://{}/v2/kept/blobs/{layer}?signature=s3cret", other.authority());
    registry.fault(&layer, Fault::Redirect(307, to));
    let file = docker_config(&[&registry, &other]);
    let error = with_credentials(&file, &[]).pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(matches!(error, Error::ForeignHost { by: "redirects", .. }), "{error:?}");
    assert!(!message(&error).contains("s3cret"), "{error}");
    assert_eq!(other.log(), []);
    let listed = with_credentials(&file, &[&other.authority()]);
    listed.pull(&pinned(&registry, &digest)).await.unwrap();
    assert_eq!(other.log().len(), 1);
    assert_eq!(other.log()[0].authorization, "");
}

#[tokio::test]
async fn a_redirect_into_a_private_network_is_refused_even_if_the_host_is_listed() {
    for (to, want) in [
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254, which is not a public address"),
        ("https://10.0.0.1/", "10.0.0.1, which is not a public address"),
        ("https://[fd00::1]/", "fd00::1, which is not a public address"),
        ("http://10.0.0.1/", "without TLS"),
        ("http://registry.invalid/", "without TLS"),
        ("file:///etc/passwd", "another host"),
    ] {
        let (registry, digest) = hello().await;
        registry.fault("/blobs/", Fault::Redirect(302, to.to_owned()));
        let client = if to.starts_with("file") { client() } else { listing(&["*"]) };
        let error = client.pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains(want), "{to}: {error}");
    }
}

#[tokio::test]
async fn redirects_end() {
    let (registry, digest) = hello().await;
    registry.fault("/blobs/", Fault::Redirect(307, "/v2/acme/hello/blobs/again".to_owned()));
    let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(message(&error).contains("it redirects without end"), "{error}");
    assert_eq!(registry.count("/blobs/"), 6);
    for (status, to, want) in
        [(303, "/x", "changes the request"), (304, "/x", "changes"), (307, "http://", "no address")]
    {
        registry.fault("/blobs/", Fault::Redirect(status, to.to_owned()));
        let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains(want), "{error}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_one_pull() {
    let (registry, digest) = hello().await;
    registry.require(Auth::AnonymousToken);
    client().pull(&pinned(&registry, &digest)).await.unwrap();
    assert_eq!(registry.count("/token?service=it&scope=repository%3Aacme%2Fhello%3Apull"), 1);
    let with_token =
        registry.log().iter().filter(|seen| seen.authorization == format!("Bearer {TOKEN}")).count();
    assert_eq!(with_token, 3, "manifest, config and layer");
}

#[tokio::test]
async fn credentials_are_used_as_the_registry_wants_them() {
    for auth in [Auth::Basic, Auth::Token] {
        let (registry, digest) = hello().await;
        registry.require(auth.clone());
        let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains("no credentials for it were given"), "{auth:?}: {error}");
        let file = docker_config(&[&registry]);
        with_credentials(&file, &[]).pull(&pinned(&registry, &digest)).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_not_shown() {
    let (registry, digest) = hello().await;
    registry.require(Auth::Token);
    let mut file = NamedTempFile::new().unwrap();
    write!(file, r#"{{"auths":{{"{}":{{"username":"eve","password":"s3cret"}}}}}}"#, registry.authority())
        .unwrap();
    let error = with_credentials(&file, &[]).pull(&pinned(&registry, &digest)).await.unwrap_err();
    let text = format!("{} {error:?}", message(&error));
    assert!(text.contains("with the credentials given") && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_registry_that_never_has_enough_is_given_up() {
    let (registry, digest) = hello().await;
    let file = docker_config(&[&registry]);
    registry.fault("/manifests/", Fault::Challenge("Basic realm=\"more\"".to_owned()));
    let error = with_credentials(&file, &[]).pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { had_credentials: true, .. }), "{error:?}");
    assert_eq!(registry.count("/manifests/"), 2);
    registry.fault("/manifests/", Fault::Challenge("Negotiate".to_owned()));
    let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(message(&error).contains("without a challenge that is known here"), "{error}");
}

#[tokio::test]
async fn a_foreign_token_realm_gets_credentials_only_if_listed() {
    let ((registry, digest), (realm, _)) = (hello().await, hello().await);
    registry.require(Auth::TokenFrom(format!("http://{}/token", realm.authority())));
    let file = docker_config(&[&registry]);
    let error = with_credentials(&file, &[]).pull(&pinned(&registry, &digest)).await.unwrap_err();
    assert!(matches!(error, Error::ForeignHost { by: "sends for a token", .. }), "{error:?}");
    assert_eq!(realm.log(), []);
    with_credentials(&file, &[&realm.authority()]).pull(&pinned(&registry, &digest)).await.unwrap();
    assert!(realm.log()[0].authorization.starts_with("Basic "), "{:?}", realm.log());
}

#[tokio::test]
async fn a_token_realm_is_held_to_the_same_addresses() {
    for (realm, want) in [
        ("https://169.254.169.254/token", "not a public address"),
        ("http://10.0.0.1/token", "without TLS"),
        ("http://realm.invalid/token", "without TLS"),
        ("token", "its token realm is no address"),
    ] {
        let (registry, digest) = hello().await;
        registry.require(Auth::TokenFrom(realm.to_owned()));
        let error = listing(&["*"]).pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains(want), "{realm}: {error}");
    }
}

#[tokio::test]
async fn a_realm_that_gives_no_token_says_so() {
    for (fault, want) in [
        (Fault::Status(404), "its token realm gives no token"),
        (Fault::Status(403), "no credentials for it were given"),
        (Fault::Status(503), "status 503 when asked for a token"),
        (Fault::Redirect(307, "/other".to_owned()), "its token realm gives no token"),
        (Fault::Body(b"{}".to_vec()), "holds no token"),
        (Fault::Body(br#"{"token":"a\nb"}"#.to_vec()), "holds no token"),
        (Fault::Body(vec![b' '; 1 << 20]), "holds no token"),
        (Fault::Endless, "holds no token"),
    ] {
        let (registry, digest) = hello().await;
        registry.require(Auth::AnonymousToken);
        registry.fault("/token", fault.clone());
        let error = client().pull(&pinned(&registry, &digest)).await.unwrap_err();
        assert!(message(&error).contains(want), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_registry_on_another_address_needs_tls() {
    let (registry, _) = hello().await;
    let everywhere = || ClientConfig { allow_private: vec!["0.0.0.0/0".parse().unwrap()], ..config() };
    let client =
        Client::new(ClientConfig { plain_http: vec!["registry.invalid".into()], ..everywhere() }).unwrap();
    let error = client.resolve(&"registry.invalid/x:1".parse().unwrap()).await.unwrap_err();
    assert!(message(&error).contains("can't be looked up"), "listed, so asked plainly: {error}");
    let error = client.resolve(&"0.0.0.0:1/x:1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let own: Reference = format!("0.0.0.0:{}/acme/hello:1", registry.port()).parse().unwrap();
    let error = client.resolve(&own).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "TLS to a plain port: {error:?}");
    assert_eq!(registry.log(), []);
}
