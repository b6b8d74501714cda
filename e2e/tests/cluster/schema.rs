//! The case table of `crds/` on a real API server: the same answers as the offline check gives, by field.

use anyhow::Result;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use morph_e2e::Cluster;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One row of `cases.yaml`.
#[derive(Deserialize)]
struct Case {
    says: String,
    spec: Value,
    #[serde(default)]
    refused: BTreeMap<String, String>,
}

#[tokio::test]
async fn the_api_server_answers_each_case_as_the_table_says() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("hayride.dev", "v1alpha1", "Morph"));
    let morphs: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), "default", &kind);
    let cases: Vec<Case> = serde_norway::from_str(include_str!("../../../crds/src/checked/cases.yaml"))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    for case in cases {
        let mut spec = json!({ "image": "registry.example/acme/weather:1.0" });
        for (field, value) in case.spec.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        let morph = DynamicObject::new("weather", &kind).data(json!({ "spec": spec }));
        let causes = match morphs.create(&dry_run, &morph).await {
            Ok(_) => BTreeMap::new(),
            Err(kube::Error::Api(status)) => {
                let causes = status.details.map(|details| details.causes).unwrap_or_default();
                causes.into_iter().map(|cause| (cause.field, cause.message)).collect()
            }
            Err(error) => return Err(error.into()),
        };
        assert_eq!(
            causes.keys().collect::<Vec<_>>(),
            case.refused.keys().collect::<Vec<_>>(),
            "{}: {causes:?}",
            case.says
        );
        for (field, begins) in &case.refused {
            assert!(causes[field].contains(begins.as_str()), "{}: {}", case.says, causes[field]);
        }
    }
    Ok(())
}
