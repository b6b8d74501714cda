//! A Server from YAML to an answer: status whole, shown by kubectl, in a namespace that enforces
//! *restricted*.

use anyhow::{Context as _, Result};
use morph_crds::{Answer, RunType};
use morph_e2e::{Cluster, Space, guest};
use serde_json::json;

#[tokio::test]
async fn hello_answers_through_its_service_and_its_status_is_whole() -> Result<()> {
    Cluster::run("serve", async |space| {
        let hello = space.push_guest("hello").await?;
        space.morph("hello", &json!({ "image": hello.image })).await?;
        let morph = space.ready("hello").await?;
        let text = space.answer("hello", "/from/a/test").await?;
        assert!(text.starts_with("Hello from a Morph! You asked GET /from/a/test"), "{text}");

        let status = morph.status.context("no status")?;
        assert_eq!(status.observed_generation, morph.metadata.generation);
        assert_eq!(status.replicas, Some(1));
        assert_eq!(status.selector.as_deref(), Some("hayride.dev/morph=hello"));
        assert_eq!(status.url, Some(format!("http://hello.{}.svc:8080", space.name)));
        let component = status.components.first().context("no component")?;
        assert_eq!((&component.name[..], component.type_), ("hello", Some(RunType::Server)));
        assert_eq!((&component.image, &component.digest), (&hello.pinned, &hello.content.to_string()));
        let world = morph_component::inspect(&guest("hello")?)?;
        assert_eq!(status.imports.len(), world.imports.len());
        assert!(status.imports.iter().all(|i| i.component == "hello" && i.answer == Answer::Ambient));
        let types: Vec<_> = status.conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
        for wanted in ["Resolved", "ImportsSatisfied", "WithinCeiling", "Available", "Ready"] {
            assert!(types.contains(&(wanted, "True")), "{wanted}: {types:?}");
        }
        for condition in &status.conditions {
            assert_eq!(condition.observed_generation, morph.metadata.generation, "{condition:?}");
            assert!(!condition.reason.is_empty() && !condition.message.is_empty(), "{condition:?}");
        }
        shown_by_kubectl(space, &hello.image)
    })
    .await
}

fn shown_by_kubectl(space: &Space, image: &str) -> Result<()> {
    let table = space.kubectl(&["get", "morph"])?;
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.next().unwrap_or_default(),
        ["NAME", "TYPE", "READY", "REASON", "REPLICAS", "IMAGE", "AGE"]
    );
    let row = lines.next().context("no row")?;
    assert_eq!(row[..3], ["hello", "Server", "True"], "{table}");
    assert_eq!(row[4..6], ["1", image], "{table}");
    assert_eq!(space.kubectl(&["get", "mo", "-o", "name"])?.trim(), "morph.hayride.dev/hello");
    assert!(space.kubectl(&["get", "hayride"])?.contains("hello"), "the category hayride lists Morphs");
    Ok(())
}

#[tokio::test]
async fn a_server_of_wasi_0_3_answers() -> Result<()> {
    Cluster::run("serve-p3", async |space| {
        let hello = space.push_guest("hello-p3").await?;
        space.morph("hello-p3", &json!({ "image": hello.image })).await?;
        space.ready("hello-p3").await?;
        let text = space.answer("hello-p3", "/x").await?;
        assert_eq!(text, "Hello from a Morph of WASI 0.3! You asked /x\n");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pooled_server_answers_again_with_the_same_instance() -> Result<()> {
    Cluster::run("serve-pooled", async |space| {
        let hello = space.push_guest("hello").await?;
        space.morph("fresh", &json!({ "image": hello.image })).await?;
        space.morph("pooled", &json!({ "image": hello.image, "http": { "reuse": "Pooled" } })).await?;
        space.ready("fresh").await?;
        space.ready("pooled").await?;
        for _ in 0..3 {
            assert_eq!(space.answer("fresh", "/count").await?, "1\n");
        }
        // It is kept shortly after its answer.
        let mut counts = Vec::new();
        while counts.last().is_none_or(|count| *count < 3) {
            counts.push(space.answer("pooled", "/count").await?.trim().parse::<u32>()?);
            assert!(counts.len() < 1000, "{counts:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_runs_where_pods_must_be_restricted() -> Result<()> {
    let labels = [("pod-security.kubernetes.io/enforce", "restricted")];
    Cluster::run_labelled("restricted", &labels, async |space| {
        let hello = space.push_guest("hello").await?;
        space.morph("hello", &json!({ "image": hello.image, "http": { "port": 9000 } })).await?;
        space.ready("hello").await?;
        space.answer("hello", "/").await?;
        let pods = space.pod_count("hello", 1).await?;
        let spec = pods[0].spec.as_ref().context("no spec")?;
        assert_eq!(spec.runtime_class_name.as_deref(), Some("morph"));
        assert_eq!(spec.automount_service_account_token, Some(false));
        assert_eq!(spec.enable_service_links, Some(false));
        assert_eq!(spec.containers[0].image.as_deref(), Some(&*hello.pinned));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_a_server_writes_is_in_its_log_and_its_variables_are_those_of_the_yaml() -> Result<()> {
    Cluster::run("logs", async |space| {
        let hello = space.push_guest("hello").await?;
        space
            .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: w}, data: {city: Porto, LEVEL: high}}")
            .await?;
        space
            .apply("{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {region: north}}")
            .await?;
        let env = json!([
            { "name": "PLAIN", "value": "a $(PLAIN) b" },
            { "name": "CITY", "valueFrom": { "configMapKeyRef": { "name": "w", "key": "city" } } },
            { "name": "REGION", "valueFrom": { "secretKeyRef": { "name": "s", "key": "region" } } },
            { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
        ]);
        let from = json!([{ "prefix": "W_", "configMapRef": { "name": "w" } }]);
        space.morph("hello", &json!({ "image": hello.image, "env": env, "envFrom": from })).await?;
        space.ready("hello").await?;
        let text = space.answer("hello", "/vars").await?;
        let pods = space.pod_count("hello", 1).await?;
        let pod = pods[0].metadata.name.clone().context("no name")?;
        let wanted =
            format!("CITY=Porto\nPLAIN=a $(PLAIN) b\nPOD={pod}\nREGION=north\nW_LEVEL=high\nW_city=Porto\n");
        assert_eq!(text, format!("Hello from a Morph! You asked GET /vars\n{wanted}"));
        morph_e2e::until(30, "what it wrote is in its log", async || {
            let log = space.kubectl(&["logs", &pod])?;
            let there = log.contains("GET /vars\n") && log.contains("answering /vars\n");
            Ok(if there { Ok(()) } else { Err(log) })
        })
        .await
    })
    .await
}
