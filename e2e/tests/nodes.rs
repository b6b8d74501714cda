//! Two nodes, this machine and the VM of `hack/node2`: a Morph leaves a node that is drained, the kubelet of
//! the VM has systemd's cgroups, and each node's shim says which walls its own kernel has.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use morph_e2e::{Cluster, Node, Space, fetch, kubectl, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// This machine.
const FIRST: &str = "node1";
/// The VM.
const SECOND: &str = "node2";

/// How long a pod may take to be ready on the other node, in seconds: an emulated one compiles slowly.
const MOVED_SECONDS: u64 = 180;

/// A Server that would rather be on the second node and may be on any. No grant is taken on a node before its
/// agent has brought keys.
async fn hello(space: &Space) -> Result<()> {
    let agents: Api<DaemonSet> = Api::namespaced(space.cluster.client.clone(), "morph-node");
    until(MOVED_SECONDS, "both nodes have keys", async || {
        let status = agents.get("morph-node").await?.status;
        Ok(if status.as_ref().is_some_and(|status| status.number_ready == 2) { Ok(()) } else { Err(status) })
    })
    .await?;
    let second = json!([{ "key": "kubernetes.io/hostname", "operator": "In", "values": [SECOND] }]);
    let rather = json!([{ "weight": 100, "preference": { "matchExpressions": second } }]);
    let affinity = json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": rather } });
    let image = space.push_guest("hello").await?.image;
    space.morph("hello", &json!({ "image": image, "template": { "affinity": affinity } })).await
}

/// Waits until the Server's one pod is ready on this node and the Morph is, and asks it: at its own address
/// and at its Service's.
async fn answers_from(space: &Space, node: &str) -> Result<()> {
    let pod = until(MOVED_SECONDS, &format!("hello is ready on {node}"), async || {
        let pods = space.pods("hello").await?;
        let alone = match pods.as_slice() {
            [pod] if is_ready_on(pod, node) => Some(pod.clone()),
            _ => None,
        };
        Ok(alone.ok_or(pods))
    })
    .await?;
    space.ready("hello").await?;
    let address = pod.status.as_ref().and_then(|s| s.pod_ip.clone()).context("no address")?;
    until(30, &format!("the pod on {node} answers"), async || {
        Ok(match fetch(&format!("http://{address}:8080/on/{node}")).await {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        })
    })
    .await?;
    space.answer("hello", "/by/service").await?;
    let name = pod.metadata.name.as_deref().context("no name")?;
    until(30, "both requests are in its log", async || {
        let log = space.kubectl(&["logs", name])?;
        let there = log.contains(&format!("GET /on/{node}\n")) && log.contains("GET /by/service\n");
        Ok(if there { Ok(()) } else { Err(log) })
    })
    .await
}

/// Waits until pods may be scheduled to the second node again: its taint goes a while after
/// `kubectl uncordon`.
async fn takes_pods(space: &Space) -> Result<()> {
    let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(space.cluster.client.clone());
    until(60, "the second node takes pods again", async || {
        let taints = nodes.get(SECOND).await?.spec.and_then(|spec| spec.taints).unwrap_or_default();
        Ok(if taints.is_empty() { Ok(()) } else { Err(taints) })
    })
    .await
}

fn is_ready_on(pod: &Pod, node: &str) -> bool {
    let conditions = pod.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    let ready = conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True");
    let there = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
    ready && there && pod.metadata.deletion_timestamp.is_none()
}

/// Drains the second node, runs `body`, and gives the node back, however that ended.
async fn while_drained(body: impl Future<Output = Result<()>>) -> Result<()> {
    let outcome = match kubectl(&["drain", SECOND, "--ignore-daemonsets", "--timeout=90s"]) {
        Ok(_) => body.await,
        Err(error) => Err(error),
    };
    kubectl(&["uncordon", SECOND])?;
    outcome
}

#[tokio::test]
async fn a_morph_moves_when_its_node_is_drained_and_may_come_back() -> Result<()> {
    Cluster::run("drain", async |space| {
        hello(space).await?;
        answers_from(space, SECOND).await?;
        while_drained(answers_from(space, FIRST)).await?;
        takes_pods(space).await?;
        space.kubectl(&["delete", "pods", "-l", "hayride.dev/morph=hello", "--wait=true"])?;
        answers_from(space, SECOND).await
    })
    .await
}

#[tokio::test]
async fn a_kubelet_with_systemds_cgroups_counts_what_a_morph_uses() -> Result<()> {
    Cluster::run("systemd", async |space| {
        let ask = |path: &str| -> Result<Value> {
            let path = format!("/api/v1/nodes/{SECOND}/proxy/{path}");
            Ok(serde_json::from_str(&kubectl(&["get", "--raw", &path])?)?)
        };
        assert_eq!(ask("configz")?.pointer("/kubeletconfig/cgroupDriver"), Some(&json!("systemd")));
        hello(space).await?;
        answers_from(space, SECOND).await?;
        until(MOVED_SECONDS, "the kubelet has the pod's figures", async || {
            let summary = ask("stats/summary")?;
            let pods = summary["pods"].as_array().context("no pods")?;
            let ours = pods.iter().find(|pod| pod["podRef"]["namespace"] == space.name.as_str());
            let figure = |path: &str| ours.and_then(|pod| pod.pointer(path)?.as_u64()).unwrap_or(0);
            let used = (
                figure("/containers/0/memory/workingSetBytes"),
                figure("/containers/0/cpu/usageCoreNanoSeconds"),
            );
            Ok(if used.0 > 0 && used.1 > 0 { Ok(()) } else { Err(used) })
        })
        .await
    })
    .await
}

/// What a node's shim and its kernel say of walls: the lines of `hack/cluster/walls`.
fn walls(text: &str) -> Result<BTreeMap<&str, &str>> {
    text.lines().map(|line| line.split_once(' ').with_context(|| line.to_owned())).collect()
}

#[test]
fn each_nodes_shim_says_what_its_kernel_has() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/cluster/walls");
    let output = Command::new(&script).output().context("hack/cluster/walls")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first = String::from_utf8(output.stdout)?;
    let second = std::fs::read_to_string(Node::state()?.join(SECOND).join("walls"))?;
    let nodes = [(FIRST, walls(&first)?), (SECOND, walls(&second)?)];
    for (node, says) in &nodes {
        let of = |name: &str| says.get(name).copied().with_context(|| format!("{node}: no {name}: {says:?}"));
        assert_eq!(of("hayride.dev/wall.seccomp")?, of("kernel/seccomp")?, "{node}");
        let abi: u32 = of("hayride.dev/wall.landlock-abi")?.parse()?;
        let word = |present: bool| if present { "present" } else { "missing" };
        assert_eq!(of("kernel/landlock")?, word(abi > 0), "{node}");
        for (wall, first_abi) in [("landlock", 2), ("landlock-tcp", 4), ("landlock-scopes", 6)] {
            assert_eq!(of(&format!("hayride.dev/wall.{wall}"))?, word(abi >= first_abi), "{node}: {wall}");
        }
    }
    let landlock = nodes.each_ref().map(|(_, says)| says["kernel/landlock"]);
    assert_ne!(landlock[0], landlock[1], "one kernel has Landlock, the other lacks it: see hack/node2");
    Ok(())
}
