//! Environment variables by value and by reference.

use crate::bounds::*;
use crate::checked::{rules, shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One environment variable: a value, or where to take it from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::env_var()))]
pub struct EnvVar {
    /// Its name.
    #[schemars(length(min = 1, max = ENV_NAME_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::ENV_NAME.rules()))]
    pub name: String,

    /// Its value, word for word: `$(X)` is not expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = ENV_VALUE_CHARS_MAX))]
    pub value: Option<String>,

    /// Where to take its value from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// Where a variable's value comes from: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::env_var_source()))]
pub struct EnvVarSource {
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,

    /// A key of a Secret. The guest can read it: that is what this asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,

    /// A field of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
}

/// A key of a ConfigMap of the Morph's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// The key.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::KEY.rules()))]
    pub key: String,
    /// Start without the variable when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A key of a Secret of the Morph's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// The key.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::KEY.rules()))]
    pub key: String,
    /// Start without the variable when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A field of the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldRef {
    /// `metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels['KEY']`,
    /// `metadata.annotations['KEY']`, `spec.nodeName`, `spec.serviceAccountName`, `status.podIP`,
    /// `status.podIPs`, `status.hostIP` or `status.hostIPs`.
    #[schemars(length(min = 1, max = SCHEDULING_CHARS_MAX + 32))]
    #[schemars(extend("x-kubernetes-validations" = shape::ENV_FIELD.rules()))]
    pub field_path: String,
}

/// A ConfigMap or Secret whose keys all become variables: exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::env_from()))]
pub struct EnvFrom {
    /// Put before each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = ENV_NAME_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::ENV_PREFIX.rules()))]
    pub prefix: Option<String>,

    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ObjectRef>,

    /// A Secret. The guest can read it: that is what this asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ObjectRef>,
}

/// An object of the Morph's namespace that may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// Start without it when it isn't there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}
