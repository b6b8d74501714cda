//! Volumes of a pod, from the Morph's.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile,
    DownwardAPIVolumeSource, EmptyDirVolumeSource, KeyToPath, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, ProjectedVolumeSource, SecretProjection, SecretVolumeSource,
    VolumeProjection,
};
use morph_crds::{DownwardApiVolume, Medium, ProjectedSource, Volume};

/// Mode of files made from Secrets and other objects: readable by the pod's group, which owns them, and by
/// nobody else.
pub(super) const FILE_MODE: i32 = 0o440;

pub(super) fn volume(volume: &Volume) -> k8s_openapi::api::core::v1::Volume {
    k8s_openapi::api::core::v1::Volume {
        name: volume.name.clone(),
        empty_dir: volume.empty_dir.as_ref().map(|source| EmptyDirVolumeSource {
            medium: source.medium.map(|Medium::Memory| "Memory".to_owned()),
            size_limit: source.size_limit.as_ref().map(Into::into),
        }),
        config_map: volume.config_map.as_ref().map(|source| ConfigMapVolumeSource {
            name: source.name.clone(),
            items: items(&source.items),
            optional: source.optional,
            default_mode: Some(FILE_MODE),
        }),
        secret: volume.secret.as_ref().map(|source| SecretVolumeSource {
            secret_name: Some(source.secret_name.clone()),
            items: items(&source.items),
            optional: source.optional,
            default_mode: Some(FILE_MODE),
        }),
        projected: volume.projected.as_ref().map(|source| ProjectedVolumeSource {
            sources: Some(source.sources.iter().map(projection).collect()),
            default_mode: Some(FILE_MODE),
        }),
        downward_api: volume.downward_api.as_ref().map(|source| DownwardAPIVolumeSource {
            items: Some(files(source)),
            default_mode: Some(FILE_MODE),
        }),
        persistent_volume_claim: volume.persistent_volume_claim.as_ref().map(|source| {
            PersistentVolumeClaimVolumeSource {
                claim_name: source.claim_name.clone(),
                read_only: source.read_only.filter(|read_only| *read_only),
            }
        }),
        ..Default::default()
    }
}

fn projection(source: &ProjectedSource) -> VolumeProjection {
    VolumeProjection {
        config_map: source.config_map.as_ref().map(|source| ConfigMapProjection {
            name: source.name.clone(),
            items: items(&source.items),
            optional: source.optional,
        }),
        secret: source.secret.as_ref().map(|source| SecretProjection {
            name: source.name.clone(),
            items: items(&source.items),
            optional: source.optional,
        }),
        downward_api: source
            .downward_api
            .as_ref()
            .map(|source| DownwardAPIProjection { items: Some(files(source)) }),
        ..Default::default()
    }
}

fn items(items: &[morph_crds::KeyToPath]) -> Option<Vec<KeyToPath>> {
    let item = |item: &morph_crds::KeyToPath| KeyToPath {
        key: item.key.clone(),
        path: item.path.clone(),
        mode: None,
    };
    (!items.is_empty()).then(|| items.iter().map(item).collect())
}

fn files(source: &DownwardApiVolume) -> Vec<DownwardAPIVolumeFile> {
    let file = |item: &morph_crds::DownwardApiItem| DownwardAPIVolumeFile {
        path: item.path.clone(),
        field_ref: Some(ObjectFieldSelector {
            api_version: Some("v1".to_owned()),
            field_path: item.field_ref.field_path.clone(),
        }),
        ..Default::default()
    };
    source.items.iter().map(file).collect()
}

#[cfg(test)]
mod tests;
