//! The operator and containerd end and come back: nothing is written, no pod is touched, every Morph answers.

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use morph_crds::Morph;
use morph_e2e::{Cluster, Node, Process, Space, until};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const OPERATOR: &str = "app.kubernetes.io/name=morph-operator";

/// Name and resource version of everything that the operator could have written.
async fn versions(space: &Space) -> Result<BTreeMap<String, Option<String>>> {
    let mut seen = BTreeMap::new();
    let all = ListParams::default();
    for morph in space.api::<Morph>().list(&all).await? {
        seen.insert(format!("morph {:?}", morph.metadata.name), morph.metadata.resource_version);
    }
    for object in space.api::<Deployment>().list(&all).await? {
        seen.insert(format!("deployment {:?}", object.metadata.name), object.metadata.resource_version);
    }
    for object in space.api::<ReplicaSet>().list(&all).await? {
        seen.insert(format!("replicaset {:?}", object.metadata.name), object.metadata.resource_version);
    }
    for object in space.api::<Service>().list(&all).await? {
        seen.insert(format!("service {:?}", object.metadata.name), object.metadata.resource_version);
    }
    for pod in space.api::<Pod>().list(&all).await? {
        // The kubelet writes a pod's status when it likes: what the operator could have written is the rest.
        let written = serde_json::to_string(&(&pod.spec, &pod.metadata.labels, &pod.metadata.annotations))?;
        seen.insert(format!("pod {:?} {:?}", pod.metadata.name, pod.metadata.uid), Some(written));
    }
    Ok(seen)
}

async fn operator_pods(space: &Space) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(space.cluster.client.clone(), "morph-system");
    Ok(pods.list(&ListParams::default().labels(OPERATOR)).await?.items)
}

#[tokio::test]
async fn the_operator_restarts_and_writes_nothing() -> Result<()> {
    Cluster::run("operator", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image, "replicas": 2 })).await?;
        space.morph("denied", &json!({ "image": space.push_guest("imports-http").await?.image })).await?;
        space.ready("hello").await?;
        let denied = Some(morph_crds::Reason::ImportDenied);
        space.condition("denied", morph_crds::ConditionType::ImportsSatisfied, "False", denied).await?;
        let before = versions(space).await?;

        let old: BTreeSet<_> =
            operator_pods(space).await?.iter().filter_map(|p| p.metadata.uid.clone()).collect();
        assert!(!old.is_empty(), "no pod of the operator ({OPERATOR})");
        let pods: Api<Pod> = Api::namespaced(space.cluster.client.clone(), "morph-system");
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        for pod in operator_pods(space).await? {
            pods.delete(&pod.metadata.name.context("no name")?, &at_once).await?;
        }
        until(60, "another operator is ready", async || {
            let now = operator_pods(space).await?;
            let ready = |pod: &&Pod| {
                let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
                conditions.is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
            };
            let fresh = now.iter().filter(ready).filter_map(|p| p.metadata.uid.clone());
            Ok(if fresh.into_iter().any(|uid| !old.contains(&uid)) { Ok(()) } else { Err(now.len()) })
        })
        .await?;
        // It works: a new Morph comes up. By then it has looked at the old ones too.
        space.morph("fresh", &json!({ "image": image })).await?;
        space.ready("fresh").await?;
        let after = versions(space).await?;
        let changed: Vec<_> =
            before.iter().filter(|(name, version)| after.get(*name) != Some(version)).collect();
        assert!(changed.is_empty(), "written after the restart: {changed:?}");
        Ok(())
    })
    .await
}

/// Container ids and the processes in their cgroups.
async fn workers(space: &Space) -> Result<BTreeMap<String, BTreeSet<u32>>> {
    let mut found = BTreeMap::new();
    for pod in space.api::<Pod>().list(&ListParams::default()).await? {
        let statuses = pod.status.and_then(|s| s.container_statuses).context("no container")?;
        for status in statuses {
            let id = status.container_id.context("no id")?;
            let id = id.rsplit('/').next().unwrap_or_default().to_owned();
            let pids = Node::pids_of_container(&id)?;
            assert!(!pids.is_empty(), "container {id} has a process");
            found.insert(format!("{id} restarts {}", status.restart_count), pids);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn containerd_restarts_and_every_pod_goes_on() -> Result<()> {
    Cluster::run("containerd", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image, "replicas": 5 })).await?;
        space.ready("hello").await?;
        space.answer("hello", "/before").await?;
        let before = workers(space).await?;
        assert_eq!(before.len(), 5);
        Process("containerd").ask("kill")?;
        // Not through containerd: the workers serve while it is away.
        space.answer("hello", "/meanwhile").await?;
        Process("containerd").ask("start")?;
        until(60, "the kubelet sees containerd again", async || {
            let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(space.cluster.client.clone());
            let list = nodes.list(&ListParams::default()).await?.items;
            let conditions = list.first().and_then(|n| n.status.clone()).and_then(|s| s.conditions);
            let ready = conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
            Ok(if ready { Ok(()) } else { Err(conditions) })
        })
        .await?;
        // A new pod proves that containerd serves; by then it has loaded the old tasks.
        space.morph("fresh", &json!({ "image": image })).await?;
        space.ready("fresh").await?;
        space.kubectl(&["delete", "morph", "fresh"])?;
        space.pod_count("fresh", 0).await?;
        assert_eq!(workers(space).await?, before, "the same containers, the same processes, no restart");
        space.answer("hello", "/after").await?;
        Ok(())
    })
    .await
}

/// Scales the operator's Deployment, and waits until so many pods of it are there.
async fn scale_operator(space: &Space, replicas: i32) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(space.cluster.client.clone(), "morph-system");
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    deployments.patch("morph-operator", &PatchParams::default(), &patch).await?;
    until(60, &format!("{replicas} pods of the operator"), async || {
        let pods = operator_pods(space).await?.len();
        Ok(if i32::try_from(pods)? == replicas { Ok(()) } else { Err(pods) })
    })
    .await
}

#[tokio::test]
async fn pods_restart_while_the_operator_is_down() -> Result<()> {
    Cluster::run("no-operator", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image, "replicas": 2 })).await?;
        space.ready("hello").await?;
        let uids = async || -> Result<BTreeSet<String>> {
            Ok(space.pods("hello").await?.into_iter().filter_map(|pod| pod.metadata.uid).collect())
        };
        let before = uids().await?;
        scale_operator(space, 0).await?;
        let down = async {
            space.kubectl(&["delete", "pods", "-l", "hayride.dev/morph=hello", "--wait=true"])?;
            space.pod_count("hello", 2).await?;
            space.answer("hello", "/without").await?;
            assert!(uids().await?.is_disjoint(&before), "other pods serve");
            Ok(())
        };
        let outcome: Result<()> = down.await;
        scale_operator(space, 1).await?;
        outcome?;
        space.ready("hello").await?;
        Ok(())
    })
    .await
}
