//! P12: a Deployment on the local cluster: to one Ready, from none to many Ready, and to none again. It goes through
//! everything that a user waits for: API server, controllers, scheduler, kubelet, containerd.

use super::Bench;
use crate::pod::Runtime;
use crate::report::{Asked, MORPH, Report};
use crate::rounds::{self, Outcome};
use crate::target::Target;
use crate::unit::Unit::Millis;
use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use morph_e2e::{Cluster, Space};
use serde_json::json;
use std::time::{Duration, Instant};

const PODS: usize = 50;

/// How long a change of scale may take, in seconds.
const SCALE_SECONDS_MAX: u64 = 180;

/// Pause between two looks, in milliseconds: far below what is measured.
const LOOK_MILLIS: u64 = 5;

/// The image that `hack/up` makes for runc.
const NATIVE: &str = "pause:1";

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let pods = bench.pods(PODS);
    let space = Cluster::connect().await?.space("p12", &[]).await?;
    let measured = sides(bench, &space, pods).await;
    let deleted = space.delete().await;
    let sides = measured?;
    deleted?;
    let asked = [
        Asked::new("to one Ready", Millis, vec![Target::AtMost { value: 250.0 }]),
        Asked::new("from none to all Ready", Millis, vec![Target::AtMost { value: 5_000.0 }]),
        Asked::new("to none", Millis, vec![Target::AtMost { value: 5_000.0 }]),
    ];
    Ok(Report::new("P12", format!("a Deployment of {pods} pods on the local cluster"), &asked, &sides))
}

async fn sides(bench: &Bench, space: &Space, pods: usize) -> Result<Vec<(&'static str, Outcome)>> {
    let component = space.push("greeting", "1", bench.programs.guest("greeting")?).await?.image;
    let registry = component.split_once('/').context("an image of the local registry")?.0.to_owned();
    apply(space, Runtime::Morph, Some(MORPH), &component).await?;
    apply(space, Runtime::Runc, None, &format!("{registry}/{NATIVE}")).await?;
    let outcomes = rounds::run(Runtime::ALL.len(), bench.repetitions, async |turn| {
        let runtime = Runtime::ALL[turn.side];
        ensure!(runtime != Runtime::Peer, "the local cluster's node doesn't have it");
        let one = scaled(space, runtime, 1).await?;
        scaled(space, runtime, 0).await?;
        let up = scaled(space, runtime, pods).await?;
        let down = scaled(space, runtime, 0).await?;
        Ok([one, up, down].map(|took| took.as_secs_f64() * 1e3).to_vec())
    })
    .await?;
    Ok(Runtime::ALL.map(Runtime::name).into_iter().zip(outcomes).collect())
}

/// A Deployment without pods.
async fn apply(space: &Space, runtime: Runtime, class: Option<&str>, image: &str) -> Result<()> {
    space.apply(&deployment(runtime.name(), class, image).to_string()).await
}

fn deployment(name: &str, class: Option<&str>, image: &str) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { "bench": name } },
            "template": {
                "metadata": { "labels": { "bench": name } },
                "spec": {
                    "runtimeClassName": class,
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": { "runAsUser": 65532, "runAsGroup": 65532 },
                    // The component has no entrypoint; pause ignores its arguments.
                    "containers": [{ "name": "bench", "image": image, "args": ["/"] }],
                },
            },
        },
    })
}

/// Sets the scale and waits until just so many pods are there, all Ready.
async fn scaled(space: &Space, runtime: Runtime, pods: usize) -> Result<Duration> {
    let begun = Instant::now();
    let patch = Patch::Merge(json!({ "spec": { "replicas": pods } }));
    let deployments = space.api::<Deployment>();
    deployments.patch(runtime.name(), &PatchParams::default(), &patch).await?;
    let of_it = ListParams::default().labels(&format!("bench={}", runtime.name()));
    loop {
        let there = space.api::<Pod>().list(&of_it).await?.items;
        if there.len() == pods && there.iter().all(is_ready) {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > Duration::from_secs(SCALE_SECONDS_MAX) {
            let ready = there.iter().filter(|pod| is_ready(pod)).count();
            bail!("{} of {} pods are Ready, {pods} are wanted", ready, there.len());
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pod(ready: &str) -> Pod {
        let status = json!({ "conditions": [
            { "type": "Initialized", "status": "True" }, { "type": "Ready", "status": ready },
        ] });
        serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap()
    }

    #[test]
    fn a_pod_is_ready_when_it_says_so() {
        assert!(is_ready(&pod("True")));
        assert!(!is_ready(&pod("False")));
        assert!(!is_ready(&Pod::default()));
    }

    #[test]
    fn deployments_differ_in_class_and_image_alone() {
        let morph = deployment("a", Some("morph"), "one");
        let mut runc = deployment("a", None, "two");
        let spec = &mut runc["spec"]["template"]["spec"];
        spec["runtimeClassName"] = json!("morph");
        spec["containers"][0]["image"] = json!("one");
        assert_eq!(morph, runc);
        assert!(serde_json::from_value::<Deployment>(morph).is_ok());
    }
}
