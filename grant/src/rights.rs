//! What a component may do and use up, as the grant document says it. Plain data: what it means is decided
//! by `check` (imports), by the shim (mounts) and by the host (each use).

use serde::{Deserialize, Serialize};

/// What a component may do. Absent is denied; absence never widens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grants {
    /// Preopened directories. Empty: `wasi:filesystem/preopens` isn't granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filesystem: Vec<FilesystemGrant>,
    /// `wasi:cli/environment`: set when the YAML gives args or env.
    #[serde(default)]
    pub environment: bool,
    /// Requests over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGrant>,
    /// TCP and UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<SocketsGrant>,
    /// `wasi:config/store`. Empty: not granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigEntry>,
    /// Buckets of `wasi:keyvalue`. Empty: not granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyvalue: Vec<KeyvalueGrant>,
    /// `wasi:logging`, into the pod's log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logging: bool,
    /// Ambient rights that the component does without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Ambient>,
    /// Clock and random numbers that are the same in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determinism: Option<Determinism>,
}

impl Grants {
    /// Whether anything of the network is granted.
    #[must_use]
    pub fn has_network(&self) -> bool {
        self.http.is_some() || self.sockets.is_some()
    }

    /// Something of each capability: an import that is denied under these can't be had at all.
    #[must_use]
    pub fn of_each_capability() -> Self {
        let limits = HttpLimits { concurrency: 0, timeout_millis: 0, request_bytes: 0, response_bytes: 0 };
        Self {
            filesystem: vec![FilesystemGrant {
                volume: String::new(),
                path: "/".to_owned(),
                sub_path: None,
                access: Access::ReadWrite,
            }],
            environment: true,
            http: Some(HttpGrant { allow: Vec::new(), ca_bundle: None, limits }),
            sockets: Some(SocketsGrant::default()),
            config: vec![ConfigEntry { key: String::new(), value: None, file: None }],
            keyvalue: vec![KeyvalueGrant { bucket: String::new(), max_bytes: 0 }],
            logging: true,
            withheld: Vec::new(),
            determinism: None,
        }
    }
}

/// A right that every component has unless its Morph withholds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl Ambient {
    /// All of them, by name.
    pub const ALL: [Self; 6] =
        [Self::Clocks, Self::Exit, Self::Random, Self::Stderr, Self::Stdin, Self::Stdout];
}

/// One preopened directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilesystemGrant {
    /// Name of the volume; its mount stands in [`crate::Document::mounts`].
    pub volume: String,
    /// Absolute path by which the guest sees it.
    pub path: String,
    /// Directory of the volume that the guest gets, a relative path; the whole volume without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    /// Whether it may write.
    pub access: Access,
}

/// Access to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Reading alone.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// Requests over HTTP that the host sends for a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGrant {
    /// What may be asked; a request passes when one rule allows it. By host, then in the spec's order.
    pub allow: Vec<HttpRule>,
    /// Certificates trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<FileName>,
    /// Bounds of the requests.
    pub limits: HttpLimits,
}

/// One rule of an [`HttpGrant`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRule {
    /// A lower-case DNS name, `*.` and a suffix of two labels or more (which stands for every name below
    /// it, not for the suffix itself), or an address (an IPv6 one in brackets).
    pub host: String,
    /// TCP ports.
    pub ports: Vec<u16>,
    /// Methods, in capitals.
    pub methods: Vec<String>,
    /// Beginnings of the normalised path, cut at slashes: `/v1` stands for `/v1` and all below `/v1/`.
    pub path_prefixes: Vec<String>,
    /// How it is spoken to.
    pub scheme: HttpScheme,
    /// Networks, as CIDR, that the name may resolve into though they aren't public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// What the host puts into the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
}

/// How an HTTP host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpScheme {
    /// Over TLS, the certificate verified against the host's name.
    #[serde(rename = "HTTPS")]
    Https,
    /// In plain.
    #[serde(rename = "HTTP")]
    Http,
}

/// A header that the host sets after a request was allowed; no guest sees its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// The header's name. What a guest sets under it is dropped.
    pub header: String,
    /// Put before the Secret's value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The file with the Secret's value.
    pub file: FileName,
    /// Whether it may be sent without TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
}

/// Name of a file in the mount of [`crate::MountUse::Files`], which no guest sees: letters, digits and `-`.
pub type FileName = String;

/// Bounds of the requests that a component sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpLimits {
    /// Requests under way at once, of the part in its pod.
    pub concurrency: u32,
    /// How long a request may take to the end of its answer's head, and then each wait for a piece of the
    /// body, in milliseconds.
    pub timeout_millis: u32,
    /// Size of a request's body, in bytes.
    pub request_bytes: u64,
    /// Size of an answer's body, in bytes.
    pub response_bytes: u64,
}

/// Sockets that a component may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SocketsGrant {
    /// Whom it may connect or send to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<ConnectRule>,
    /// On what it may listen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<ListenRule>,
    /// Names (or `*.` and a suffix) that it may look up; those of `connect` are understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookup: Vec<String>,
}

/// Whom a component may connect or send to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectRule {
    /// Who.
    pub peer: Peer,
    /// Ports.
    pub ports: Vec<u16>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Networks, as CIDR, that the name may resolve into though they aren't public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// The other side of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// A name as in [`HttpRule::host`]; the component finds its addresses by looking it up.
    Host(String),
    /// A network as CIDR.
    Cidr(String),
}

/// On what a component may listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenRule {
    /// The port, on any address of the pod.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP
    #[serde(rename = "UDP")]
    Udp,
}

/// One entry of `wasi:config/store`: exactly one of value and file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigEntry {
    /// Its key.
    pub key: String,
    /// Its value, where it stands in the YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The file with its value, where it comes from a ConfigMap or Secret. A missing file is a missing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileName>,
}

/// A bucket of `wasi:keyvalue`, in the worker's memory: it ends with the pod's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyvalueGrant {
    /// The name by which `open` finds it.
    pub bucket: String,
    /// Keys and values in all, in bytes.
    pub max_bytes: u64,
}

/// Clock and random numbers that are the same in every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Determinism {
    /// Seed of all random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What the wall clock shows, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_unix_millis: Option<i64>,
    /// By how much each reading moves both clocks, in milliseconds; they stand still without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_millis: Option<u32>,
}

/// What a component may use up. Absent: the host's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time of one call (a request, a Command's run), in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_per_call_millis: Option<u32>,
    /// Standard output and standard error together, in bytes a second; who writes more waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes_per_second: Option<u64>,
}
