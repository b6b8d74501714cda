//! The grant document: everything that a Morph's pod may do, bound to the bytes that may do it.
//! It travels in a pod annotation; the shim takes args, literal env, limits and paths from here alone.

mod plugs;
mod rights;

use crate::{Access, Digest, FilesystemGrant, Grants, Limits, Peer, walks_round};
use morph_component::InterfaceId;
use serde::{Deserialize, Serialize};

/// Name of the container that the operator makes: the only one of a pod that its grant is for.
pub const CONTAINER: &str = "morph";

/// One pod template's grant. Field order is the canonical encoding's order: only append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Version of this shape: [`Document::VERSION`].
    pub version: u32,
    /// Whom this grant is for.
    pub subject: Subject,
    /// How the first component is run.
    pub run: RunType,
    /// The main component first, then its plugs by name.
    pub components: Vec<Component>,
    /// Arguments after the program's name (which is the component's name).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment whose values stand in the YAML.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvLiteral>,
    /// Names of variables whose values the kubelet puts into the container (ConfigMap, Secret, field).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_references: Vec<String>,
    /// Prefixes of `envFrom`: every variable of the container that starts with one of them is passed,
    /// but for those that containerd and the kubelet set themselves. An empty prefix stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_prefixes: Vec<String>,
    /// Mounts of the container that the shim may use, and for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Set exactly when `run` is [`RunType::Server`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
}

/// Whom a document is for. Not the generation: scaling changes that and must not roll a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// The cluster: uid of the namespace `kube-system`.
    pub cluster: String,
    /// The Morph's namespace.
    pub namespace: String,
    /// The Morph's name.
    pub name: String,
    /// The Morph's uid.
    pub uid: String,
}

/// How a Morph is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunType {
    /// `wasi:cli/run` once, to its end.
    Command,
    /// `wasi:http` handler, until it is told to stop.
    Server,
}

/// One component with its own rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// The Morph's name for the main component, the plug's name for a plug.
    pub name: String,
    /// Digest of the OCI manifest.
    pub manifest: Digest,
    /// Digest of the component's own bytes (the layer).
    pub content: Digest,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
    /// What it may use up.
    #[serde(default)]
    pub limits: Limits,
    /// Imports answered by other components.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// A plug's environment whose values stand in the YAML; the main component's is [`Document::env`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvLiteral>,
    /// A plug's environment whose values the kubelet puts into the container, under names that no guest sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_references: Vec<EnvReference>,
}

/// How variables of the container begin that are a plug's: no other component sees them.
pub const PLUG_VARIABLE_PREFIX: &str = "HAYRIDE_PLUG_";

/// A plug's variable that comes by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvReference {
    /// Its name, as the plug sees it.
    pub name: String,
    /// The container's variable with its value; it begins with [`PLUG_VARIABLE_PREFIX`].
    pub variable: String,
}

/// An import answered by another component's export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// The imported interface id.
    pub interface: InterfaceId,
    /// Name of the component that exports it.
    pub to: String,
}

/// A literal environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvLiteral {
    /// Its name.
    pub name: String,
    /// Its value, word for word (no `$(…)` expansion).
    pub value: String,
}

/// A mount of the container that the shim may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Name of the pod's volume.
    pub volume: String,
    /// What kind of volume: decides below which directory of the pod its source must lie.
    pub kind: VolumeKind,
    /// Where the kubelet mounts it in the container (never a path that the guest sees).
    pub destination: String,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// What it is used for.
    pub used_for: MountUse,
}

/// Kinds of volume; each has its directory `volumes/<plugin>/<name>` under the kubelet's pod directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeKind {
    /// `emptyDir`
    EmptyDir,
    /// `configMap`
    ConfigMap,
    /// `secret`
    Secret,
    /// `projected`
    Projected,
    /// `downwardAPI`
    DownwardApi,
    /// `persistentVolumeClaim`
    PersistentVolumeClaim,
}

/// What a mount is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountUse {
    /// The root of [`FilesystemGrant`]s.
    Filesystem,
    /// Files that the host alone reads: credentials, configuration by reference, certificates. No guest
    /// sees them.
    Files,
}

/// How a server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// TCP port, on every address of the pod.
    pub port: u16,
    /// How long to go on accepting after SIGTERM, in seconds.
    pub lame_duck_seconds: u32,
    /// How long a pod may take to end in all, in seconds (`terminationGracePeriodSeconds`).
    pub grace_period_seconds: u32,
    /// Requests worked on at once. Absent: the host's default, as with the following.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How long a guest may take to begin its answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_timeout_millis: Option<u32>,
    /// Size of a request's body, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Which instance answers a request.
    #[serde(default, skip_serializing_if = "Reuse::is_per_request")]
    pub reuse: Reuse,
}

/// Which instance of a Server answers a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reuse {
    /// A fresh one: no request sees what another left in memory.
    #[default]
    PerRequest,
    /// One that may have answered others before.
    Pooled,
}

impl Reuse {
    fn is_per_request(&self) -> bool {
        *self == Self::PerRequest
    }
}

impl Document {
    /// The version that this code writes and reads.
    pub const VERSION: u32 = 1;

    /// The component that is run.
    #[must_use]
    pub fn main(&self) -> Option<&Component> {
        self.components.first()
    }

    /// Whether the document agrees with itself.
    ///
    /// # Errors
    /// The first contradiction found, by field.
    pub fn check(&self) -> Result<(), DocumentError> {
        if self.version != Self::VERSION {
            return Err(DocumentError::Version { found: self.version });
        }
        if self.components.is_empty() {
            return Err(DocumentError::NoComponent);
        }
        if (self.run == RunType::Server) != self.http.is_some() {
            return Err(DocumentError::Http);
        }
        if self.http.as_ref().is_some_and(|http| http.port == 0) {
            return Err(DocumentError::Port);
        }
        check_unique("components", self.components.iter().map(|c| c.name.as_str()))?;
        check_unique("mounts", self.mounts.iter().map(|m| m.volume.as_str()))?;
        check_unique("mounts", self.mounts.iter().map(|m| m.destination.as_str()))?;
        check_unique("env", self.env.iter().map(|v| v.name.as_str()).chain(references(self)))?;
        check_names(self.env.iter().map(|v| v.name.as_str()).chain(references(self)))?;
        plugs::check(self)?;
        for component in &self.components {
            check_unique("grants.filesystem", component.grants.filesystem.iter().map(|g| g.path.as_str()))?;
            for grant in &component.grants.filesystem {
                self.check_filesystem(grant)?;
            }
            rights::check(self, component)?;
            check_round(&component.grants)?;
        }
        rights::check_files(self)
    }

    fn check_filesystem(&self, grant: &FilesystemGrant) -> Result<(), DocumentError> {
        let mount = self.mounts.iter().find(|m| m.volume == grant.volume);
        let mount = mount.ok_or_else(|| DocumentError::NoMount { volume: grant.volume.clone() })?;
        if mount.read_only && grant.access == Access::ReadWrite {
            return Err(DocumentError::ReadOnlyMount { volume: grant.volume.clone() });
        }
        let plain = |rest: &str| rest.split('/').all(is_plain);
        if grant.path != "/" && !grant.path.strip_prefix('/').is_some_and(plain) {
            return Err(DocumentError::Path { path: grant.path.clone() });
        }
        Ok(())
    }
}

fn quoted(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{value:?} ") }
}

/// Whether it is a name in a path, and nothing else.
fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(char::is_control)
}

/// No socket leads round a rule of HTTP.
fn check_round(grants: &Grants) -> Result<(), DocumentError> {
    let connects = grants.sockets.iter().flat_map(|sockets| &sockets.connect);
    let rules = || grants.http.iter().flat_map(|http| &http.allow);
    for (connect, rule) in connects.flat_map(|connect| rules().map(move |rule| (connect, rule))) {
        if walks_round(connect, rule) {
            let (Peer::Host(peer) | Peer::Cidr(peer)) = &connect.peer;
            let why = format!("connect to {peer} walks round the http rule for {}", rule.host);
            return Err(DocumentError::WalksRound { why });
        }
    }
    Ok(())
}

fn references(document: &Document) -> impl Iterator<Item = &str> {
    document.env_references.iter().map(String::as_str)
}

/// Names of variables that an environment can hold.
fn check_names<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), DocumentError> {
    match names.find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        Some(name) => Err(DocumentError::EnvName { name: name.to_owned() }),
        None => Ok(()),
    }
}

fn check_unique<'a>(list: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), DocumentError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(DocumentError::Twice { list, name: name.to_owned() });
        }
    }
    Ok(())
}

/// How a document contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Written by a newer operator.
    #[error("version {found} is not {ours}; operator and shim must be of one version",
        ours = Document::VERSION)]
    Version {
        /// What stood there.
        found: u32,
    },
    /// Nothing to run.
    #[error("components is empty")]
    NoComponent,
    /// A server without a port, or a command with one.
    #[error("http must be set for a Server and for nothing else")]
    Http,
    /// A server on no port.
    #[error("http.port is 0")]
    Port,
    /// A word of a right that can't be meant.
    #[error("{field}: {}{problem}", quoted(value))]
    Word {
        /// Where it stands.
        field: String,
        /// The word; empty if the field says all.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that must be unique isn't.
    #[error("{list}: \"{name}\" stands there twice")]
    Twice {
        /// The list.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// A variable's name that no environment can hold.
    #[error("env: \"{name}\" can't be a variable's name")]
    EnvName {
        /// The name.
        name: String,
    },
    /// A link that leads nowhere, to where it starts, or to the main component.
    #[error("links: \"{to}\" is no other component of this document that answers imports")]
    Link {
        /// The name.
        to: String,
    },
    /// Something of a component that can't be meant.
    #[error("components: {name}: {problem}")]
    Component {
        /// The component.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A grant without its mount.
    #[error("grants.filesystem: volume \"{volume}\" has no mount")]
    NoMount {
        /// The volume.
        volume: String,
    },
    /// Write access through a read-only mount.
    #[error("grants.filesystem: volume \"{volume}\" is mounted read-only and granted ReadWrite")]
    ReadOnlyMount {
        /// The volume.
        volume: String,
    },
    /// A sockets grant that reaches what an http rule governs.
    #[error("grants.sockets: {why}; take the port or the host out of one of them")]
    WalksRound {
        /// Which rules.
        why: String,
    },
    /// A guest path that isn't absolute and plain.
    #[error(
        "grants.filesystem: path {path:?} is not absolute and free of \".\", \"..\", \"//\" and \
             control characters"
    )]
    Path {
        /// The path.
        path: String,
    },
}

#[cfg(test)]
mod tests;
