//! Further components of a Morph, and links that settle which of them answers an import.

use crate::bounds::*;
use crate::checked::{rules, shape};
use crate::{Ambient, Capabilities, ConfigEntry, EnvVar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A further component: it answers imports of other parts, and may do what stands here and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::plug()))]
pub struct Plug {
    /// Its name among the parts: in links, in status, in the log. `main` and the Morph's name stand for the
    /// Morph's own component, `host` for the host.
    #[schemars(length(min = 1, max = PLUG_NAME_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::LABEL.rules()))]
    pub name: String,

    /// The component as an OCI artifact: `registry/repository` with a tag or a digest, as the Morph's own.
    #[schemars(length(min = 1, max = IMAGE_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::IMAGE.rules()))]
    pub image: String,

    /// Its environment variables, by value or by reference; it sees no other part's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PLUG_ENV_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,

    /// Its entries of `wasi:config/store`, by value or by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PLUG_CONFIG_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub config: Vec<ConfigEntry>,

    /// What it may do. Absent means nothing, whatever other parts may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,

    /// What every component may use and this one does without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = WITHHOLD_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub withhold: Vec<Ambient>,
}

/// Which part, or the host, answers an import, where more than one could.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::link()))]
pub struct Link {
    /// The part that imports: `main` or a plug's name.
    #[schemars(length(min = 1, max = PLUG_NAME_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::LABEL.rules()))]
    pub from: String,

    /// What it imports, such as `acme:clock/now@0.1.0`; without a version, whatever version it imports.
    #[schemars(length(min = 1, max = INTERFACE_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::INTERFACE.rules()))]
    pub interface: String,

    /// What answers: a plug's name, or `host` (under the rights of the part that imports).
    #[schemars(length(min = 1, max = PLUG_NAME_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::LABEL.rules()))]
    pub to: String,
}
