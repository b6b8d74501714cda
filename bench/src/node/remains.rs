//! What a node leaves outside of its directory and its processes: it is counted after storms and removed at
//! the end.

use super::config::Names;
use crate::process;
use anyhow::{Context, Result};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Mounts below a directory.
pub(super) fn mounts(directory: &Path) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
    Ok(mounts_below(&table, directory))
}

fn mounts_below(table: &str, directory: &Path) -> Vec<PathBuf> {
    let places = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    places.filter(|place| place.starts_with(directory) && place != directory).collect()
}

/// Directories of cgroups below a path, in every hierarchy, the deepest first. The path itself isn't among
/// them.
pub(super) fn cgroups(path: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in roots(path) {
        below(&root, &mut found);
    }
    found
}

/// The path in every hierarchy of version 1, and in the one of version 2.
fn roots(path: &str) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
    let all = hierarchies.chain([PathBuf::from(CGROUPS)]);
    let places = all.map(|hierarchy| hierarchy.join(path.trim_start_matches('/')));
    // Hierarchies may be there under two names.
    places.filter(|place| place.is_dir() && !place.is_symlink()).collect()
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), found);
            found.push(entry.path());
        }
    }
}

/// Removes a cgroup in every hierarchy, unless something is left in it: then it stays, and is counted.
pub(super) fn remove_cgroup(path: &str) {
    for root in roots(path) {
        let _ = fs::remove_dir(root);
    }
}

/// Ends and removes everything. What can't be removed stays: it is empty, and this is the end already.
pub(super) fn remove<'a>(directory: &Path, shims: impl Iterator<Item = &'a PathBuf>, names: &Names) {
    for pid in shims.flat_map(|shim| process::family(shim).unwrap_or_default()) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    for mount in mounts(directory).unwrap_or_default().iter().rev() {
        let _ = unmount(mount, UnmountFlags::DETACH);
    }
    let mut link = Command::new("ip");
    link.args(["link", "delete", &names.bridge]).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = link.status();
    for cgroup in cgroups(&names.cgroup) {
        let _ = fs::remove_dir(cgroup);
    }
    remove_cgroup(&names.cgroup);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TABLE: &str = "22 1 0:20 / /proc rw - proc proc rw\n\
                         30 1 8:1 / /tmp/mb1 rw - ext4 /dev/sda rw\n\
                         31 1 0:4 net:[1] /tmp/mb1/state/netns/a rw - nsfs nsfs rw\n\
                         32 1 0:4 net:[2] /tmp/mb12/state/netns/b rw - nsfs nsfs rw\n";

    #[test]
    fn mounts_of_a_node_are_those_below_its_directory() {
        assert_eq!(mounts_below(TABLE, Path::new("/tmp/mb1")), [Path::new("/tmp/mb1/state/netns/a")]);
        assert!(mounts_below(TABLE, Path::new("/tmp/mb")).is_empty());
    }

    #[test]
    fn the_deepest_directory_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        fs::write(directory.path().join("a/file"), "").unwrap();
        let mut found = Vec::new();
        below(directory.path(), &mut found);
        assert_eq!(found, [directory.path().join("a/b"), directory.path().join("a")]);
    }

    #[test]
    fn a_cgroup_that_is_not_there_has_nothing_below() {
        assert!(cgroups("/morph-bench-nobody").is_empty());
    }
}
