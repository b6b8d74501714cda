//! Scaling through the Morph, and fields that belong to somebody else.

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use morph_e2e::Cluster;
use serde_json::json;

#[tokio::test]
async fn a_morph_scales_and_keeps_what_was_scaled() -> Result<()> {
    Cluster::run("scale", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image })).await?;
        space.ready("hello").await?;
        let template = template_hash(space).await?;
        for count in [3, 0, 1, 2] {
            space.kubectl(&["scale", "morph/hello", &format!("--replicas={count}")])?;
            space.pod_count("hello", count).await?;
            space.ready("hello").await?;
        }
        // The same manifest again, without replicas: nothing changes.
        space.morph("hello", &json!({ "image": image })).await?;
        let morph = space.ready("hello").await?;
        assert_eq!((morph.spec.replicas, morph.status.context("no status")?.replicas), (2, Some(2)));
        space.pod_count("hello", 2).await?;
        assert_eq!(template_hash(space).await?, template, "scaling never rolls the pods");
        Ok(())
    })
    .await
}

async fn template_hash(space: &morph_e2e::Space) -> Result<String> {
    let pods = space.pods("hello").await?;
    let labels = pods.first().and_then(|pod| pod.metadata.labels.clone()).context("no pod")?;
    Ok(labels.get("pod-template-hash").cloned().unwrap_or_default())
}

#[tokio::test]
async fn a_foreign_field_that_the_operator_does_not_own_stays() -> Result<()> {
    Cluster::run("foreign", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image })).await?;
        space.ready("hello").await?;
        let foreign = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "annotations": { "team.example/note": "ours" } },
            "spec": { "minReadySeconds": 1 },
        });
        let deployments = space.api::<Deployment>();
        deployments.patch("hello", &PatchParams::apply("somebody"), &Patch::Apply(&foreign)).await?;
        space.kubectl(&["scale", "morph/hello", "--replicas=2"])?;
        space.pod_count("hello", 2).await?;
        space.ready("hello").await?;
        let deployment = deployments.get("hello").await?;
        let annotations = deployment.metadata.annotations.unwrap_or_default();
        assert_eq!(annotations.get("team.example/note").map(String::as_str), Some("ours"));
        assert_eq!(deployment.spec.and_then(|s| s.min_ready_seconds), Some(1));
        Ok(())
    })
    .await
}
