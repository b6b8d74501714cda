//! The OCI spec of a bundle, parsed once into what the shim uses of it. What a guest may do never comes from
//! here: that is the grant document's.

mod annotations;
mod raw;

pub use annotations::{Pod, Role};
pub use raw::Resources;

use crate::process::{Namespace, Rlimit};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest `config.json` read, in bytes: annotations and environment are the bulk, 256 KiB and 2 MiB at most.
pub const SPEC_BYTES_MAX: u64 = 8 << 20;

/// User and group of a worker whose container names none, or root.
pub const UNPRIVILEGED_ID: u32 = 65532;

/// The user or group that a worker of a container with this one gets.
#[must_use]
pub fn unprivileged(id: u32) -> u32 {
    if id == 0 { UNPRIVILEGED_ID } else { id }
}

/// What the shim uses of a container's spec.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What containerd says it is.
    pub role: Role,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
    /// Environment, as `NAME=value`.
    pub env: Vec<String>,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// Host name; of a sandbox.
    pub hostname: Option<String>,
    /// Kernel parameters; of a sandbox.
    pub sysctls: BTreeMap<String, String>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Where its cgroup is, below each hierarchy; relative.
    pub cgroup: PathBuf,
    /// Limits of its cgroup.
    pub resources: Resources,
    /// Network.
    pub net: Namespace,
    /// IPC.
    pub ipc: Namespace,
    /// Host name and domain.
    pub uts: Namespace,
    /// Whether it has a pid namespace of its own.
    pub own_pid_namespace: bool,
    /// Whether it asks for a user namespace.
    pub user_namespace: bool,
}

/// A mount of the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Path in the container.
    pub destination: String,
    /// Path on the node.
    pub source: PathBuf,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether it is a bind mount.
    pub bind: bool,
}

/// Why a spec can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file can't be read.
    #[error("{path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It isn't the JSON of a spec.
    #[error("{path} is not an OCI spec")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A value that makes no sense.
    #[error("OCI spec: {field}: {problem}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Spec {
    /// Reads `config.json` of a bundle. `id` names the cgroup where the spec names none.
    ///
    /// # Errors
    /// A missing, too large or wrong file.
    pub fn read(bundle: &Path, id: &str) -> Result<Self, SpecError> {
        let path = bundle.join("config.json");
        let read = || -> std::io::Result<Vec<u8>> {
            let size = std::fs::metadata(&path)?.len();
            if size > SPEC_BYTES_MAX {
                let text = format!("{size} bytes, at most {SPEC_BYTES_MAX} are read");
                return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text));
            }
            std::fs::read(&path)
        };
        let bytes = read().map_err(|source| SpecError::Read { path: path.clone(), source })?;
        let raw = object(&bytes).map_err(|source| SpecError::Parse { path, source })?;
        Self::from_raw(raw, id)
    }

    /// Takes a spec from its JSON.
    ///
    /// # Errors
    /// [`SpecError::Parse`] and [`SpecError::Value`].
    pub fn parse(json: &[u8], id: &str) -> Result<Self, SpecError> {
        let path = PathBuf::from("config.json");
        let raw = object(json).map_err(|source| SpecError::Parse { path, source })?;
        Self::from_raw(raw, id)
    }

    fn from_raw(raw: raw::Spec, id: &str) -> Result<Self, SpecError> {
        let role = Role::parse(&raw.annotations)?;
        let process = raw.process.unwrap_or_default();
        let linux = raw.linux.unwrap_or_default();
        let namespace = |kind: &str| match linux.namespaces.iter().find(|namespace| namespace.kind == kind) {
            None => Namespace::Host,
            Some(raw::Namespace { path, .. }) if path.is_empty() => Namespace::New,
            Some(raw::Namespace { path, .. }) => Namespace::Join(path.into()),
        };
        Ok(Self {
            role,
            env: process.env,
            uid: process.user.uid,
            gid: process.user.gid,
            groups: process.user.additional_gids,
            rlimits: process.rlimits.into_iter().map(Into::into).collect(),
            oom_score_adj: process.oom_score_adj,
            hostname: Some(raw.hostname).filter(|name| !name.is_empty()),
            mounts: raw.mounts.into_iter().map(Into::into).collect(),
            cgroup: cgroup_path(&linux.cgroups_path, id)?,
            net: namespace("network"),
            ipc: namespace("ipc"),
            uts: namespace("uts"),
            own_pid_namespace: namespace("pid") == Namespace::New,
            user_namespace: namespace("user") != Namespace::Host,
            sysctls: linux.sysctl,
            resources: linux.resources.unwrap_or_default(),
            annotations: raw.annotations,
        })
    }

    /// The mount at this path of the container.
    #[must_use]
    pub fn mount(&self, destination: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.destination == destination)
    }
}

/// Reads an object: an empty list would pass for one whose fields are all left out.
fn object(json: &[u8]) -> Result<raw::Spec, serde_json::Error> {
    match json.trim_ascii_start().first() {
        Some(b'[') => Err(serde::de::Error::custom("a list where an object should be")),
        _ => serde_json::from_slice(json),
    }
}

/// The path below each hierarchy's root. With the systemd driver the spec says `slice:prefix:name`, which is
/// the directory `prefix-name.scope` in the slice's own; a slice `a-b.slice` lies in `a.slice`.
fn cgroup_path(text: &str, id: &str) -> Result<PathBuf, SpecError> {
    let wrong = |problem: &str| SpecError::Value {
        field: "linux.cgroupsPath",
        problem: format!("{problem}: {text:?}"),
    };
    let path = match text.split(':').collect::<Vec<_>>()[..] {
        _ if text.is_empty() => PathBuf::from("morph").join(id),
        [slice, prefix, name] => {
            let scope = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}-{name}") };
            let scope = if name.ends_with(".slice") { name.to_owned() } else { format!("{scope}.scope") };
            slice_path(slice).ok_or_else(|| wrong("is no slice"))?.join(scope)
        }
        _ => PathBuf::from(text.trim_start_matches('/')),
    };
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain && path.components().next().is_some() { Ok(path) } else { Err(wrong("is no plain path")) }
}

fn slice_path(slice: &str) -> Option<PathBuf> {
    let name = slice.strip_suffix(".slice")?;
    if name.is_empty() || name.contains('/') || name.starts_with('-') || name.ends_with('-') {
        return None;
    }
    let ends = name.match_indices('-').map(|(at, _)| at).chain([name.len()]);
    Some(ends.map(|end| format!("{}.slice", &name[..end])).collect())
}

#[cfg(test)]
mod tests;
