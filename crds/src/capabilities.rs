//! What a component may do: the capabilities and the entries of its configuration. Shapes and bounds only.

use crate::bounds::*;
use crate::checked::{rules, shape};
use crate::{Cidr, ConfigMapKeyRef, HostPattern, PathPrefix, Quantity, SecretKeyRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a component may do. What isn't here does not exist for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Requests over HTTP that the host sends for the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpEgress>,

    /// Directories that the guest sees, each a volume of the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = FILESYSTEM_MAX), extend("x-kubernetes-validations" = rules::filesystem()))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub filesystem: Vec<Filesystem>,

    /// TCP and UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Sockets>,

    /// Buckets of `wasi:keyvalue`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = KEYVALUE_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["bucket"]))]
    pub keyvalue: Vec<Keyvalue>,

    /// `wasi:logging`, as structured lines in the pod's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
}

/// One directory that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filesystem {
    /// A volume of `spec.volumes`.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::LABEL.rules()))]
    pub volume: String,

    /// Where the guest sees it: an absolute path.
    #[schemars(length(min = 1, max = PATH_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::GUEST_PATH.rules()))]
    pub path: String,

    /// Directory of the volume that the guest gets; no link on the way is followed. The whole volume without
    /// a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = PATH_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUB_PATH.rules()))]
    pub sub_path: Option<String>,

    /// Whether the guest may write.
    #[serde(default)]
    pub access: Access,
}

/// Access to a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Access {
    /// Reading alone.
    #[default]
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// Requests over HTTP that the host sends for the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpEgress {
    /// What may be asked. A request passes when one rule allows all of it.
    #[schemars(length(min = 1, max = RULES_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub allow: Vec<HttpRule>,

    /// Certificates that are trusted besides the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundle>,

    /// Bounds of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<HttpLimits>,
}

/// What may be asked of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::http_rule()))]
pub struct HttpRule {
    /// A DNS name, `*.` and a suffix of two labels or more that is no public one (it stands for every name
    /// below it), an IPv4 address, or an IPv6 address in brackets.
    pub host: HostPattern,

    /// TCP ports.
    #[serde(default = "ports_default")]
    #[schemars(length(min = 1, max = RULE_PORTS_MAX), inner(range(min = 1, max = 65_535)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ports: Vec<u16>,

    /// Methods.
    #[serde(default = "methods_default")]
    #[schemars(length(min = 1, max = METHODS_MAX), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Vec<Method>,

    /// Beginnings of the path, cut at slashes: `/v1` stands for `/v1` and all below it. `[/]` is all.
    #[schemars(length(min = 1, max = PATH_PREFIXES_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub path_prefixes: Vec<PathPrefix>,

    /// How the host is spoken to.
    #[serde(default)]
    pub scheme: Scheme,

    /// Networks, as CIDR, that the name may resolve into though they aren't public: those of the cluster's
    /// Services, for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULE_ADDRESSES_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub addresses: Vec<Cidr>,

    /// A header that the host sets, from a Secret that the guest never sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
}

fn ports_default() -> Vec<u16> {
    vec![HTTPS_PORT]
}

fn methods_default() -> Vec<Method> {
    vec![Method::Get, Method::Head]
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the words are HTTP's own (RFC 9110, RFC 5789)
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
        }
    }
}

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scheme {
    /// Over TLS, the certificate verified against the host's name.
    #[default]
    Https,
    /// In plain.
    Http,
}

/// A header that the host sets once a request is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::credential()))]
pub struct Credential {
    /// The header's name. What a guest sets under it is dropped.
    #[schemars(length(min = 1, max = HEADER_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::HEADER.rules()))]
    pub header: String,

    /// Put before the Secret's value, such as `Bearer` and a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = HEADER_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::HEADER_VALUE.rules()))]
    pub prefix: Option<String>,

    /// The key of a Secret.
    pub secret_key_ref: CredentialKeyRef,

    /// Send it without TLS, to a host of this cluster.
    #[serde(rename = "allowPlainHTTP", default, skip_serializing_if = "Option::is_none")]
    pub allow_plain_http: Option<bool>,
}

/// A key of a Secret of the Morph's namespace; it must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::SUBDOMAIN.rules()))]
    pub name: String,
    /// The key.
    #[schemars(length(min = 1, max = SUBDOMAIN_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::KEY.rules()))]
    pub key: String,
}

/// Where certificates come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaBundle {
    /// A key of a ConfigMap: PEM.
    pub config_map_key_ref: CredentialKeyRef,
}

/// Bounds of the requests that a component sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::http_limits()))]
pub struct HttpLimits {
    /// Requests under way at once, of this part in each pod. 32 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = CONCURRENCY_MAX))]
    pub max_concurrency: Option<u32>,

    /// How long a request may take to the end of its answer's head, and then each wait for a piece of the
    /// body, in milliseconds. 30000 without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = TIMEOUT_MILLIS_MAX))]
    pub timeout_millis: Option<u32>,

    /// The largest body of a request, at most 4Gi. 16Mi without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes_max: Option<Quantity>,

    /// The largest body of an answer, at most 4Gi. 64Mi without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes_max: Option<Quantity>,
}

/// TCP and UDP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::sockets()))]
pub struct Sockets {
    /// Whom the guest may connect or send to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULES_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub connect: Vec<Connect>,

    /// On what the guest may listen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LISTEN_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub listen: Vec<Listen>,

    /// Names that the guest may look up, besides the hosts of `connect`; `*.` and a suffix stands for every
    /// name below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULES_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub lookup: Vec<HostPattern>,
}

/// Whom the guest may connect or send to: exactly one of host and cidr.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::connect()))]
pub struct Connect {
    /// A name as in `http.allow`; the guest finds its addresses by looking it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPattern>,

    /// A network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Cidr>,

    /// Ports.
    #[schemars(length(min = 1, max = RULE_PORTS_MAX), inner(range(min = 1, max = 65_535)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ports: Vec<u16>,

    /// TCP or UDP.
    #[serde(default)]
    pub protocol: Protocol,

    /// Networks, as CIDR, that the name may resolve into though they aren't public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULE_ADDRESSES_MAX))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub addresses: Vec<Cidr>,
}

/// On what the guest may listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listen {
    /// The port, on any address of the pod.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,

    /// TCP or UDP.
    #[serde(default)]
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the words are the protocols' own
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

/// A bucket of `wasi:keyvalue`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keyvalue {
    /// The name by which the guest opens it.
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::LABEL.rules()))]
    pub bucket: String,

    /// It lies in the pod's memory, is shared by its requests and ends with its container.
    pub memory: KeyvalueMemory,
}

/// A bucket in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::keyvalue_memory()))]
pub struct KeyvalueMemory {
    /// What its keys and values may take, at least 1Ki and at most 1Gi.
    pub max_bytes: Quantity,
}

/// `wasi:logging`. It has no options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Logging {}

/// One entry of `wasi:config/store`: a value, or where to take it from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::config_entry()))]
pub struct ConfigEntry {
    /// Its key.
    #[schemars(length(min = 1, max = ENV_NAME_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::CONFIG_KEY.rules()))]
    pub key: String,

    /// Its value, word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = ENV_VALUE_CHARS_MAX))]
    pub value: Option<String>,

    /// Where to take its value from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ConfigEntrySource>,
}

/// Where an entry's value comes from: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::config_source()))]
pub struct ConfigEntrySource {
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,

    /// A key of a Secret. The guest can read it: that is what this asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// A right that every component has unless its Morph withholds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Ambient {
    /// `wasi:clocks`
    Clocks,
    /// `wasi:cli/exit`
    Exit,
    /// `wasi:random`
    Random,
    /// `wasi:cli/stderr` and its terminal
    Stderr,
    /// `wasi:cli/stdin` and its terminal
    Stdin,
    /// `wasi:cli/stdout` and its terminal
    Stdout,
}

/// Clock and random numbers that are the same in every run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::determinism()))]
pub struct Determinism {
    /// Seed of all random numbers. The system's numbers without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = SEED_MAX))]
    pub seed: Option<i64>,

    /// What the wall clock shows (RFC 3339, in UTC); the monotonic clock starts at zero. The system's clocks
    /// without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TIMESTAMP_CHARS_MAX))]
    #[schemars(extend("x-kubernetes-validations" = shape::TIMESTAMP.rules()))]
    pub clock: Option<String>,

    /// By how much each reading moves both clocks, in milliseconds. They stand still without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = CLOCK_STEP_MILLIS_MAX))]
    pub clock_step_millis: Option<u32>,
}
