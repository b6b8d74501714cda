//! Lies in small: whatever single thing a registry changes, the client gives out the component that the
//! digest stands for, or nothing.
#![allow(clippy::unwrap_used)]

mod common;

use common::{client, component, message, pinned, reference};
use morph_oci::{Client, PinnedImage};
use morph_testkit::artifact::{self, Artifact};
use morph_testkit::registry::{Fault, Registry};
use serde_json::{Value, json};

/// How many places of each answer are changed.
const PLACES: usize = 24;

struct World {
    registry: Registry,
    artifact: Artifact,
    image: PinnedImage,
    client: Client,
}

impl World {
    async fn new() -> Self {
        let registry = Registry::start().await;
        let artifact = Artifact::of(&component("hello"));
        let image = pinned(&registry, &registry.store("1", &artifact));
        Self { registry, artifact, image, client: client() }
    }

    /// The three answers of a pull: what asks for each, and its bytes.
    fn answers(&self) -> [(String, Vec<u8>); 3] {
        let blob = |bytes: &Vec<u8>| (format!("/blobs/{}", artifact::digest(bytes)), bytes.clone());
        let manifest = (format!("/manifests/{}", self.image.digest), self.artifact.manifest_bytes());
        [manifest, blob(&self.artifact.config), blob(&self.artifact.layer)]
    }

    /// Pulls while one answer is other bytes; it must not come through.
    async fn check_refused(&self, part: &str, bytes: Vec<u8>, how: &str) {
        self.registry.fault(part, Fault::Body(bytes));
        let pulled = self.client.pull(&self.image).await;
        self.registry.heal();
        match pulled {
            Ok(_) => unreachable!("{part} {how}: it came through"),
            Err(error) => assert!(!error.is_transient(), "{part} {how}: {}", message(&error)),
        }
    }
}

#[tokio::test]
async fn no_changed_byte_comes_through() {
    let world = World::new().await;
    for (part, bytes) in world.answers() {
        for place in 0..PLACES {
            let at = place * (bytes.len() - 1) / (PLACES - 1);
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            world.check_refused(&part, changed, &format!("changed at {at}")).await;
        }
    }
    world.client.pull(&world.image).await.unwrap();
}

#[tokio::test]
async fn no_byte_more_or_less_comes_through() {
    let world = World::new().await;
    for (part, bytes) in world.answers() {
        let (_, shorter) = bytes.split_last().unwrap();
        world.check_refused(&part, shorter.to_vec(), "one byte less").await;
        world.check_refused(&part, [bytes.as_slice(), b" "].concat(), "one byte more").await;
        world.check_refused(&part, Vec::new(), "nothing").await;
        world.check_refused(&part, [bytes.as_slice(), bytes.as_slice()].concat(), "twice").await;
    }
}

#[tokio::test]
async fn no_answer_stands_for_another() {
    let world = World::new().await;
    let answers = world.answers();
    for (part, _) in &answers {
        for (other, bytes) in answers.iter().filter(|(other, _)| other != part) {
            world.check_refused(part, bytes.clone(), other).await;
        }
    }
}

/// Pulls an artifact of which the manifest was changed before its digest was taken.
async fn pull_changed(change: impl FnOnce(&mut Value)) -> Result<(), String> {
    let registry = Registry::start().await;
    let digest = registry.store("1", &Artifact::of(&component("hello")).changed(change));
    let resolved = client().resolve(&reference(&registry, "1")).await;
    let image = resolved.map_err(|error| message(&error))?;
    assert_eq!(image.digest.to_string(), digest);
    let pulled = client().pull(&image).await.map_err(|error| message(&error))?;
    assert_eq!(pulled.component, component("hello"));
    Ok(())
}

#[tokio::test]
async fn a_manifest_that_is_wrong_about_its_blobs_is_refused() {
    let other = artifact::digest(b"not there");
    let layer_bytes = component("hello").len();
    assert_eq!(pull_changed(|_| {}).await, Ok(()));
    let cases: [(&str, Value, &str); 8] = [
        ("/layers/0/size", json!(layer_bytes - 1), "more than"),
        ("/layers/0/size", json!(layer_bytes + 1), "were announced"),
        ("/layers/0/size", json!(0), "more than"),
        ("/layers/0/digest", json!(other), "its config does not name its layer"),
        ("/config/digest", json!(other), "is not in"),
        ("/config/size", json!(1), "more than"),
        ("/schemaVersion", json!(3), "schemaVersion"),
        ("/layers/0/mediaType", json!("application/octet-stream"), "media type"),
    ];
    for (pointer, value, want) in cases {
        let pulled = pull_changed(|manifest| *manifest.pointer_mut(pointer).unwrap() = value.clone()).await;
        let error = pulled.unwrap_err();
        assert!(error.contains(want), "{pointer} {value}: {error}");
    }
}

#[tokio::test]
async fn what_a_manifest_says_besides_changes_nothing() {
    for extra in [
        json!({ "annotations": { "org.opencontainers.image.title": "x" } }),
        json!({ "artifactType": "application/vnd.example" }),
        json!({ "subject": artifact::descriptor(artifact::MANIFEST, b"x") }),
        json!({ "unknown": [1, 2, 3] }),
    ] {
        let add = |manifest: &mut Value| {
            manifest.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        };
        assert_eq!(pull_changed(add).await, Ok(()), "{extra}");
    }
}

#[tokio::test]
async fn many_pulls_at_once_do_not_mix() {
    let registry = Registry::start().await;
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    for name in &names {
        registry.store(name, &Artifact::of(&component(name)));
    }
    let client = client();
    let mut pulls = tokio::task::JoinSet::new();
    for name in names.clone() {
        let (client, reference) = (client.clone(), reference(&registry, &name));
        pulls.spawn(async move {
            let image = client.resolve(&reference).await.unwrap();
            (name, client.pull(&image).await.unwrap().component)
        });
    }
    let mut done = 0;
    while let Some(pulled) = pulls.join_next().await {
        let (name, bytes) = pulled.unwrap();
        assert_eq!(bytes, component(&name));
        done += 1;
    }
    assert_eq!(done, names.len());
}
