//! Variables that the kubelet puts into the container: those by reference, a plug's under a name that no
//! guest sees. Values that stand in the YAML are in the grant document alone, so nothing here is expanded.

use super::plug;
use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, ConfigMapKeySelector, EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector,
    SecretEnvSource, SecretKeySelector,
};
use morph_crds::MorphSpec;

pub(super) fn env(spec: &MorphSpec) -> Option<Vec<EnvVar>> {
    let mut env: Vec<_> = spec.env.iter().filter_map(by_reference).collect();
    env.extend(plug::numbered(spec).flat_map(|(index, plug)| {
        let of_plug = move |var: EnvVar| EnvVar { name: plug::variable(index, &var.name), ..var };
        plug.env.iter().filter_map(by_reference).map(of_plug)
    }));
    env.sort_by(|a, b| a.name.cmp(&b.name));
    (!env.is_empty()).then_some(env)
}

fn by_reference(var: &morph_crds::EnvVar) -> Option<EnvVar> {
    let from = var.value_from.as_ref()?;
    let source = EnvVarSource {
        config_map_key_ref: from.config_map_key_ref.as_ref().map(|key| ConfigMapKeySelector {
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional,
        }),
        secret_key_ref: from.secret_key_ref.as_ref().map(|key| SecretKeySelector {
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional,
        }),
        field_ref: from.field_ref.as_ref().map(|field| ObjectFieldSelector {
            api_version: Some("v1".to_owned()),
            field_path: field.field_path.clone(),
        }),
        ..Default::default()
    };
    Some(EnvVar { name: var.name.clone(), value: None, value_from: Some(source) })
}

/// The order stays: of two with the same key, Kubernetes takes the last.
pub(super) fn env_from(spec: &MorphSpec) -> Option<Vec<EnvFromSource>> {
    let source = |from: &morph_crds::EnvFrom| EnvFromSource {
        prefix: from.prefix.clone().filter(|prefix| !prefix.is_empty()),
        config_map_ref: from
            .config_map_ref
            .as_ref()
            .map(|object| ConfigMapEnvSource { name: object.name.clone(), optional: object.optional }),
        secret_ref: from
            .secret_ref
            .as_ref()
            .map(|object| SecretEnvSource { name: object.name.clone(), optional: object.optional }),
    };
    (!spec.env_from.is_empty()).then(|| spec.env_from.iter().map(source).collect())
}
