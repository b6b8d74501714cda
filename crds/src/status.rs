//! The status of a Morph: what runs, what each import was answered, and the conditions.

use crate::bounds::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator found and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MorphStatus {
    /// The generation that the rest is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// What runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = COMPONENTS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<ComponentStatus>,

    /// Each import of each component, and what answers it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = IMPORTS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["component", "interface"]))]
    pub imports: Vec<ImportStatus>,

    /// What parts answer to each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = IMPORTS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["from", "interface"]))]
    pub links: Vec<LinkStatus>,

    /// Digest of what was composed: of the plan and of each part's bytes. None without plugs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 71))]
    pub composed: Option<String>,

    /// Pods that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,

    /// The pods' label selector, as text: scalers read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SUBDOMAIN_CHARS_MAX))]
    pub selector: Option<String>,

    /// Where a Server answers inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SUBDOMAIN_CHARS_MAX))]
    pub url: Option<String>,

    /// Resolved, Composed (with plugs), ImportsSatisfied, WithinCeiling, Available, Ready; Reconciling or
    /// Stalled when they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CONDITIONS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A component that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// The Morph's name for its own component, the plug's for a plug.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    pub name: String,
    /// The image, pinned by the digest of its manifest.
    #[schemars(length(min = 1, max = PINNED_IMAGE_CHARS_MAX))]
    pub image: String,
    /// Digest of the component's own bytes.
    #[schemars(length(min = 1, max = 71))]
    pub digest: String,
    /// How it runs; none of a plug, which is called by other parts.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<RunType>,
}

/// An import that another part answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// The component that imports.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    pub from: String,
    /// The interface's id.
    #[schemars(length(min = 1, max = INTERFACE_CHARS_MAX))]
    pub interface: String,
    /// The component that answers.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    pub to: String,
}

/// How a component runs: what Auto was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RunType {
    /// `wasi:cli/run` once, to its end.
    Command,
    /// A `wasi:http` handler, until it is told to stop.
    Server,
}

/// What answers one import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportStatus {
    /// The component that imports.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    pub component: String,
    /// The interface's id.
    #[schemars(length(min = 1, max = INTERFACE_CHARS_MAX))]
    pub interface: String,
    /// What answers it.
    pub answer: Answer,
    /// The field that grants it, or that would; of Plug, the component that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SUBDOMAIN_CHARS_MAX))]
    pub by: Option<String>,
}

/// What answers an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Answer {
    /// The host, because the YAML grants it.
    Granted,
    /// The host, for everybody.
    Ambient,
    /// Another component.
    Plug,
    /// Nothing: no pod is made.
    Denied,
}

#[cfg(test)]
mod tests;
