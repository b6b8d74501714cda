//! Where a granted volume's directory is on the node. For each kind the kubelet has one place, below the
//! pod's own directory; a mount from elsewhere isn't what was granted.

use super::{DIRECTORIES_DIRECTORY, VOLUMES_DIRECTORY};
use crate::spec::Spec;
use morph_grant::{Digest, Document, Mount, MountUse, VolumeKind};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// A directory of the node that a worker gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// A directory that belongs to the kubelet or the administrator.
    pub base: PathBuf,
    /// The volume below it; no link on the way is followed.
    pub relative: PathBuf,
    /// Where it stands in the worker's root.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// Where a volume stands in a worker's root, or a directory of it: that one by a hash, since one directory that is
/// granted may lie in another.
pub(super) fn target(volume: &str, inner: Option<&str>) -> String {
    match inner {
        None => format!("{VOLUMES_DIRECTORY}/{volume}"),
        Some(inner) => {
            format!("{DIRECTORIES_DIRECTORY}/{}", Digest::of(format!("{volume}/{inner}").as_bytes()).hex())
        }
    }
}

/// The volumes of a document's file system grants and the files that the host alone reads, each with the source
/// that the container's spec gives it. Of a volume of which a directory is granted, that directory alone.
pub(super) fn granted(
    document: &Document,
    spec: &Spec,
    pod_uid: &str,
    kubelet_dir: &Path,
) -> Result<Vec<Volume>, String> {
    let mut volumes = Vec::new();
    for mount in &document.mounts {
        let main = document.main().into_iter();
        let grants = main.flat_map(|main| &main.grants.filesystem);
        let granted: BTreeSet<Option<&str>> = match mount.used_for {
            MountUse::Files => [None].into(),
            MountUse::Filesystem => grants
                .filter(|grant| grant.volume == mount.volume)
                .map(|grant| grant.sub_path.as_deref())
                .collect(),
        };
        for inner in granted {
            let whole = volume(mount, spec, pod_uid, kubelet_dir)?;
            volumes.push(match inner {
                None => whole,
                Some(inner) => Volume {
                    relative: whole.relative.join(plain(inner)?),
                    target: target(&mount.volume, Some(inner)),
                    ..whole
                },
            });
        }
    }
    Ok(volumes)
}

/// A path that names nothing but directories below: what leads up would lead to another volume.
fn plain(inner: &str) -> Result<&Path, String> {
    let path = Path::new(inner);
    let below = path.components().all(|part| matches!(part, Component::Normal(_)));
    (below && !inner.is_empty())
        .then_some(path)
        .ok_or_else(|| format!("subPath {inner:?} leads out of its volume"))
}

fn volume(mount: &Mount, spec: &Spec, pod_uid: &str, kubelet_dir: &Path) -> Result<Volume, String> {
    let Mount { volume: name, destination, .. } = mount;
    let found = spec.mount(destination).filter(|found| found.bind);
    let found = found.ok_or_else(|| format!("volume {name} is not mounted at {destination}"))?;
    let is_plain =
        |name: &str| matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    if !is_plain(name) || !is_plain(pod_uid) {
        return Err(format!("volume {name} of pod {pod_uid:?} can't be a directory's name"));
    }
    let volumes = kubelet_dir.join("pods").join(pod_uid).join("volumes");
    let (base, relative) = match plugin(mount.kind) {
        Some(plugin) if found.source == volumes.join(plugin).join(name) => {
            (volumes.join(plugin), PathBuf::from(name))
        }
        None => claim(&found.source, &volumes, kubelet_dir).ok_or_else(|| wrong_source(mount, found))?,
        Some(_) => return Err(wrong_source(mount, found)),
    };
    Ok(Volume { base, relative, target: target(name, None), read_only: mount.read_only || found.read_only })
}

fn wrong_source(mount: &Mount, found: &crate::spec::Mount) -> String {
    let (volume, kind) = (&mount.volume, mount.kind);
    format!("volume {volume} is granted as {kind:?}, but {} is mounted there", found.source.display())
}

/// The kubelet's directory for a kind, where the kind alone says which.
fn plugin(kind: VolumeKind) -> Option<&'static str> {
    Some(match kind {
        VolumeKind::EmptyDir => "kubernetes.io~empty-dir",
        VolumeKind::ConfigMap => "kubernetes.io~configmap",
        VolumeKind::Secret => "kubernetes.io~secret",
        VolumeKind::Projected => "kubernetes.io~projected",
        VolumeKind::DownwardApi => "kubernetes.io~downward-api",
        VolumeKind::PersistentVolumeClaim => return None,
    })
}

/// A claim's volume is named after the persistent volume, and its plugin may be any. One of the plugin
/// hostPath lies anywhere on the node: that is the administrator's choice, who makes such volumes. What the
/// kubelet keeps for other pods it never is.
fn claim(source: &Path, volumes: &Path, kubelet_dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    if let Ok(relative) = source.strip_prefix(volumes) {
        let deep = relative.components().count() >= 2;
        return (deep && is_plain(relative)).then(|| (volumes.to_path_buf(), relative.to_path_buf()));
    }
    let absolute = source.strip_prefix("/").ok()?;
    let outside = !source.starts_with(kubelet_dir) && !kubelet_dir.starts_with(source);
    (outside && is_plain(absolute)).then(|| (source.to_path_buf(), PathBuf::from(".")))
}
