//! The JSON of an OCI spec (runtime-spec 1.2), as far as the shim reads it. Shapes alone, no judgement.

use crate::process::Rlimit;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    pub process: Option<Process>,
    pub hostname: String,
    pub mounts: Vec<Mount>,
    pub annotations: BTreeMap<String, String>,
    pub linux: Option<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Process {
    pub user: User,
    pub env: Vec<String>,
    pub rlimits: Vec<PosixRlimit>,
    pub oom_score_adj: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PosixRlimit {
    #[serde(rename = "type")]
    name: String,
    soft: u64,
    hard: u64,
}

impl From<PosixRlimit> for Rlimit {
    fn from(raw: PosixRlimit) -> Self {
        Self { name: raw.name, soft: raw.soft, hard: raw.hard }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Mount {
    destination: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    options: Vec<String>,
}

impl From<Mount> for super::Mount {
    fn from(raw: Mount) -> Self {
        let has = |name: &str| raw.options.iter().any(|option| option == name);
        Self {
            read_only: has("ro") || has("rro"),
            bind: raw.kind == "bind" || has("bind") || has("rbind"),
            destination: raw.destination,
            source: raw.source.into(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Linux {
    pub cgroups_path: String,
    pub namespaces: Vec<Namespace>,
    pub resources: Option<Resources>,
    pub sysctl: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Namespace {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub path: String,
}

/// `linux.resources` of a spec, also what the call Update carries. Absent values are left as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory.
    pub memory: Option<Memory>,
    /// Processors.
    pub cpu: Option<Cpu>,
    /// Processes.
    pub pids: Option<Pids>,
    /// Files of cgroup version 2, word for word.
    pub unified: BTreeMap<String, String>,
}

/// Memory, in bytes; -1 is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Hard limit.
    pub limit: Option<i64>,
    /// Soft limit.
    pub reservation: Option<i64>,
    /// Memory and swap together.
    pub swap: Option<i64>,
}

/// Processors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Weight, of 1024 for one processor.
    pub shares: Option<u64>,
    /// Microseconds of each period.
    pub quota: Option<i64>,
    /// The period, in microseconds.
    pub period: Option<u64>,
    /// Which processors.
    pub cpus: Option<String>,
    /// Which memory nodes.
    pub mems: Option<String>,
}

/// Processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// Most of them; 0 and -1 are no limit.
    pub limit: i64,
}
