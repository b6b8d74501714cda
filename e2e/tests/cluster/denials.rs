//! What a guest is refused is seen on its Morph, though no node may write there.

use anyhow::{Context as _, Result};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, PostParams};
use morph_e2e::{Cluster, until};
use serde_json::json;

const AGENT: &str = "system:serviceaccount:morph-node:morph-node";

#[tokio::test]
async fn a_refused_host_becomes_one_event_on_the_morph() -> Result<()> {
    Cluster::run("denied", async |space| {
        let image = space.push_guest("fetch").await?.image;
        let allow = json!([{ "host": "api.weather.example", "pathPrefixes": ["/"] }]);
        let spec = json!({
            "image": image, "args": ["GET", "https://elsewhere.example/"], "run": { "backoffLimit": 2 },
            "capabilities": { "http": { "allow": allow } },
        });
        space.morph("curious", &spec).await?;
        let events = space.api::<Event>();
        let found = until(120, "an Event CapabilityDenied", async || {
            let all = events.list(&ListParams::default()).await?.items;
            let told: Vec<_> =
                all.into_iter().filter(|event| event.reason.as_deref() == Some("CapabilityDenied")).collect();
            Ok(if told.is_empty() { Err("none") } else { Ok(told) })
        })
        .await?;
        // Its three pods are refused the same; only a window of ten minutes that ends meanwhile makes it two.
        assert!(found.len() <= 2, "{found:#?}");
        let about = found[0].regarding.as_ref().context("it regards nothing")?;
        assert_eq!((about.kind.as_deref(), about.name.as_deref()), (Some("Morph"), Some("curious")));
        let note = found[0].note.as_deref().unwrap_or_default();
        assert!(note.contains("http") && note.contains("elsewhere.example"), "{note}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nodes_agents_have_no_right_over_morphs_events_or_secrets() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    for (group, resource) in [
        ("hayride.dev", "morphs"),
        ("hayride.dev", "morphs/status"),
        ("events.k8s.io", "events"),
        ("", "events"),
        ("", "secrets"),
        ("", "pods"),
        ("", "configmaps"),
    ] {
        for verb in ["get", "list", "create", "patch", "delete"] {
            let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let asked = ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(sub.to_owned()),
                verb: Some(verb.to_owned()),
                namespace: Some("morph-node".to_owned()),
                ..ResourceAttributes::default()
            };
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: Some(AGENT.to_owned()),
                    groups: Some(vec![
                        "system:serviceaccounts".to_owned(),
                        "system:authenticated".to_owned(),
                    ]),
                    resource_attributes: Some(asked),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let answer = reviews.create(&PostParams::default(), &review).await?;
            assert!(!answer.status.context("no answer")?.allowed, "{verb} {group}/{resource}/{sub}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_agent_runs_without_capabilities_and_with_a_token_for_the_operator_alone() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), "morph-node");
    let agents = pods.list(&ListParams::default().labels("app.kubernetes.io/name=morph-node")).await?.items;
    let spec = agents.first().and_then(|pod| pod.spec.clone()).context("no agent runs")?;
    let security = spec.containers[0].security_context.clone().unwrap_or_default();
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(security.capabilities.and_then(|all| all.drop), Some(vec!["ALL".to_owned()]));
    let sources = spec.volumes.iter().flatten().filter_map(|volume| volume.projected.as_ref());
    let tokens: Vec<_> = sources
        .flat_map(|projected| projected.sources.iter().flatten())
        .filter_map(|source| source.service_account_token.as_ref()?.audience.clone())
        .collect();
    assert_eq!(tokens, ["morph-operator"]);
    Ok(())
}
