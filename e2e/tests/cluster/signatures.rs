//! What signatures add to the admission policy: even who may write any pod, as the operator may, brings no
//! grant into being that the operator's key didn't sign for this pod's namespace and component.

use crate::authority::terminated;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use morph_e2e::{Cluster, Node, Space, until};
use serde_json::{Value, json};

const GRANT: &str = "hayride.dev/grant";

/// A client of the operator's own account: the admission policy lets it write grants.
async fn operator() -> Result<Client> {
    let mut config = Config::infer().await?;
    config.auth_info.impersonate = Some("system:serviceaccount:morph-system:morph-operator".to_owned());
    Ok(Client::try_from(config)?)
}

/// A Command's pod template: its spec, and its grant.
async fn template(space: &Space) -> Result<(Value, String)> {
    let image = space.push_guest("hello").await?.image;
    space.morph("hello", &json!({ "image": image, "replicas": 1 })).await?;
    space.ready("hello").await?;
    let deployment = space.api::<Deployment>().get("hello").await?;
    let template = deployment.spec.context("a Deployment without a spec")?.template;
    let annotations = template.metadata.and_then(|meta| meta.annotations).unwrap_or_default();
    let mut spec = serde_json::to_value(template.spec)?;
    spec["restartPolicy"] = json!("Never");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        spec["containers"][0].as_object_mut().context("no container")?.remove(probe);
    }
    Ok((spec, annotations[GRANT].clone()))
}

/// The grant with a change to its payload, under the old signature.
fn altered(grant: &str, change: impl FnOnce(&mut Value)) -> Result<String> {
    let mut envelope: Value = serde_json::from_str(grant)?;
    let payload = STANDARD.decode(envelope["payload"].as_str().context("no payload")?)?;
    let mut document: Value = serde_json::from_slice(&payload)?;
    change(&mut document);
    envelope["payload"] = json!(STANDARD.encode(document.to_string()));
    Ok(envelope.to_string())
}

/// The grant, signed by somebody whom no node trusts.
fn by_a_stranger(grant: &str) -> Result<String> {
    let envelope: Value = serde_json::from_str(grant)?;
    let payload = STANDARD.decode(envelope["payload"].as_str().context("no payload")?)?;
    let document = serde_json::from_slice(&payload)?;
    let key = morph_grant::SigningKey::generate(&mut rand::rng());
    Ok(morph_grant::seal(&document, &key)?)
}

async fn check_refused(space: &Space, name: &str, spec: &Value, grant: &str, words: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(operator().await?, &space.name);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": { "name": name, "annotations": { (GRANT): grant } },
    });
    let mut pod: Pod = serde_json::from_value(pod)?;
    if let Some(spec) = &mut pod.spec {
        (spec.service_account_name, spec.service_account) = (None, None);
    }
    pods.create(&PostParams::default(), &pod).await.with_context(|| name.to_owned())?;
    let (code, message) = terminated(space, name).await?;
    assert_eq!(code, 125, "{name}: {message}");
    assert!(message.contains(words), "{name}: {message}");
    Ok(())
}

#[tokio::test]
async fn a_grant_that_the_operator_did_not_sign_for_this_pod_starts_nothing() -> Result<()> {
    Cluster::run("forged", async |space| {
        Cluster::run("replayed", async |other| {
            let (spec, grant) = template(space).await?;
            check_refused(other, "replayed", &spec, &grant, "namespace").await?;
            let wider = altered(&grant, |document| document["args"] = json!(["more"]))?;
            check_refused(space, "altered", &spec, &wider, "signature").await?;
            let moved = altered(&grant, |document| document["subject"]["namespace"] = json!(other.name))?;
            check_refused(other, "moved", &spec, &moved, "signature").await?;
            check_refused(space, "stranger", &spec, &by_a_stranger(&grant)?, "key").await?;
            let mut unsigned: Value = serde_json::from_str(&grant)?;
            unsigned["signatures"] = json!([]);
            check_refused(space, "unsigned", &spec, &unsigned.to_string(), "signature").await?;
            let large = format!("{grant}{}", " ".repeat(128 << 10));
            check_refused(space, "large", &spec, &large, "bytes").await
        })
        .await
    })
    .await
}

/// Ends what runs in these containers.
fn kill(statuses: &[ContainerStatus]) -> Result<()> {
    let runs = |status: &&ContainerStatus| status.state.as_ref().is_some_and(|s| s.running.is_some());
    let running = statuses.iter().filter(runs);
    for id in running.filter_map(|status| status.container_id.as_deref()) {
        for pid in Node::pids_of_container(id.rsplit('/').next().unwrap_or_default())? {
            // It may have ended by itself meanwhile.
            std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_grant_that_is_changed_under_a_running_pod_ends_it() -> Result<()> {
    Cluster::run("changed", async |space| {
        template(space).await?;
        let pod = space.pods("hello").await?.remove(0);
        let name = pod.metadata.name.context("no name")?;
        let patch = json!({ "metadata": { "annotations": { (GRANT): "{}" } } });
        let pods: Api<Pod> = Api::namespaced(operator().await?, &space.name);
        pods.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        until(90, "a container that comes next is refused", async || {
            let pod = space.api::<Pod>().get(&name).await?;
            let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
            // The kubelet hears of it in its own time: the next container may still have the old text.
            kill(&statuses)?;
            let ends = statuses.iter().flat_map(|s| [s.state.clone(), s.last_state.clone()]).flatten();
            let refused = ends.filter_map(|state| state.terminated).any(|end| {
                end.exit_code == 125 && end.message.is_some_and(|words| words.contains("changed after"))
            });
            Ok(if refused { Ok(()) } else { Err(statuses) })
        })
        .await
    })
    .await
}
