//! Which bytes run: tags that move, configs that lie alike, one compile for many pods.

use anyhow::{Context as _, Result};
use morph_e2e::{Cluster, Node, Pushed, Space, guest, until};
use morph_grant::Digest;
use serde_json::json;
use std::collections::BTreeSet;

/// A component with the same behaviour and other bytes: a custom section is appended.
fn variant(component: &[u8], mark: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}

async fn running_images(space: &Space, name: &str) -> Result<BTreeSet<String>> {
    let pods = space.pods(name).await?;
    let alive = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    Ok(alive.filter_map(|pod| pod.spec.as_ref()?.containers[0].image.clone()).collect())
}

#[tokio::test]
async fn a_tag_that_moves_changes_nothing_until_the_next_generation() -> Result<()> {
    Cluster::run("tag", async |space| {
        let bytes = guest("hello")?;
        let first = space.push("hello", "latest", variant(&bytes, b'1')).await?;
        space.morph("hello", &json!({ "image": first.image })).await?;
        space.ready("hello").await?;
        let second = space.push("hello", "latest", variant(&bytes, b'2')).await?;
        assert_ne!(first.pinned, second.pinned);

        // A pod that is made anew, and a Morph that is looked at anew, keep the digest.
        space.kubectl(&["delete", "pod", "-l", "hayride.dev/morph=hello", "--wait=true"])?;
        space.kubectl(&["annotate", "morph/hello", "look=again"])?;
        space.pod_count("hello", 1).await?;
        space.ready("hello").await?;
        assert_eq!(running_images(space, "hello").await?, BTreeSet::from([first.pinned.clone()]));

        space.morph("hello", &json!({ "image": first.image, "args": ["next"] })).await?;
        until(60, "the next generation runs the new digest", async || {
            let images = running_images(space, "hello").await?;
            Ok(if images == BTreeSet::from([second.pinned.clone()]) { Ok(()) } else { Err(images) })
        })
        .await?;
        let morph = space.ready("hello").await?;
        let status = morph.status.context("no status")?;
        assert_eq!(status.components[0].image, second.pinned);
        Ok(())
    })
    .await
}

/// Pushes `component` in a manifest whose config is one that many tools write: `{}`-like, with the layer
/// named. Both artifacts get the very same config bytes, naming both layers.
async fn push_with_config(space: &Space, name: &str, component: &[u8], config: &[u8]) -> Result<String> {
    let pushed = Pushed::push_raw(&space.name, name, component, config).await?;
    Ok(pushed.image)
}

#[tokio::test]
async fn artifacts_with_one_and_the_same_config_run_each_their_own_component() -> Result<()> {
    Cluster::run("twin-a", async |one| {
        Cluster::run("twin-b", async |other| {
            let (hello, counter) = (guest("hello")?, guest("counter")?);
            let layers = [&hello, &counter].map(|bytes| Digest::of(bytes).to_string());
            let config = json!({ "architecture": "wasm", "os": "wasip2", "layerDigests": layers });
            let config = serde_json::to_vec(&config)?;
            let first = push_with_config(one, "twin", &hello, &config).await?;
            let second = push_with_config(other, "twin", &counter, &config).await?;
            one.morph("twin", &json!({ "image": first })).await?;
            other.morph("twin", &json!({ "image": second })).await?;
            one.ready("twin").await?;
            other.ready("twin").await?;
            assert!(one.answer("twin", "/a").await?.starts_with("Hello from a Morph!"));
            // The counter has no volume here: it says so, in its own words.
            let (status, text) = other.fetch("twin", "/").await?;
            assert_eq!(status, 500);
            assert!(text.starts_with("refused: "), "{text}");
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test]
async fn twenty_morphs_of_one_image_compile_once() -> Result<()> {
    Cluster::run("compile", async |space| {
        let bytes = variant(&guest("hello")?, space.name.bytes().fold(0, u8::wrapping_add));
        // A component that this node has never seen.
        let mut bytes = bytes;
        let name = space.name.as_bytes();
        let length = u8::try_from(name.len() + 1)?;
        bytes.extend([0, length, length - 1]);
        bytes.extend(name);
        let hello = space.push("hello", "1", bytes).await?;
        for number in 0..20 {
            space.morph(&format!("hello-{number}"), &json!({ "image": hello.image })).await?;
        }
        for number in 0..20 {
            space.ready(&format!("hello-{number}")).await?;
        }
        let keys = keys_of(&hello.content)?;
        assert!((1..=2).contains(&keys.len()), "one entry for each compiler, for one component: {keys:?}");
        let compiled = compilations(&hello.content.to_string())?;
        assert_eq!(compiled, 1, "one line 'compiled' in the servers' logs");
        Ok(())
    })
    .await
}

/// The keys of this component's compiled code in the node's cache: of what was made of its bytes, and of the
/// better code that followed, if it is there.
fn keys_of(component: &Digest) -> Result<BTreeSet<String>> {
    let cache = Node::state()?.join("morph/cache");
    let mut keys = BTreeSet::new();
    for entry in std::fs::read_dir(&cache)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Other entries may go while they are looked at.
        let Ok(bytes) = std::fs::read(entry.path().join("component")) else { continue };
        if name.starts_with("draft-") || Digest::of(&bytes) != *component {
            continue;
        }
        keys.insert(name);
        let successor = std::fs::read_to_string(entry.path().join("successor"))?;
        if cache.join(&successor).join("code").is_file() {
            keys.insert(successor);
        }
    }
    Ok(keys)
}

/// How often the node's shims say in their logs that they compiled this component.
fn compilations(digest: &str) -> Result<usize> {
    let mut count = 0;
    let mut next = vec![Node::state()?.join("morph"), Node::state()?.join("log")];
    while let Some(directory) = next.pop() {
        // A draft of the cache goes while it is looked at; logs are elsewhere.
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                next.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|extension| extension == "log") {
                let bytes = std::fs::read(entry.path())?;
                let text = String::from_utf8_lossy(&bytes);
                let says = |line: &&str| line.contains("compiled") && line.contains(digest);
                count += text.lines().filter(says).count();
            }
        }
    }
    Ok(count)
}
