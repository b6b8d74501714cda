//! The definition on a real API server: accepted whole, defaults, sub-resources.

use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use morph_e2e::{Cluster, kubectl};
use serde_json::json;

#[tokio::test]
async fn the_definition_is_established_and_structural() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let definition = definitions.get("morphs.hayride.dev").await?;
    let conditions = definition.status.and_then(|s| s.conditions).context("no conditions")?;
    assert!(conditions.iter().any(|c| c.type_ == "Established" && c.status == "True"), "{conditions:?}");
    assert!(
        !conditions.iter().any(|c| c.type_ == "NonStructuralSchema" && c.status == "True"),
        "{conditions:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_hostile_status_is_not_the_specs_authors_to_write() -> Result<()> {
    Cluster::run("status", async |space| {
        // No image of this name exists: the operator only ever says so.
        space.morph("m", &json!({ "image": "10.245.0.1:5000/none/none:1" })).await?;
        let name = format!("writer-of-{}", space.name);
        space
            .apply(&format!(
                "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: w}},
                  roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}},
                  subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {name}}}]}}"
            ))
            .await?;
        let can = |verb: &str, part: &str| {
            let part = format!("--subresource={part}");
            let asked =
                ["auth", "can-i", verb, "morphs.hayride.dev", &part, "--as", &name, "-n", &space.name];
            kubectl(&asked).unwrap_or_else(|error| error.to_string())
        };
        assert!(can("create", "").starts_with("yes"));
        assert!(can("patch", "scale").starts_with("yes"));
        assert!(!can("patch", "status").starts_with("yes"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn defaults_are_filled_in_and_scale_answers() -> Result<()> {
    Cluster::run("defaults", async |space| {
        space.morph("m", &json!({ "image": "10.245.0.1:5000/none/none:1", "http": {} })).await?;
        let morph = space.get("m").await?;
        let http = morph.spec.http.context("no http")?;
        assert_eq!((morph.spec.replicas, http.port, http.lame_duck_seconds), (1, 8080, 3));
        let morphs = space.api::<morph_crds::Morph>();
        assert_eq!(morphs.get_scale("m").await?.spec.and_then(|s| s.replicas), Some(1));
        morphs
            .patch_scale("m", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "replicas": 4 } })))
            .await?;
        assert_eq!(space.get("m").await?.spec.replicas, 4);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused() -> Result<()> {
    Cluster::run("name", async |space| {
        for name in ["n".repeat(53), "1starts-with-a-digit".to_owned(), "with.dot".to_owned()] {
            let error = space.morph(&name, &json!({ "image": "registry.example/a/b:1" })).await;
            let text = format!("{:#}", error.err().with_context(|| format!("{name} was accepted"))?);
            assert!(text.contains("metadata.name"), "{text}");
        }
        Ok(())
    })
    .await
}
