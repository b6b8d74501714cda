//! Whether the kernel has killed what is in a cgroup for memory. systemd removes the cgroup of a scope as
//! soon as nothing is in it any more, which may be before its count is read. With version 2 its parent, which
//! counts what is killed anywhere below, is there still.

use super::{Cgroup, Version};
use std::path::{Path, PathBuf};

/// What counts the kills of one cgroup.
#[derive(Debug)]
pub struct Starved {
    /// Its own file.
    own: Option<PathBuf>,
    /// Its parent's, where systemd may take its own and that has what is below in it; what it said at the
    /// beginning.
    around: Option<(PathBuf, u64)>,
}

impl Starved {
    /// From now on, in a cgroup that is there and of which nothing was killed yet.
    #[must_use]
    pub fn watch(cgroup: &Cgroup) -> Self {
        let file = match cgroup.version() {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let own = cgroup.file("memory", file);
        let is_taken = cgroup.version() == Version::V2 && cgroup.scope().is_some();
        let parent = own.as_ref().filter(|_| is_taken).and_then(|own| own.parent()?.parent());
        let around = parent.and_then(|parent| {
            let file = parent.join(file);
            let before = kills(&file)?;
            Some((file, before))
        });
        Self { own, around }
    }

    /// Whether one was killed. Where only the parent can tell, it may have been one beside it: that is to be
    /// asked of what was killed, nobody knows by whom.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        let own = self.own.as_deref().and_then(kills);
        let around = || self.around.as_ref().is_some_and(|(file, before)| kills(file) > Some(*before));
        own.map_or_else(around, |own| own > 0)
    }
}

/// What a file counts; `None` where it is gone.
fn kills(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cgroup::Directory;

    /// Where systemd makes a cgroup, and where it doesn't.
    const SCOPE: &str = "pod.slice/task.scope";
    const OTHER: &str = "pod/task";

    /// A cgroup of one hierarchy in a parent, both of which have counted so many.
    fn counted(root: &Path, version: Version, place: &str, own: u64, around: u64) -> Cgroup {
        let path = root.join(place);
        std::fs::create_dir_all(&path).unwrap();
        for (directory, count) in [(path.as_path(), own), (path.parent().unwrap(), around)] {
            for file in ["memory.events", "memory.oom_control"] {
                std::fs::write(directory.join(file), format!("oom 0\noom_kill {count}\n")).unwrap();
            }
        }
        Cgroup { version, directories: vec![Directory { controllers: vec!["memory".into()], path }] }
    }

    #[test]
    fn its_own_count_tells_whatever_its_parent_says() {
        for (version, place) in [(Version::V1, SCOPE), (Version::V2, SCOPE), (Version::V2, OTHER)] {
            for (own, seen) in [(0, false), (1, true)] {
                let root = tempfile::tempdir().unwrap();
                let starved = Starved::watch(&counted(root.path(), version, place, 0, 3));
                counted(root.path(), version, place, own, 4);
                assert_eq!(starved.is_seen(), seen, "{version:?} {place}");
            }
        }
    }

    #[test]
    fn when_systemd_has_taken_it_its_parents_count_tells_with_version_2() {
        for (version, place, after, seen) in [
            (Version::V2, SCOPE, 3, false),
            (Version::V2, SCOPE, 4, true),
            (Version::V2, OTHER, 4, false),
            (Version::V1, SCOPE, 4, false),
        ] {
            let root = tempfile::tempdir().unwrap();
            let starved = Starved::watch(&counted(root.path(), version, place, 0, 3));
            counted(root.path(), version, place, 1, after);
            std::fs::remove_dir_all(root.path().join(place)).unwrap();
            assert_eq!(starved.is_seen(), seen, "{version:?} {place}: {after}");
        }
    }

    #[test]
    fn nothing_is_seen_where_nothing_counts() {
        let root = tempfile::tempdir().unwrap();
        let cgroup = counted(root.path(), Version::V2, SCOPE, 0, 0);
        std::fs::remove_dir_all(root.path().join("pod.slice")).unwrap();
        assert!(!Starved::watch(&cgroup).is_seen());
    }
}
