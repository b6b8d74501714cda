//! `kubectl debug --target`: where its container lands, what it gets, and that a Morph's own pod takes none.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::api::PostParams;
use morph_e2e::{Cluster, Node, Space, until};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// A component that goes on for ever and asks for nothing.
const ENDLESS: &str = r#"(component
    (core module $m (func (export "run") (result i32) loop br 0 end i32.const 0))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $r (export "run" (func $run)))
    (export "wasi:cli/run@0.2.3" (instance $r)))"#;

/// The address of a pod, and its status of this container, once that is in a state that is looked for.
async fn container(
    space: &Space,
    name: &str,
    is: impl Fn(&ContainerState) -> bool,
) -> Result<(String, ContainerStatus)> {
    until(90, &format!("container {name}"), async || {
        let status = space.api::<Pod>().get("target").await?.status.unwrap_or_default();
        let all = [&status.container_statuses, &status.ephemeral_container_statuses];
        let found = all.into_iter().flatten().flatten().find(|container| container.name == name);
        Ok(match found {
            Some(found) if found.state.as_ref().is_some_and(&is) => {
                Ok((status.pod_ip.clone().unwrap_or_default(), found.clone()))
            }
            other => Err(format!("{other:?}")),
        })
    })
    .await
}

/// The process of a container that runs.
fn process(container: &ContainerStatus) -> Result<u32> {
    let id = container.container_id.as_deref().context("no id")?;
    let pids = Node::pids_of_container(id.rsplit('/').next().unwrap_or_default())?;
    assert_eq!(pids.len(), 1, "{id}: {pids:?}");
    pids.first().copied().context("no process")
}

/// A namespace of a process on this machine, which is the node.
fn namespace(pid: u32, kind: &str) -> Result<PathBuf> {
    let path = format!("/proc/{pid}/ns/{kind}");
    std::fs::read_link(&path).context(path)
}

/// `kubectl debug` as people write it; a component's image needs a command that nobody looks at.
fn debug(space: &Space, pod: &str, target: &str, name: &str, image: &str) -> Result<String> {
    let (target, name) = (format!("--target={target}"), format!("--container={name}"));
    space.kubectl(&["debug", pod, &target, &name, "--image", image, "--", "/"])
}

#[tokio::test]
async fn a_debug_container_lands_in_its_targets_pod_and_never_in_the_node() -> Result<()> {
    Cluster::run("debug", async |space| {
        let endless = space.push("endless", "1", wat::parse_str(ENDLESS)?).await?;
        let hello = space.push_guest("hello").await?;
        let target = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "target" },
            "spec": {
                "runtimeClassName": "morph", "restartPolicy": "Never", "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "main", "image": endless.pinned, "command": ["/"],
                    "resources": { "limits": { "cpu": "50m", "memory": "64Mi" } },
                }],
            },
        });
        space.api::<Pod>().create(&PostParams::default(), &serde_json::from_value(target)?).await?;
        let (_, main) = container(space, "main", |state| state.running.is_some()).await?;

        debug(space, "target", "main", "debugger", &hello.pinned)?;
        let (address, debugger) = container(space, "debugger", |state| state.running.is_some()).await?;
        let (main, debugger, node) = (process(&main)?, process(&debugger)?, std::process::id());
        for kind in ["net", "ipc", "uts"] {
            assert_eq!(namespace(debugger, kind)?, namespace(main, kind)?, "{kind}: the pod's");
            assert_ne!(namespace(debugger, kind)?, namespace(node, kind)?, "{kind}: not the node's");
        }
        // A worker joins nobody's: it sees itself alone.
        for other in [main, node] {
            assert_ne!(namespace(debugger, "pid")?, namespace(other, "pid")?);
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        until(30, "the debug container answers at the pod's address", async || {
            let text = match http.get(format!("http://{address}:8080/debug")).send().await {
                Ok(answer) => answer.text().await?,
                Err(error) => return Ok(Err(error.to_string())),
            };
            Ok(if text.starts_with("Hello from a Morph!") { Ok(()) } else { Err(text) })
        })
        .await?;

        debug(space, "target", "main", "shell", "10.245.0.1:5000/pause:1")?;
        let (_, shell) = container(space, "shell", |state| state.terminated.is_some()).await?;
        let ended = shell.state.and_then(|state| state.terminated).context("not ended")?;
        assert_eq!(ended.exit_code, 127, "{ended:?}");
        assert!(ended.message.unwrap_or_default().contains("not a WebAssembly component"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_morphs_own_pod_takes_no_debug_container() -> Result<()> {
    Cluster::run("no-debug", async |space| {
        let hello = space.push_guest("hello").await?;
        space.morph("hello", &json!({ "image": hello.image })).await?;
        space.ready("hello").await?;
        let pod = space.pod_count("hello", 1).await?.remove(0).metadata.name.context("no name")?;
        for image in [hello.pinned.as_str(), "10.245.0.1:5000/pause:1"] {
            let refused = match debug(space, &pod, "morph", "debugger", image) {
                Ok(text) => anyhow::bail!("it was taken: {text}"),
                Err(error) => format!("{error:#}"),
            };
            for words in [pod.as_str(), "nobody adds a container to it", "look at it from its node"] {
                assert!(refused.contains(words), "{words}: {refused}");
            }
        }
        let spec = space.api::<Pod>().get(&pod).await?.spec.context("no spec")?;
        assert_eq!(spec.ephemeral_containers, None);
        Ok(())
    })
    .await
}
