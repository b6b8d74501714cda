//! What somebody with the ClusterRole *edit* can and can't bring a pod to do: no grant comes from anywhere
//! but the operator.

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use morph_e2e::{Cluster, Space, until};
use serde_json::{Value, json};

const GRANT: &str = "hayride.dev/grant";

/// The operator's word of which key has signed: it keeps that key trusted.
const KEY: &str = "hayride.dev/grant-key";

/// A client of a user who has the ClusterRole *edit* in this namespace and nothing else.
pub(crate) async fn editor(space: &Space) -> Result<Client> {
    let name = format!("editor-of-{}", space.name);
    space
        .apply(&format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: editor}},
              roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}},
              subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {name}}}]}}"
        ))
        .await?;
    let mut config = Config::infer().await?;
    config.auth_info.impersonate = Some(name);
    let client = Client::try_from(config)?;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let may: SelfSubjectAccessReview = serde_json::from_value(json!({
        "spec": { "resourceAttributes": { "namespace": space.name, "verb": "create", "resource": "pods" } },
    }))?;
    // The API server knows of the binding a moment after it has stored it.
    until(30, "the binding of the editor", async || {
        let status = reviews.create(&PostParams::default(), &may).await?.status;
        Ok(if status.as_ref().is_some_and(|status| status.allowed) { Ok(()) } else { Err(status) })
    })
    .await?;
    Ok(client)
}

fn pod(name: &str, image: &str, args: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "runtimeClassName": "morph", "restartPolicy": "Never", "automountServiceAccountToken": false,
            "containers": [{
                "name": "main", "image": image, "command": ["/"], "args": args,
                "env": [{ "name": "STOLEN", "value": "no" }],
                "volumeMounts": [{ "name": "scratch", "mountPath": "/data" }],
            }],
            "volumes": [{ "name": "scratch", "emptyDir": {} }],
        },
    })
}

pub(crate) async fn terminated(space: &Space, name: &str) -> Result<(i32, String)> {
    let pods = space.api::<Pod>();
    let state = until(90, &format!("pod {name} has ended"), async || {
        let pod = pods.get(name).await?;
        let statuses = pod.status.and_then(|s| s.container_statuses).unwrap_or_default();
        Ok(match statuses.first().and_then(|s| s.state.clone()).and_then(|s| s.terminated) {
            Some(state) => Ok(state),
            None => Err(statuses),
        })
    })
    .await?;
    Ok((state.exit_code, state.message.unwrap_or_default()))
}

#[tokio::test]
async fn a_namespace_that_asks_for_it_takes_pods_of_our_runtime_class_alone() -> Result<()> {
    let labels = [("hayride.dev/require-runtime-class", "true")];
    Cluster::run_labelled("our-class", &labels, async |space| {
        let image = space.push_guest("hello").await?.image;
        let mut by_runc = pod("by-runc", &image, &[]);
        by_runc["spec"].as_object_mut().context("no spec")?.remove("runtimeClassName");
        let pods: Api<Pod> = Api::namespaced(editor(space).await?, &space.name);
        let made = pods.create(&PostParams::default(), &serde_json::from_value(by_runc)?).await;
        let Err(kube::Error::Api(refused)) = made else { anyhow::bail!("it was taken: {made:?}") };
        assert_eq!(refused.code, 403, "{refused:?}");
        for word in [space.name.as_str(), labels[0].0, "its pods must have runtimeClassName: morph"] {
            assert!(refused.message.contains(word), "{word}: {}", refused.message);
        }
        space.morph("hello", &json!({ "image": image })).await?;
        space.ready("hello").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_made_by_hand_has_stdio_and_nothing_else() -> Result<()> {
    Cluster::run("by-hand", async |space| {
        let editor = editor(space).await?;
        let command = space.push_guest("command").await?;
        let asks = space.push_guest("imports-http").await?;
        let pods: Api<Pod> = Api::namespaced(editor, &space.name);
        for (name, image) in [("plain", &command.pinned), ("asks", &asks.pinned)] {
            pods.create(&PostParams::default(), &serde_json::from_value(pod(name, image, &["exit", "7"]))?)
                .await?;
        }
        // Neither args nor environment reach the guest: it does what it does without any.
        assert_eq!(terminated(space, "plain").await?.0, 0);
        let log = space.kubectl(&["logs", "plain"])?;
        assert!(log.contains("shown on stderr") && !log.contains("arg ") && !log.contains("STOLEN"), "{log}");
        let (code, message) = terminated(space, "asks").await?;
        assert_eq!(code, 126, "{message}");
        assert!(message.contains("wasi:http/outgoing-handler"), "{message}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_ordinary_image_under_our_runtime_says_that_it_is_no_component() -> Result<()> {
    Cluster::run("sidecar", async |space| {
        let image = "10.245.0.1:5000/pause:1";
        let pods = space.api::<Pod>();
        pods.create(&PostParams::default(), &serde_json::from_value(pod("side", image, &[]))?).await?;
        let (code, message) = terminated(space, "side").await?;
        assert_eq!(code, 127, "{message}");
        assert!(message.contains("not a WebAssembly component"), "{message}");
        assert!(message.contains("injected sidecars"), "{message}");
        Ok(())
    })
    .await
}

/// The attempt is refused, in words that name the operator.
fn refused<T: std::fmt::Debug>(what: &str, result: std::result::Result<T, kube::Error>) -> Result<()> {
    let error = result.err().with_context(|| format!("{what} was accepted"))?;
    let text = error.to_string();
    assert!(text.contains("Morph"), "{what}: {text}");
    Ok(())
}

#[tokio::test]
async fn no_grant_is_copied_patched_scaled_or_kept() -> Result<()> {
    Cluster::run("copied", async |space| {
        let editor = editor(space).await?;
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image, "args": ["one"] })).await?;
        space.ready("hello").await?;
        let mine = space.pod_count("hello", 1).await?.pop().context("no pod")?;
        let name = mine.metadata.name.clone().context("no name")?;
        let grant =
            mine.metadata.annotations.as_ref().and_then(|a| a.get(GRANT)).context("no grant")?.clone();
        let pods: Api<Pod> = Api::namespaced(editor.clone(), &space.name);

        let mut copy = pod(
            "copy",
            mine.spec.as_ref().context("no spec")?.containers[0].image.as_deref().unwrap_or(""),
            &[],
        );
        copy["metadata"]["annotations"] = json!({ GRANT: grant });
        refused("a copied grant", pods.create(&PostParams::default(), &serde_json::from_value(copy)?).await)?;
        let merge = PatchParams::default();
        for (what, patch) in [
            ("a changed grant", json!({ "metadata": { "annotations": { GRANT: "other" } } })),
            ("a removed grant", json!({ "metadata": { "annotations": { GRANT: null } } })),
            ("a removed label", json!({ "metadata": { "labels": { "hayride.dev/morph": null } } })),
            ("a removed owner", json!({ "metadata": { "ownerReferences": null } })),
        ] {
            refused(what, pods.patch(&name, &merge, &Patch::Merge(&patch)).await)?;
        }
        let deployments: Api<Deployment> = Api::namespaced(editor.clone(), &space.name);
        let patch = json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } });
        refused("a patched template", deployments.patch("hello", &merge, &Patch::Merge(&patch)).await)?;
        let sets: Api<ReplicaSet> = Api::namespaced(editor.clone(), &space.name);
        let set = sets.list(&ListParams::default()).await?.items.pop().context("no ReplicaSet")?;
        let scale = json!({ "spec": { "replicas": 5 } });
        let set_name = set.metadata.name.context("no name")?;
        refused("a scaled ReplicaSet", sets.patch_scale(&set_name, &merge, &Patch::Merge(&scale)).await)?;
        // Nothing of it took hold: the pod is the one that it was.
        let after = space.pod_count("hello", 1).await?;
        assert_eq!(after[0].metadata.uid, mine.metadata.uid);
        Ok(())
    })
    .await
}

/// An ordinary Deployment without pods.
fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": "main.example/main:1" }] },
            },
        },
    })
}

#[tokio::test]
async fn nobody_but_the_operator_says_which_key_is_in_use() -> Result<()> {
    Cluster::run("retired", async |space| {
        let editor = editor(space).await?;
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image })).await?;
        space.ready("hello").await?;
        let deployments: Api<Deployment> = Api::namespaced(editor.clone(), &space.name);
        let retired = json!({ "metadata": { "annotations": { KEY: "0".repeat(32) } } });
        let gone = json!({ "metadata": { "annotations": { KEY: null } } });
        let merge = PatchParams::default();
        for (what, patch) in [("another key", &retired), ("no key", &gone)] {
            refused(what, deployments.patch("hello", &merge, &Patch::Merge(patch)).await)?;
        }
        let mut made = deployment("made");
        made["metadata"]["annotations"] = retired["metadata"]["annotations"].clone();
        let made = serde_json::from_value(made)?;
        refused("a key from the start", deployments.create(&PostParams::default(), &made).await)?;
        let plain = serde_json::from_value(deployment("plain"))?;
        deployments.create(&PostParams::default(), &plain).await?;
        refused("a key later on", deployments.patch("plain", &merge, &Patch::Merge(&retired)).await)?;
        // What is no word of a key stays everybody's.
        let note = json!({ "metadata": { "annotations": { "note.example/is": "mine" } } });
        for name in ["plain", "hello"] {
            deployments.patch(name, &merge, &Patch::Merge(&note)).await?;
        }
        // Nor does the operator say so of what carries no grant.
        let mut config = Config::infer().await?;
        config.auth_info.impersonate = Some("system:serviceaccount:morph-system:morph-operator".to_owned());
        let operator: Api<Deployment> = Api::namespaced(Client::try_from(config)?, &space.name);
        refused("a key of nothing", operator.patch("plain", &merge, &Patch::Merge(&retired)).await)
    })
    .await
}

#[tokio::test]
async fn what_is_orphaned_is_swept() -> Result<()> {
    Cluster::run("orphan", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image, "http": { "lameDuckSeconds": 0 } })).await?;
        space.ready("hello").await?;
        let morphs = space.api::<morph_crds::Morph>();
        morphs.delete("hello", &DeleteParams::orphan()).await?;
        until(300, "nothing of the orphan is left", async || {
            let left = space.kubectl(&["get", "deployments,replicasets,pods,services", "-o", "name"])?;
            Ok(if left.trim().is_empty() { Ok(()) } else { Err(left) })
        })
        .await
    })
    .await
}
