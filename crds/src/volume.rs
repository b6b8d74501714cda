//! Volumes of a Morph's pods: the kinds that need no right on the node.

use crate::Quantity;
use crate::bounds::*;
use crate::checked::{rules, shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A volume: a name and exactly one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::volume()))]
pub struct Volume {
    /// The name by which grants refer to it.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::LABEL.rules()))]
    pub name: String,

    /// A directory that lives as long as the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,

    /// Keys of a ConfigMap as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolume>,

    /// Keys of a Secret as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolume>,

    /// Several ConfigMaps, Secrets and pod fields in one directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedVolume>,

    /// Fields of the pod as files.
    #[serde(rename = "downwardAPI", default, skip_serializing_if = "Option::is_none")]
    pub downward_api: Option<DownwardApiVolume>,

    /// A persistent volume by its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<PersistentVolumeClaim>,
}

/// A directory that lives as long as the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// Memory keeps it in the node's memory. The node's disk without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    /// The pod is evicted when it holds more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,
}

/// What keeps an empty directory's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Medium {
    /// The node's memory.
    Memory,
}

/// Keys of a ConfigMap as files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapVolume {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// Which keys, and as which files. All without a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = VOLUME_ITEMS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub items: Vec<KeyToPath>,
    /// Start without it when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Keys of a Secret as files. The guest can read them: that is what this asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume {
    /// The Secret's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub secret_name: String,
    /// Which keys, and as which files. All without a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = VOLUME_ITEMS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub items: Vec<KeyToPath>,
    /// Start without it when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// One key as one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyToPath {
    /// The key.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::KEY.rules()))]
    pub key: String,
    /// The file's path in the volume.
    #[schemars(length(min = 1, max = PATH_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::FILE_PATH.rules()))]
    pub path: String,
}

/// Several sources in one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedVolume {
    /// What is put together.
    #[schemars(length(min = 1, max = PROJECTED_SOURCES_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub sources: Vec<ProjectedSource>,
}

/// One source of a projected volume: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::projected_source()))]
pub struct ProjectedSource {
    /// Keys of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ProjectedConfigMap>,
    /// Keys of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ProjectedSecret>,
    /// Fields of the pod.
    #[serde(rename = "downwardAPI", default, skip_serializing_if = "Option::is_none")]
    pub downward_api: Option<DownwardApiVolume>,
}

/// A ConfigMap in a projected volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedConfigMap {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// Which keys, and as which files. All without a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = VOLUME_ITEMS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub items: Vec<KeyToPath>,
    /// Start without it when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A Secret in a projected volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedSecret {
    /// The Secret's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// Which keys, and as which files. All without a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = VOLUME_ITEMS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub items: Vec<KeyToPath>,
    /// Start without it when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Fields of the pod as files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownwardApiVolume {
    /// Which fields, and as which files.
    #[schemars(length(min = 1, max = VOLUME_ITEMS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub items: Vec<DownwardApiItem>,
}

/// One field as one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownwardApiItem {
    /// The file's path in the volume.
    #[schemars(length(min = 1, max = PATH_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::FILE_PATH.rules()))]
    pub path: String,
    /// The field.
    pub field_ref: FileFieldRef,
}

/// A field of the pod that can be a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileFieldRef {
    /// `metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels`, `metadata.annotations`,
    /// `metadata.labels['KEY']` or `metadata.annotations['KEY']`.
    #[schemars(length(min = 1, max = SCHEDULING_CHARS_MAX + 32))]
    #[schemars(extend("x-kubernetes-validations" = shape::FILE_FIELD.rules()))]
    pub field_path: String,
}

/// A persistent volume by its claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersistentVolumeClaim {
    /// The claim's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub claim_name: String,
    /// Attach it read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}
