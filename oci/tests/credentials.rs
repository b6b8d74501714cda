//! The Docker config file in use: read when a registry asks, anew each time, and never shown.
#![allow(clippy::unwrap_used)]

mod common;

use common::{component, config, message, pinned};
use morph_oci::{Client, ClientConfig, Error, PinnedImage};
use morph_testkit::artifact::Artifact;
use morph_testkit::registry::{Auth, PASSWORD, Registry, USERNAME};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A registry with an artifact, and a place for a config file.
struct World {
    registry: Registry,
    image: PinnedImage,
    directory: TempDir,
}

impl World {
    async fn new(auth: Option<Auth>) -> Self {
        let registry = Registry::start().await;
        let digest = registry.store("1", &Artifact::of(&component("hello")));
        if let Some(auth) = auth {
            registry.require(auth);
        }
        let image = pinned(&registry, &digest);
        Self { registry, image, directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
    }

    fn write_right(&self) {
        let entry = serde_json::json!({ "username": USERNAME, "password": PASSWORD });
        self.write(&serde_json::json!({ "auths": { self.registry.authority(): entry } }).to_string());
    }
}

fn client(file: &Path) -> Client {
    Client::new(ClientConfig { docker_config: Some(file.to_owned()), ..config() }).unwrap()
}

#[tokio::test]
async fn a_registry_that_asks_for_nothing_gets_nothing() {
    let world = World::new(None).await;
    world.write("not json");
    client(&world.file()).pull(&world.image).await.unwrap();
    assert!(world.registry.log().iter().all(|seen| seen.authorization.is_empty()));
}

#[tokio::test]
async fn the_first_request_never_carries_credentials() {
    let world = World::new(Some(Auth::Basic)).await;
    world.write_right();
    client(&world.file()).pull(&world.image).await.unwrap();
    let log = world.registry.log();
    assert_eq!(log[0].authorization, "");
    assert!(log[1..].iter().all(|seen| seen.authorization.starts_with("Basic ")), "{log:?}");
    assert_eq!(log.len(), 4, "asked once, then manifest, config and layer");
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_named_and_not_shown() {
    for (text, want) in [
        ("s3cret", "is not what a Docker config file has there"),
        (r#"{"auths":{"REGISTRY":{"auth":"s3cret"}}}"#, "is not user:password in base64"),
        (r#"{"auths":{"REGISTRY":{"identitytoken":"s3cret"}}}"#, "holds an identity token"),
        (r#"{"credHelpers":{"REGISTRY":"s3cret"}}"#, "credential helper (credHelpers)"),
    ] {
        let world = World::new(Some(Auth::Token)).await;
        world.write(&text.replace("REGISTRY", &world.registry.authority()));
        let error = client(&world.file()).pull(&world.image).await.unwrap_err();
        let message = message(&error);
        assert!(matches!(error, Error::DockerConfig { .. }), "{error:?}");
        assert!(message.contains(want) && message.contains("config.json"), "{message}");
        assert!(!format!("{message} {error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(world.registry.count("/manifests/"), 1, "not repeated");
    }
}

#[tokio::test]
async fn a_missing_file_is_an_error_once_it_is_needed() {
    let world = World::new(Some(Auth::Token)).await;
    let error = client(&world.file()).pull(&world.image).await.unwrap_err();
    assert!(message(&error).contains("it can't be read"), "{error}");
}

#[tokio::test]
async fn a_rotated_file_counts_at_once() {
    let world = World::new(Some(Auth::Token)).await;
    world.write("{}");
    let client = client(&world.file());
    let error = client.pull(&world.image).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { had_credentials: false, .. }), "{error:?}");
    world.write_right();
    client.pull(&world.image).await.unwrap();
}

#[tokio::test]
async fn another_registrys_credentials_are_not_sent() {
    let world = World::new(Some(Auth::Basic)).await;
    let entry = serde_json::json!({ "username": USERNAME, "password": PASSWORD });
    let other = format!("127.0.0.1:{}", world.registry.port() ^ 1);
    world.write(&serde_json::json!({ "auths": { other: entry, "127.0.0.1": entry } }).to_string());
    let error = client(&world.file()).pull(&world.image).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { had_credentials: false, .. }), "{error:?}");
    assert!(world.registry.log().iter().all(|seen| seen.authorization.is_empty()));
}
