//! Where on the node that lies which a worker gets. For each kind of volume the kubelet has one place, below
//! the pod's own directory; a mount from elsewhere isn't what was granted.

use super::{FILES_DIRECTORY, SUB_PATHS_DIRECTORY, VOLUMES_DIRECTORY};
use crate::process::unprivileged;
use crate::spec::{self, Spec};
use morph_grant::{Access, Document, FilesystemGrant, Mount, MountUse, VolumeKind};
use std::path::{Component, Path, PathBuf};

/// Files of the container by which names are looked up; the kubelet and containerd write them.
const NAME_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Something of the node that a worker gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// A directory that belongs to the kubelet or the administrator.
    pub base: PathBuf,
    /// The volume below it; no link on the way is followed.
    pub relative: PathBuf,
    /// How much of it.
    pub part: Part,
    /// Where it stands in the worker's root.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// How much of a volume a worker gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// One directory of it; no link on the way is followed.
    Directory {
        /// Its path, relative and plain.
        path: String,
        /// User and group for whom it is made where it is missing; otherwise that is a refusal.
        make_for: Option<(u32, u32)>,
    },
    /// It is a regular file, or the worker does without.
    File,
}

/// Directories of a worker's root in which file system grants have their roots: for each component of a
/// document, in the order of its grants. Who is granted a whole volume shares its directory with others who
/// are; one that is granted by a sub-path is that grant's alone.
pub(super) fn directories(document: &Document) -> Vec<Vec<String>> {
    let mut grants = 0..;
    let mut directory = |grant: &FilesystemGrant| match (grants.next(), &grant.sub_path) {
        (Some(index), Some(_)) => format!("{SUB_PATHS_DIRECTORY}/{index}"),
        _ => format!("{VOLUMES_DIRECTORY}/{}", grant.volume),
    };
    let components = document.components.iter().map(|component| &component.grants.filesystem);
    components.map(|grants| grants.iter().map(&mut directory).collect()).collect()
}

/// What a document grants of the node's file system, each with the source that the container's spec gives it.
pub(super) fn granted(
    document: &Document,
    spec: &Spec,
    pod_uid: &str,
    kubelet_dir: &Path,
) -> Result<Vec<Volume>, String> {
    let grants = document.components.iter().flat_map(|component| &component.grants.filesystem);
    let all: Vec<_> = grants.zip(directories(document).into_iter().flatten()).collect();
    let mut volumes = Vec::new();
    for mount in &document.mounts {
        let of_this = || all.iter().filter(|(grant, _)| grant.volume == mount.volume);
        match mount.used_for {
            MountUse::Files => {
                let whole = volume(mount, spec, pod_uid, kubelet_dir)?;
                let target = FILES_DIRECTORY.to_owned();
                volumes.push(Volume { target, read_only: true, ..whole });
            }
            MountUse::Filesystem if of_this().next().is_none() => {}
            MountUse::Filesystem => {
                let whole = volume(mount, spec, pod_uid, kubelet_dir)?;
                let is_part = |(grant, _): &&(&FilesystemGrant, String)| grant.sub_path.is_some();
                let mut parts: Vec<_> =
                    of_this().filter(is_part).map(|grant| directory(grant, &whole, spec)).collect();
                // What one component may make where it is missing, another may find there.
                parts.sort_by_key(|part| part.read_only);
                if of_this().any(|grant| !is_part(&grant)) {
                    volumes.push(whole);
                }
                volumes.append(&mut parts);
            }
        }
    }
    if document.components.iter().any(|component| component.grants.has_network()) {
        volumes.extend(NAME_FILES.iter().filter_map(|path| name_file(spec.mount(path)?)));
    }
    Ok(volumes)
}

/// A directory of a volume, which stands where its grant says.
fn directory((grant, target): &(&FilesystemGrant, String), whole: &Volume, spec: &Spec) -> Volume {
    let read_only = whole.read_only || grant.access == Access::ReadOnly;
    let path = grant.sub_path.clone().unwrap_or_default();
    let make_for = (!read_only).then(|| (unprivileged(spec.uid), unprivileged(spec.gid)));
    let part = Part::Directory { path, make_for };
    Volume { part, target: target.clone(), read_only, ..whole.clone() }
}

/// The file by which names are looked up, where the container has it mounted.
fn name_file(found: &spec::Mount) -> Option<Volume> {
    let name = found.source.file_name().filter(|_| found.bind && found.source.is_absolute())?;
    Some(Volume {
        base: found.source.parent()?.to_path_buf(),
        relative: name.into(),
        part: Part::File,
        target: found.destination.clone(),
        read_only: true,
    })
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
    Ok(Volume {
        base,
        relative,
        part: Part::Whole,
        target: format!("{VOLUMES_DIRECTORY}/{name}"),
        read_only: mount.read_only || found.read_only,
    })
}

fn wrong_source(mount: &Mount, found: &spec::Mount) -> String {
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
