//! The Morph resource: what people write. Shapes and bounds only; what they mean together is in `checked`.

#![allow(clippy::duplicated_attributes)] // several printer columns have one type

use crate::bounds::*;
use crate::checked::{rules, shape};
use crate::{
    Ambient, Capabilities, ConfigEntry, Determinism, EnvFrom, EnvVar, Link, MorphStatus, Plug, Quantity,
    Resources, Template, Volume,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Morph is: a component, how it runs, and all that it may do.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hayride.dev",
    version = "v1alpha1",
    kind = "Morph",
    plural = "morphs",
    shortname = "mo",
    category = "hayride",
    namespaced,
    status = "MorphStatus",
    derive = "PartialEq",
    doc = "A WebAssembly component that runs with exactly the capabilities granted here.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Type", type_ = "string", json_path = ".status.components[0].type"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::spec()))]
pub struct MorphSpec {
    /// The component as an OCI artifact: `registry/repository` with a tag or a digest. A tag is resolved once
    /// for each generation and pinned in status.
    #[schemars(length(min = 1, max = IMAGE_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::IMAGE.rules()))]
    pub image: String,

    /// Command runs once to its end, Server answers HTTP. Auto takes what the component exports.
    #[serde(rename = "type", default)]
    pub type_: MorphType,

    /// How many pods a Server has. 0 is legal.
    #[serde(default = "replicas_default")]
    #[schemars(range(min = 0, max = REPLICAS_MAX))]
    pub replicas: i32,

    /// When and how often a Command runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,

    /// Arguments after the program's name, word for word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ARGS_MAX), inner(length(max = ARG_CHARS_MAX)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub args: Vec<String>,

    /// Environment variables, by value or by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ENV_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,

    /// ConfigMaps and Secrets whose keys all become environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ENV_FROM_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub env_from: Vec<EnvFrom>,

    /// How a Server serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,

    /// Entries of `wasi:config/store`, by value or by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CONFIG_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub config: Vec<ConfigEntry>,

    /// Volumes of the pod. A guest sees one only where `capabilities.filesystem` grants it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = VOLUMES_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<Volume>,

    /// What the component may do. Absent means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,

    /// What every component may use and this one does without. An import of it is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = WITHHOLD_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub withhold: Vec<Ambient>,

    /// Further components, linked with the Morph's own and each other by what they import and export. Each
    /// has rights of its own; `limits`, `determinism` and `volumes` are the whole's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PLUGS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub plugs: Vec<Plug>,

    /// Which part answers an import, where more than one could.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LINKS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["from", "interface"]))]
    pub links: Vec<Link>,

    /// Clock and random numbers that are the same in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determinism: Option<Determinism>,

    /// What one instance of the component may use up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// What the pod asks of its node, and its ceiling there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Options of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

fn replicas_default() -> i32 {
    1
}

/// How a Morph runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MorphType {
    /// As the component's exported interface says.
    #[default]
    Auto,
    /// `wasi:cli/run` once, to its end.
    Command,
    /// A `wasi:http` handler, until it is told to stop.
    Server,
}

/// When and how often a Command runs: a Job, or a CronJob with a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::run()))]
pub struct Run {
    /// A cron line of five fields (minute, hour, day of month, month, day of week), or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SCHEDULE_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SCHEDULE.rules()))]
    pub schedule: Option<String>,

    /// The time zone of the schedule, as the IANA database names it. The controller manager's without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TIME_ZONE_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::TIME_ZONE.rules()))]
    pub time_zone: Option<String>,

    /// What to do when it is time and the last run still runs. Forbid without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,

    /// Start nothing; a running Job is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// How many pods run at once. 1 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COMPLETIONS_MAX))]
    pub parallelism: Option<i32>,

    /// How many pods must succeed. 1 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = COMPLETIONS_MAX))]
    pub completions: Option<i32>,

    /// How many failures are tried again. 3 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = BACKOFF_LIMIT_MAX))]
    pub backoff_limit: Option<i32>,

    /// How long all tries together may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = ACTIVE_DEADLINE_SECONDS_MAX))]
    pub active_deadline_seconds: Option<i64>,
}

/// What to do when it is time and the last run still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// Run both.
    Allow,
    /// Leave the new one out.
    #[default]
    Forbid,
    /// Stop the old one.
    Replace,
}

/// How a Server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::http()))]
pub struct Http {
    /// TCP port of the pods and of the Service.
    #[serde(default = "http_port_default")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,

    /// How long to go on accepting after SIGTERM, in seconds: endpoints lag behind the signal.
    #[serde(default = "lame_duck_seconds_default")]
    #[schemars(range(min = 0, max = LAME_DUCK_SECONDS_MAX))]
    pub lame_duck_seconds: u32,

    /// How many requests a pod works on at once; past it the answer is 503. 128 without a
    /// value, which is the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = SERVED_CONCURRENCY_MAX))]
    pub max_concurrency: Option<u32>,

    /// How long the guest may take to begin its answer, in milliseconds. 60000 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = TIMEOUT_MILLIS_MAX))]
    pub request_timeout_millis: Option<u32>,

    /// The largest body of a request, at most 4Gi; past it the answer is 413. The host's default without a
    /// value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<Quantity>,

    /// Which instance of the component answers a request. `PerRequest` without a value.
    #[serde(default, skip_serializing_if = "Reuse::is_per_request")]
    pub reuse: Reuse,
}

/// Which instance of a Server answers a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reuse {
    /// A fresh one for each request: none sees what another left in memory.
    #[default]
    PerRequest,
    /// Instances are kept, and each answers one request after the other: a guest is made once for many of
    /// them, and what it keeps in memory is there at the next one, whoever sends it. One that fails is never
    /// used again.
    Pooled,
}

impl Reuse {
    fn is_per_request(&self) -> bool {
        *self == Self::PerRequest
    }
}

fn http_port_default() -> u16 {
    HTTP_PORT_DEFAULT
}

fn lame_duck_seconds_default() -> u32 {
    LAME_DUCK_SECONDS_DEFAULT
}

impl Default for Http {
    fn default() -> Self {
        Self {
            port: HTTP_PORT_DEFAULT,
            lame_duck_seconds: LAME_DUCK_SECONDS_DEFAULT,
            max_concurrency: None,
            request_timeout_millis: None,
            body_bytes_max: None,
            reuse: Reuse::default(),
        }
    }
}

/// What one instance of the component may use up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::limits()))]
pub struct Limits {
    /// Linear memory of one instance, at least 64Ki and at most 4Gi. The host's default without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,

    /// Processor time of one request, or of a Command's whole run, in milliseconds. The host's default
    /// without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = CPU_PER_CALL_MILLIS_MAX))]
    pub cpu_per_call_millis: Option<u32>,

    /// Standard output and standard error together, at least 1Ki and at most 1Gi; who writes more waits. The
    /// host's default without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes_per_second: Option<Quantity>,
}
