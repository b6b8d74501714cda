//! What pods use, as the kubelet and the metrics server see it: `kubectl top`, and an autoscaler that lives on it.

use anyhow::{Context as _, Result};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use morph_e2e::{Cluster, Load, Space, until};
use serde_json::json;
use std::collections::BTreeMap;

/// How long figures may take, in seconds: they are taken every 15, two of them make one, and the node is busy.
const FIGURES_SECONDS: u64 = 120;

/// Pods with their thousandths of a processor and megabytes, as `kubectl top` shows them.
fn top(space: &Space) -> Result<BTreeMap<String, (u64, u64)>> {
    // Until there are figures it fails.
    let text = space.kubectl(&["top", "pods", "--no-headers"]).unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, cpu, memory) = (words.next()?, words.next()?, words.next()?);
        let figures = (cpu.strip_suffix('m')?.parse().ok()?, memory.strip_suffix("Mi")?.parse().ok()?);
        Some((name.to_owned(), figures))
    };
    text.lines().map(|text| line(text).with_context(|| format!("kubectl top: {text}"))).collect()
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
                (Some(busy), Some(idle)) if busy.0 >= 100 && busy.0 > 10 * idle.0 => Ok((busy, idle)),
                _ => Err(figures),
            })
        })
        .await?;
        let ((busy, _), (_, idle_mebibytes)) = figures;
        assert!(busy <= 400, "no more than its limit: {figures:?}");
        assert!((1..32).contains(&idle_mebibytes), "{figures:?}");
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
