//! The MorphPolicy resource: the ceiling of the namespaces that choose it. Shapes and bounds only; what is
//! above it is in `ceiling`.

#![allow(clippy::duplicated_attributes)] // several printer columns have one type

use crate::bounds::*;
use crate::checked::{rules, shape};
use crate::{
    Access, Cidr, HostCeiling, HostPattern, ImagePrefix, KeyvalueMemory, Limits, Logging, Method, ObjectName,
    Protocol,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What Morphs may ask for. What isn't said here isn't allowed.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hayride.dev",
    version = "v1alpha1",
    kind = "MorphPolicy",
    plural = "morphpolicies",
    shortname = "mop",
    category = "hayride",
    derive = "PartialEq",
    doc = "The ceiling of the namespaces whose label hayride.dev/policy has its name. The one named default \
           is also that of namespaces without the label.",
    printcolumn(name = "Enforcement", type_ = "string", json_path = ".spec.enforcement"),
    printcolumn(name = "OnViolation", type_ = "string", json_path = ".spec.onViolation"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MorphPolicySpec {
    /// What happens to a Morph that asks for more.
    #[serde(default)]
    pub enforcement: Enforcement,

    /// What happens to the pods of a Morph that was within the policy and is above it since the policy, or
    /// the namespace's label, changed.
    #[serde(default)]
    pub on_violation: OnViolation,

    /// Which images.
    pub images: ImageCeiling,

    /// Which capabilities. A kind that isn't here isn't allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilityCeiling>,

    /// Whether values of Secrets may reach a guest: by secretKeyRef of env and config, by secretRef of
    /// envFrom, by volumes of Secrets. A credential of `capabilities.http` reaches no guest and is not meant.
    #[serde(default)]
    pub secrets_in_guests: bool,

    /// Names for `template.serviceAccountName`. A Morph's own account, which has no rights, needs no name
    /// here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_ACCOUNTS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub service_accounts: Vec<ObjectName>,

    /// Greatest limits. A Morph without a limit has the host's default, and so has a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// Most pods of one Morph: `replicas` of a Server, `run.parallelism` of a Command.
    #[serde(default = "max_replicas_default")]
    #[schemars(range(min = 0, max = REPLICAS_MAX))]
    pub max_replicas: i32,

    /// Most requests under way at once in one pod: to it (`http.maxConcurrency`, of which 128 is the default)
    /// and, as many again, from all its parts together (the sum of each part's
    /// `capabilities.http.limits.maxConcurrency`, of which 32 is the default).
    #[serde(default = "max_concurrency_default")]
    #[schemars(range(min = 1, max = CONCURRENCY_MAX))]
    pub max_concurrency: u32,
}

fn max_replicas_default() -> i32 {
    1
}

fn max_concurrency_default() -> u32 {
    CONCURRENCY_DEFAULT
}

/// What happens to a Morph that asks for more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Enforcement {
    /// The API server refuses it, and the operator makes no pods of it.
    #[default]
    Deny,
    /// Who writes it is warned.
    Warn,
    /// It stands in the API server's audit log.
    Audit,
}

/// What happens to pods of a Morph that is above its policy by now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnViolation {
    /// They stay as they are; nothing new is rolled out.
    #[default]
    Keep,
    /// They are deleted.
    Drain,
}

/// Which images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageCeiling {
    /// How an image begins, with its registry. `registry.example/acme` stands for that repository, for all
    /// below it, for each of its tags and digests, and not for `registry.example/acme-2`.
    #[schemars(length(min = 1, max = POLICY_PREFIXES_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub prefixes: Vec<ImagePrefix>,
}

/// Which capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapabilityCeiling {
    /// `capabilities.http`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCeiling>,

    /// `capabilities.filesystem`, and the volumes of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<FilesystemCeiling>,

    /// `capabilities.sockets`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<SocketsCeiling>,

    /// `capabilities.keyvalue`: the size of each bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyvalue: Option<KeyvalueMemory>,

    /// `capabilities.logging`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
}

/// Which requests over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCeiling {
    /// Hosts. `*.` and a suffix stands for every name and every pattern below it; `*` alone for every host.
    #[schemars(length(min = 1, max = POLICY_HOSTS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<HostCeiling>,

    /// Ports.
    #[serde(default = "ports_default")]
    #[schemars(length(min = 1, max = POLICY_PORTS_MAX), inner(range(min = 1, max = 65_535)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ports: Vec<u16>,

    /// Methods.
    #[serde(default = "methods_default")]
    #[schemars(length(min = 1, max = METHODS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Vec<Method>,

    /// Whether hosts may be spoken to without TLS.
    #[serde(rename = "allowPlainHTTP", default)]
    pub allow_plain_http: bool,

    /// Networks within which `addresses` of rules must be. None without a value: names lead to public
    /// addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_NETWORKS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub addresses: Vec<Cidr>,

    /// Which Secret may go to which hosts. None without a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_CREDENTIALS_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["secret"]))]
    pub credentials: Vec<CredentialCeiling>,

    /// Whether a Morph may bring certificates of its own (`caBundle`): whoever holds their keys is then taken
    /// for any host, and gets its credentials.
    #[serde(default)]
    pub ca_bundle: bool,
}

fn ports_default() -> Vec<u16> {
    vec![HTTPS_PORT]
}

fn methods_default() -> Vec<Method> {
    vec![Method::Get, Method::Head]
}

/// Where one Secret may go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialCeiling {
    /// The Secret's name, in the Morph's namespace.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub secret: String,

    /// Hosts that it may be sent to. All hosts can't be said: a Secret that may go anywhere is none.
    #[schemars(length(min = 1, max = POLICY_CREDENTIAL_HOSTS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<HostPattern>,
}

/// Which volumes, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemCeiling {
    /// Kinds of volumes. A projected volume is judged by each of its sources.
    #[schemars(length(min = 1, max = POLICY_VOLUMES_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub volumes: Vec<VolumeKind>,

    /// Greatest access.
    #[serde(default)]
    pub access: Access,
}

/// A kind of volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum VolumeKind {
    /// `emptyDir`
    EmptyDir,
    /// `configMap`
    ConfigMap,
    /// `secret`; it takes `secretsInGuests` as well.
    Secret,
    /// `downwardAPI`
    #[serde(rename = "DownwardAPI")]
    DownwardApi,
    /// `persistentVolumeClaim`
    PersistentVolumeClaim,
}

/// Which sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::sockets_ceiling()))]
pub struct SocketsCeiling {
    /// Hosts of `connect`, as in `http.hosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_HOSTS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<HostCeiling>,

    /// Networks within which `cidr` and `addresses` of `connect` must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_NETWORKS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub cidrs: Vec<Cidr>,

    /// Ports of `connect`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_PORTS_MAX), inner(range(min = 1, max = 65_535)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ports: Vec<u16>,

    /// Protocols of `connect` and `listen`.
    #[serde(default = "protocols_default")]
    #[schemars(length(min = 1, max = POLICY_PROTOCOLS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub protocols: Vec<Protocol>,

    /// Ports of `listen`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_PORTS_MAX), inner(range(min = 1, max = 65_535)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub listen: Vec<u16>,

    /// Names of `lookup`, as in `http.hosts`. Hosts of `connect` may be looked up anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = POLICY_HOSTS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub lookup: Vec<HostCeiling>,
}

fn protocols_default() -> Vec<Protocol> {
    vec![Protocol::Tcp]
}
