//! A pod's own resources: what happens to a guest that outgrows them, and that they can be changed under it.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use morph_e2e::{Cluster, Node, Space, until};
use serde_json::json;

fn container(pod: &Pod) -> Option<ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first().cloned()
}

#[tokio::test]
async fn a_guest_that_outgrows_its_pod_ends_as_oomkilled_and_says_which_limit() -> Result<()> {
    Cluster::run("oom", async |space| {
        let image = space.push_guest("command").await?.image;
        let spec = json!({
            "image": image, "args": ["memory", "100"], "run": { "backoffLimit": 0 },
            "resources": { "limits": { "memory": "64Mi" } },
        });
        space.morph("hungry", &spec).await?;
        let ended = until(90, "its container has ended", async || {
            let pods = space.pods("hungry").await?;
            let state = pods.first().and_then(container).and_then(|container| container.state);
            Ok(state.clone().and_then(|state| state.terminated).ok_or(state))
        })
        .await?;
        assert_eq!((ended.exit_code, ended.reason.as_deref()), (137, Some("OOMKilled")), "{ended:?}");
        let message = ended.message.unwrap_or_default();
        assert!(message.contains("the container's memory limit is too small"), "{message:?}");
        Ok(())
    })
    .await
}

/// Resizes the only container of a pod; answers its id once the kubelet says that it is so.
async fn resize(space: &Space, pod: &str, cpu: &str, memory: &str) -> Result<()> {
    let resources = json!({ "limits": { "cpu": cpu, "memory": memory } });
    let found = space.api::<Pod>().get(pod).await?;
    let name = found.spec.context("no spec")?.containers[0].name.clone();
    let patch = json!({ "spec": { "containers": [{ "name": name, "resources": resources }] } }).to_string();
    space.kubectl(&["patch", "pod", pod, "--subresource", "resize", "--patch", &patch])?;
    until(60, &format!("{pod} has {cpu} and {memory}"), async || {
        let pod = space.api::<Pod>().get(pod).await?;
        let limits = container(&pod).and_then(|container| container.resources?.limits);
        let has = |name: &str, value: &str| limits.as_ref().is_some_and(|limits| limits[name].0 == value);
        Ok(if has("cpu", cpu) && has("memory", memory) { Ok(()) } else { Err(pod.status) })
    })
    .await
}

#[tokio::test]
async fn a_pod_is_resized_under_its_running_guest() -> Result<()> {
    Cluster::run("resize", async |space| {
        let image = space.push_guest("hello").await?.image;
        let resources = json!({
            "requests": { "cpu": "20m", "memory": "16Mi" }, "limits": { "cpu": "50m", "memory": "48Mi" },
        });
        space.morph("hello", &json!({ "image": image, "resources": resources })).await?;
        space.ready("hello").await?;
        let pod = space.pod_count("hello", 1).await?.remove(0);
        let name = pod.metadata.name.clone().context("a pod without a name")?;
        let before = container(&pod).context("no container")?;
        let id = before.container_id.clone().context("no id")?;
        let id = id.rsplit('/').next().unwrap_or_default();
        let limits = || -> Result<(String, String)> {
            let quota = Node::cgroup_file(id, ["cpu.cfs_quota_us", "cpu.max"])?;
            let memory = Node::cgroup_file(id, ["memory.limit_in_bytes", "memory.max"])?;
            Ok((quota.split(' ').next().unwrap_or_default().to_owned(), memory))
        };
        assert_eq!(limits()?, ("5000".into(), (48_u64 << 20).to_string()));
        for (cpu, memory, want) in
            [("150m", "96Mi", ("15000", 96_u64 << 20)), ("100m", "64Mi", ("10000", 64_u64 << 20))]
        {
            resize(space, &name, cpu, memory).await?;
            assert_eq!(limits()?, (want.0.into(), want.1.to_string()), "{cpu} {memory}");
        }
        let after = container(&space.api::<Pod>().get(&name).await?).context("no container")?;
        ensure!(after.container_id == before.container_id && after.restart_count == 0, "{after:?}");
        space.answer("hello", "/").await?;
        Ok(())
    })
    .await
}
