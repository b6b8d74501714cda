//! Deleting a Morph leaves nothing: no object, process, cgroup, mount or directory.

use anyhow::{Context as _, Result};
use morph_e2e::{Cluster, Node, until};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_deleted_morph_leaves_nothing_behind() -> Result<()> {
    Cluster::run("gone", async |space| {
        let hello = space.push_guest("hello").await?.image;
        let command = space.push_guest("command").await?.image;
        space
            .morph("hello", &json!({ "image": hello, "replicas": 2, "http": { "lameDuckSeconds": 0 } }))
            .await?;
        space.morph("done", &json!({ "image": command, "args": ["exit", "0"] })).await?;
        space.morph("loops", &json!({ "image": command, "args": ["loop"] })).await?;
        space.ready("hello").await?;
        space.ready("done").await?;
        space.pod_count("loops", 1).await?;
        let mut uids = BTreeSet::new();
        for name in ["hello", "done", "loops"] {
            for pod in space.pods(name).await? {
                uids.insert(pod.metadata.uid.context("no uid")?);
            }
        }
        assert_eq!(uids.len(), 4);
        for uid in &uids {
            assert!(!Node::traces_of_pod(uid)?.is_empty(), "a pod that is there has traces");
        }
        space.kubectl(&["delete", "morph", "--all"])?;
        until(90, "no object is left", async || {
            let left = space.kubectl(&["get", "deployments,replicasets,jobs,pods,services", "-o", "name"])?;
            Ok(if left.trim().is_empty() { Ok(()) } else { Err(left) })
        })
        .await?;
        until(60, "no trace is left on the node", async || {
            let mut traces = BTreeSet::new();
            for uid in &uids {
                traces.extend(Node::traces_of_pod(uid)?);
            }
            Ok(if traces.is_empty() { Ok(()) } else { Err(traces) })
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_namespace_that_goes_takes_its_server_along() -> Result<()> {
    let before = Node::processes_named("containerd-shim-morph")?;
    Cluster::run("server-gone", async |space| {
        let hello = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": hello, "http": { "lameDuckSeconds": 0 } })).await?;
        space.ready("hello").await?;
        let with = Node::processes_named("containerd-shim-morph")?;
        assert!(with.difference(&before).count() > 0, "a server of this namespace's own");
        Ok(())
    })
    .await?;
    until(60, "the namespace's server has ended", async || {
        let left: Vec<_> =
            Node::processes_named("containerd-shim-morph")?.difference(&before).copied().collect();
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
    .await
}
