//! Keys change under running Morphs: no pod rolls, and what is new is signed by the new key.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, ListParams, Patch, PatchParams};
use morph_e2e::{Cluster, until};
use morph_grant::{KeyId, SigningKey, key_id_of};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const SYSTEM: &str = "morph-system";
const AGENTS: &str = "morph-node";
const SECRET: &str = "morph-signing-keys";
const CONFIG_MAP: &str = "morph-trusted-keys";

/// A little more than the age at which a key signs, in seconds: this one needs not be waited for.
const OLD_ENOUGH_SECONDS: u64 = 610;

fn key_of(pod: &Pod) -> Result<KeyId> {
    let annotations = pod.metadata.annotations.as_ref().context("no annotations")?;
    Ok(key_id_of(annotations.get(morph_grant::ANNOTATION).context("no grant")?)?)
}

/// Adds a key as `keys rotate` does, but made some time ago, and leaves the others.
async fn add_key(cluster: &Cluster) -> Result<KeyId> {
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(rand::rng().random()));
    let id = key.public().id();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let name = format!("{}-{id}.pem", now - OLD_ENOUGH_SECONDS);
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), SYSTEM);
    let patch = json!({ "stringData": { name: key.to_pem()?.as_str() } });
    secrets.patch(SECRET, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(id)
}

/// The kubelet looks at a pod's volumes again when the pod changes; else it takes up to two minutes.
async fn nudge(cluster: &Cluster, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().to_string();
    let patch = json!({ "metadata": { "annotations": { "e2e.hayride.dev/nudge": now } } });
    for pod in pods.list(&ListParams::default()).await?.items {
        let name = pod.metadata.name.context("no name")?;
        pods.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_new_key_rolls_no_pod_and_signs_the_next_morph() -> Result<()> {
    Cluster::run("keys", async |space| {
        let cluster = Cluster::connect().await?;
        let image = space.push_guest("hello").await?.image;
        space.morph("before", &json!({ "image": image })).await?;
        space.ready("before").await?;
        let old = space.pod_count("before", 1).await?.pop().context("no pod")?;

        let id = add_key(&cluster).await?;
        nudge(&cluster, SYSTEM).await?;
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), AGENTS);
        until(240, "the new key is published", async || {
            let names: Vec<_> = maps.get(CONFIG_MAP).await?.data.unwrap_or_default().into_keys().collect();
            Ok(if names.contains(&format!("{id}.pem")) { Ok(()) } else { Err(names) })
        })
        .await?;
        nudge(&cluster, AGENTS).await?;

        let mut count = 0;
        let next = until(240, "a Morph is signed by the new key and runs", async || {
            count += 1;
            let name = format!("after-{count}");
            space.morph(&name, &json!({ "image": image })).await?;
            space.ready(&name).await?;
            let pod = space.pod_count(&name, 1).await?.pop().context("no pod")?;
            Ok(if key_of(&pod)? == id { Ok(pod) } else { Err(key_of(&pod)?) })
        })
        .await?;
        assert_ne!(key_of(&next)?, key_of(&old)?);

        let now = space.pod_count("before", 1).await?.pop().context("no pod")?;
        assert_eq!(now.metadata.uid, old.metadata.uid, "no pod rolled");
        assert_eq!(key_of(&now)?, key_of(&old)?);
        // And a pod of the old grant still starts: its public key is on the node.
        space.kubectl(&["delete", "pod", now.metadata.name.as_deref().unwrap_or_default()])?;
        space.ready("before").await?;
        space.kubectl(&[
            "patch",
            "morph",
            "before",
            "--type=merge",
            "-p",
            r#"{"spec":{"args":["again"]}}"#,
        ])?;
        until(120, "its next change is signed by the new key", async || {
            let pods =
                space.api::<Pod>().list(&ListParams::default().labels("hayride.dev/morph=before")).await?;
            let keys: Vec<_> = pods.items.iter().map(key_of).collect::<Result<_>>()?;
            Ok(if keys.iter().all(|key| *key == id) { Ok(()) } else { Err(keys) })
        })
        .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_operator_may_not_read_the_keys_through_the_api() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let operator = format!("--as=system:serviceaccount:{SYSTEM}:morph-operator");
    for verb in ["get", "list", "watch", "create", "patch", "delete"] {
        let asked = ["auth", "can-i", verb, "secrets", "-n", SYSTEM, &operator];
        let answer = morph_e2e::kubectl(&asked);
        assert!(answer.is_err(), "{verb}: {answer:?}");
    }
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), AGENTS);
    let data = maps.get(CONFIG_MAP).await?.data.unwrap_or_default();
    assert!(data.values().all(|text| !text.contains("PRIVATE")), "only public halves are published");
    Ok(())
}
