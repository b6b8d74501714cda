//! Options of a Morph's pods, and what they ask of their node.

use crate::Quantity;
use crate::bounds::*;
use crate::checked::{rules, shape};
use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Options of a Morph's pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Further labels of the pods; keys under hayride.dev are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub labels: BTreeMap<String, String>,

    /// Further annotations of the pods; keys under hayride.dev are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,

    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "node_selector_schema")]
    pub node_selector: BTreeMap<String, String>,

    /// Which nodes and which neighbours the pods want or avoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// Taints of nodes that the pods bear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SCHEDULING_LIST_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub tolerations: Vec<Toleration>,

    /// How the pods are spread over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SCHEDULING_LIST_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// The pods' PriorityClass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub priority_class_name: Option<String>,

    /// A ServiceAccount in place of the Morph's own. Its token is never mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub service_account_name: Option<String>,

    /// Secrets with which the kubelet pulls the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PULL_SECRETS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalObjectRef>,

    /// When the kubelet asks the registry. IfNotPresent without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,

    /// When a Server's pod counts as started, ready and alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,

    /// How long a pod may take to end, in seconds. 30 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = GRACE_PERIOD_SECONDS_MAX))]
    pub termination_grace_period_seconds: Option<i64>,
}

fn map_schema(value: &Value, rules: &Value) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": TEMPLATE_KEYS_MAX,
        "additionalProperties": value,
        "x-kubernetes-validations": rules,
    })
}

fn label_value_schema() -> Value {
    let rules = shape::LABEL_VALUE.rules();
    json!({ "type": "string", "maxLength": LABEL_CHARS_MAX, "x-kubernetes-validations": rules })
}

fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    map_schema(&label_value_schema(), &rules::own_keys())
}

fn annotations_schema(_: &mut SchemaGenerator) -> Schema {
    map_schema(&json!({ "type": "string", "maxLength": ANNOTATION_CHARS_MAX }), &rules::own_keys())
}

fn node_selector_schema(_: &mut SchemaGenerator) -> Schema {
    map_schema(&label_value_schema(), &rules::keys())
}

/// An object of the Morph's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalObjectRef {
    /// Its name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
}

/// When the kubelet asks the registry for the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// At each start of a container.
    Always,
    /// When the node doesn't have it.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// When a Server's pod counts as started, ready and alive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::probes()))]
pub struct Probes {
    /// Until this succeeds, the others wait. None without a value: a Server's container has started once it
    /// listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// While this fails, the pod gets no requests. A TCP connection to the port without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// When this fails, the container starts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
}

/// A probe of the Server's port: exactly one of `httpGet` and `tcpSocket`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::probe()))]
pub struct Probe {
    /// Succeeds on an answer from 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGet>,
    /// Succeeds when the port accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocket>,
    /// How long to wait before the first, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = PROBE_MAX))]
    pub initial_delay_seconds: Option<i32>,
    /// How often, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = PROBE_MAX))]
    pub period_seconds: Option<i32>,
    /// How long to wait for an answer, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = PROBE_MAX))]
    pub timeout_seconds: Option<i32>,
    /// How many successes in a row count. Always 1 for startup and liveness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = PROBE_MAX))]
    pub success_threshold: Option<i32>,
    /// How many failures in a row count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = PROBE_MAX))]
    pub failure_threshold: Option<i32>,
}

/// A GET request to the Server's port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpGet {
    /// The request's path.
    #[schemars(length(min = 1, max = PATH_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::URL_PATH.rules()))]
    pub path: String,
}

/// A connection to the Server's port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpSocket {}

/// What the pod asks of its node, and its ceiling there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::resources()))]
pub struct Resources {
    /// What the scheduler sets aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<ResourceAmounts>,
    /// What the pod may not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ResourceAmounts>,
}

/// Amounts of a node's resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAmounts {
    /// CPU time, in cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
    /// Disk for logs and disk-backed empty directories, in bytes.
    #[serde(rename = "ephemeral-storage", default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<Quantity>,
}
