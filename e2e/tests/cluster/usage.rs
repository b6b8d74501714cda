//! What pods use, as the kubelet and the metrics server see it: `kubectl top`, and an autoscaler that lives
//! on it.

use anyhow::{Context as _, Result};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use morph_e2e::{Cluster, Load, Space, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A thousandth of a processor in billionths.
const MILLI: u64 = 1_000_000;

/// How long figures may take, in seconds: they are taken every 15, two of them make one, and the node is
/// busy.
const FIGURES_SECONDS: u64 = 120;

/// What a figure of a processor ends with, in billionths of it. A figure is written with the largest that
/// divides it.
const PROCESSOR: &[(&str, u64)] = &[("n", 1), ("u", 1_000), ("m", 1_000_000), ("", 1_000_000_000)];

/// What a figure of memory ends with, in kibibytes.
const MEMORY: &[(&str, u64)] = &[("Ki", 1), ("Mi", 1 << 10), ("Gi", 1 << 20)];

/// A figure in the first of these units.
fn figure(value: &Value, units: &[(&str, u64)]) -> Option<u64> {
    let text = value.as_str()?;
    if text == "0" {
        return Some(0);
    }
    let (number, unit) = units.iter().find_map(|(end, unit)| Some((text.strip_suffix(end)?, unit)))?;
    Some(number.parse::<u64>().ok()? * unit)
}

/// Pods with their billionths of a processor and kibibytes, from the API that `kubectl top` shows.
fn top(space: &Space) -> Result<BTreeMap<String, (u64, u64)>> {
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods", space.name);
    let text = space.kubectl(&["get", "--raw", &path])?;
    let list: Value = serde_json::from_str(&text)?;
    let pods = list["items"].as_array().context("no items")?;
    let usage = |pod: &Value| {
        let name = pod.pointer("/metadata/name")?.as_str()?.to_owned();
        let usage = pod.pointer("/containers/0/usage")?;
        Some((name, (figure(&usage["cpu"], PROCESSOR)?, figure(&usage["memory"], MEMORY)?)))
    };
    pods.iter().map(|pod| usage(pod).with_context(|| format!("no figures: {pod}"))).collect()
}

#[tokio::test]
async fn a_morph_that_works_uses_more_than_one_that_waits() -> Result<()> {
    Cluster::run("top", async |space| {
        let (command, hello) =
            (space.push_guest("command").await?.image, space.push_guest("hello").await?.image);
        // Bounded, so that the tests beside this one have something left.
        let resources =
            json!({ "requests": { "cpu": "10m" }, "limits": { "cpu": "300m", "memory": "64Mi" } });
        let busy = json!({ "image": command, "args": ["loop"], "resources": resources });
        space.morph("busy", &busy).await?;
        space.morph("idle", &json!({ "image": hello, "resources": resources })).await?;
        space.ready("idle").await?;
        let figures = until(FIGURES_SECONDS, "the one that works uses most", async || {
            let figures = top(space)?;
            let of = |morph: &str| figures.iter().find(|(pod, _)| pod.starts_with(morph)).map(|(_, f)| *f);
            Ok(match (of("busy"), of("idle")) {
                (Some(busy), Some(idle)) if busy.0 >= 100 * MILLI && busy.0 > 10 * idle.0 => Ok((busy, idle)),
                _ => Err(figures),
            })
        })
        .await?;
        let ((busy, _), (_, idle_kibibytes)) = figures;
        assert!(busy <= 400 * MILLI, "no more than its limit: {figures:?}");
        // What it shares with other Morphs of the node isn't counted as its own.
        assert!((64..32 << 10).contains(&idle_kibibytes), "{figures:?}");
        space.kubectl(&["top", "pods"])?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_autoscaler_scales_a_morph_by_its_processor_time() -> Result<()> {
    Cluster::run("autoscaler", async |space| {
        let image = space.push_guest("hello").await?.image;
        let resources = json!({ "requests": { "cpu": "4m" }, "limits": { "cpu": "200m", "memory": "64Mi" } });
        space.morph("hello", &json!({ "image": image, "resources": resources })).await?;
        space.ready("hello").await?;
        space.answer("hello", "/").await?;
        let scaler = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: hello }
spec:
  scaleTargetRef: { apiVersion: hayride.dev/v1alpha1, kind: Morph, name: hello }
  maxReplicas: 2
  metrics:
  - { type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 50 } } }
";
        space.apply(scaler).await?;
        let load = Load::start(space.url("hello").await?)?;
        until(FIGURES_SECONDS, "two are wanted", async || {
            let scaler = space.api::<HorizontalPodAutoscaler>().get("hello").await?;
            let status = scaler.status.unwrap_or_default();
            Ok(if status.desired_replicas == 2 { Ok(()) } else { Err(status) })
        })
        .await?;
        assert!(load.stop().await?.good > 0);
        space.pod_count("hello", 2).await?;
        let morph = space.ready("hello").await?;
        assert_eq!(morph.spec.replicas, 2, "the Morph itself was scaled");
        Ok(())
    })
    .await
}
