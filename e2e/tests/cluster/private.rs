//! Images that the operator can't read: a node looks at them with the Morph's own pull secrets.

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, PostParams};
use morph_crds::{ConditionType, Reason};
use morph_e2e::{Cluster, Space, guest, until};
use morph_testkit::artifact::Artifact;
use morph_testkit::registry::{Auth, PASSWORD, Registry, USERNAME};
use serde_json::{Value, json};

/// A registry on the node's loopback, which no pod reaches, that wants a password.
async fn private(component: &str) -> Result<(Registry, String)> {
    let registry = Registry::start().await;
    registry.store("1", &Artifact::of(&guest(component)?));
    registry.require(Auth::Basic);
    let image = format!("{}/acme/{component}:1", registry.authority());
    Ok((registry, image))
}

async fn pull_secret(space: &Space, registry: &Registry, password: &str) -> Result<()> {
    let login = json!({ "username": USERNAME, "password": password });
    let config = json!({ "auths": { (registry.authority()): login } }).to_string();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "pull" },
        "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": config },
    });
    space.apply(&secret.to_string()).await
}

fn spec(image: &str) -> Value {
    json!({ "image": image, "template": { "imagePullSecrets": [{ "name": "pull" }] } })
}

/// The pods that look at an image.
async fn inspectors(space: &Space) -> Result<Vec<Pod>> {
    let pods = space.api::<Pod>().list(&ListParams::default()).await?.items.into_iter();
    Ok(pods.filter(|pod| pod.name_any().contains("-inspect-")).collect())
}

#[tokio::test]
async fn a_private_image_runs_with_the_pull_secret_of_its_morph() -> Result<()> {
    Cluster::run("private", async |space| {
        let (registry, image) = private("hello").await?;
        pull_secret(space, &registry, PASSWORD).await?;
        space.morph("hello", &spec(&image)).await?;
        let morph = space.ready("hello").await?;
        let status = morph.status.unwrap_or_default();
        assert!(status.imports.iter().any(|i| i.interface.starts_with("wasi:http/types@")), "{status:?}");
        assert!(space.answer("hello", "/").await?.starts_with("Hello from a Morph!"));
        until(30, "the pod that looked is gone", async || {
            let left = inspectors(space).await?;
            Ok(if left.is_empty() { Ok(()) } else { Err(left) })
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_wrong_pull_secret_is_told_and_the_right_one_cures_it() -> Result<()> {
    Cluster::run("wrong-pull", async |space| {
        let (registry, image) = private("hello").await?;
        pull_secret(space, &registry, "wrong").await?;
        let mut scaled = spec(&image);
        scaled["replicas"] = json!(2);
        space.morph("hello", &spec(&image)).await?;
        let what = "the node's failure is in the condition";
        until(90, what, async || {
            let conditions = space.get("hello").await?.status.unwrap_or_default().conditions;
            let resolved = conditions.into_iter().find(|c| c.type_ == ConditionType::Resolved.as_str());
            let told = resolved.as_ref().is_some_and(|c| c.message.contains("imagePullSecrets"));
            Ok(if told { Ok(()) } else { Err(resolved) })
        })
        .await?;
        assert!(space.pods("hello").await?.is_empty());
        // The same pod is asked for the next generation, though admission has changed it by its RuntimeClass.
        let before = inspectors(space).await?.pop().context("no pod looks")?;
        let selector = before.spec.clone().and_then(|spec| spec.node_selector).unwrap_or_default();
        assert!(!selector.is_empty(), "admission has written nothing");
        space.morph("hello", &scaled).await?;
        until(30, "the pod is the next generation's", async || {
            let now = inspectors(space).await?;
            let is_it = matches!(&now[..], [pod] if pod.uid() == before.uid()
                && pod.annotations().get("hayride.dev/generation").is_some_and(|said| said == "2"));
            Ok(if is_it { Ok(()) } else { Err(now) })
        })
        .await?;
        pull_secret(space, &registry, PASSWORD).await?;
        space.ready("hello").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_denied_import_of_a_private_image_is_found_before_any_pod_of_its_own() -> Result<()> {
    Cluster::run("private-denied", async |space| {
        let (registry, image) = private("imports-http").await?;
        pull_secret(space, &registry, PASSWORD).await?;
        space.morph("asks", &spec(&image)).await?;
        let denied = (ConditionType::ImportsSatisfied, Some(Reason::ImportDenied));
        space.condition("asks", denied.0, "False", denied.1).await?;
        assert!(space.pods("asks").await?.is_empty());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nobody_but_the_operator_has_a_pod_tell_of_an_image() -> Result<()> {
    Cluster::run("forged-inspection", async |space| {
        let pods: Api<Pod> = Api::namespaced(crate::authority::editor(space).await?, &space.name);
        let forged = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "forged", "annotations": { "hayride.dev/inspect": "true" } },
            "spec": { "containers": [{ "name": "inspect", "image": "registry.example/any:1" }] },
        });
        let answer = pods.create(&PostParams::default(), &serde_json::from_value(forged)?).await;
        let Err(error) = answer else { bail!("a pod that would tell of an image was made") };
        let error = error.to_string();
        assert!(error.contains("looks at an image for the Morph operator"), "{error}");
        Ok(())
    })
    .await
}
