//! How this machine's cgroup hierarchies are mounted, and how a directory is made in one. Mounts are never
//! changed.

use super::{CgroupError, file_error, write};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Version of the hierarchies that are used: where both are mounted, those with controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// One hierarchy for each set of controllers.
    V1,
    /// One for all.
    V2,
}

/// Controllers of version 1 as mount options name them.
const CONTROLLERS: [&str; 14] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "rdma",
    "misc",
];

/// Controllers of version 2 that are handed down to a task.
const HANDED_DOWN: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// All hierarchies that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) version: Version,
    pub(super) hierarchies: Vec<Hierarchy>,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) controllers: Vec<String>,
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn read() -> io::Result<Self> {
        let layout = Self::parse(&std::fs::read_to_string("/proc/self/mountinfo")?);
        if layout.hierarchies.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no cgroup hierarchy is mounted"));
        }
        Ok(layout)
    }

    /// Takes the hierarchies from the text of `mountinfo` (proc(5)).
    pub(super) fn parse(mountinfo: &str) -> Self {
        let mut v1: Vec<Hierarchy> = Vec::new();
        let mut v2 = Vec::new();
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(root) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut right = right.split(' ');
            let (kind, options) = (right.next().unwrap_or_default(), right.nth(1).unwrap_or_default());
            let controllers: Vec<String> =
                options.split(',').filter(|name| CONTROLLERS.contains(name)).map(Into::into).collect();
            match kind {
                "cgroup" if !controllers.is_empty() && v1.iter().all(|h| h.controllers != controllers) => {
                    v1.push(Hierarchy { controllers, root });
                }
                "cgroup2" if v2.is_empty() => v2.push(Hierarchy { controllers: Vec::new(), root }),
                _ => {}
            }
        }
        if v1.is_empty() {
            Self { version: Version::V2, hierarchies: v2 }
        } else {
            Self { version: Version::V1, hierarchies: v1 }
        }
    }
}

impl Hierarchy {
    /// Makes a directory and those above it, so that processes can enter it and its limits work.
    pub(super) fn make(&self, version: Version, path: &Path) -> Result<(), CgroupError> {
        let mut at = self.root.clone();
        for part in path.components() {
            if version == Version::V2 {
                hand_down(&at);
            }
            let parent = at.clone();
            at.push(part);
            match std::fs::create_dir(&at) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(file_error(&at, "making its directory")(error));
                }
                _ => {}
            }
            if self.controllers.iter().any(|controller| controller == "cpuset") {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    inherit(&parent.join(file), &at.join(file))?;
                }
            }
        }
        Ok(())
    }
}

/// Turns controllers on for the children of a directory, each by itself. One that can't be turned on (it
/// isn't there, or processes live in the directory) shows when a limit needs it.
fn hand_down(directory: &Path) {
    let has = |file: &str| std::fs::read_to_string(directory.join(file)).unwrap_or_default();
    let (there, on) = (has("cgroup.controllers"), has("cgroup.subtree_control"));
    for controller in HANDED_DOWN {
        let is_in = |text: &str| text.split_whitespace().any(|name| name == controller);
        if is_in(&there) && !is_in(&on) {
            drop(write(&directory.join("cgroup.subtree_control"), &format!("+{controller}")));
        }
    }
}

/// A cpuset of version 1 takes no process before it is told which processors and memory nodes are its own.
fn inherit(from: &Path, to: &Path) -> Result<(), CgroupError> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(file_error(path, "reading"));
    if read(to)?.trim().is_empty() {
        write(to, read(from)?.trim()).map_err(file_error(to, "writing"))?;
    }
    Ok(())
}
