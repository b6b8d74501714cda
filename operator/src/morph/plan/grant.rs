//! The grant document of a Morph: what its component may do, bound to the bytes that may do it.

use super::names;
use crate::morph::{Found, Identity};
use morph_crds::bounds::GRACE_PERIOD_SECONDS_DEFAULT;
use morph_crds::{Capabilities, MorphSpec, RunType, Volume};
use morph_grant::{
    Access, Component, Document, EnvLiteral, FilesystemGrant, Grants, Http, Limits, Mount, MountUse, Subject,
    VolumeKind,
};

/// What the spec grants to the component.
pub(crate) fn grants(spec: &MorphSpec) -> Grants {
    let mut filesystem: Vec<_> = filesystem(spec)
        .iter()
        .map(|grant| FilesystemGrant {
            volume: grant.volume.clone(),
            path: grant.path.clone(),
            sub_path: None,
            access: match grant.access {
                morph_crds::Access::ReadOnly => Access::ReadOnly,
                morph_crds::Access::ReadWrite => Access::ReadWrite,
            },
        })
        .collect();
    filesystem.sort_by(|a, b| a.path.cmp(&b.path));
    let environment = !(spec.args.is_empty() && spec.env.is_empty() && spec.env_from.is_empty());
    Grants { filesystem, environment, ..Grants::default() }
}

fn filesystem(spec: &MorphSpec) -> &[morph_crds::Filesystem] {
    spec.capabilities.as_ref().map_or(&[], |Capabilities { filesystem, .. }| filesystem)
}

/// Volumes that a grant names, by name: only these reach the container. With each, whether a guest may write.
pub(crate) fn granted_volumes(spec: &MorphSpec) -> Vec<(&Volume, bool)> {
    let mut volumes: Vec<_> = spec
        .volumes
        .iter()
        .filter_map(|volume| {
            let mut uses = filesystem(spec).iter().filter(|grant| grant.volume == volume.name).peekable();
            uses.peek()?;
            Some((volume, uses.any(|grant| grant.access == morph_crds::Access::ReadWrite)))
        })
        .collect();
    volumes.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    volumes
}

/// The whole document. The same input gives the same document, in the same order, whatever the order of the
/// spec's maps: it stands in the pod template, and what changes there rolls pods.
pub(crate) fn document(
    cluster: &str,
    identity: &Identity,
    spec: &MorphSpec,
    memory_bytes: Option<u64>,
    found: &Found,
) -> Document {
    let mut env: Vec<_> = spec.env.iter().filter_map(literal).collect();
    env.sort_by(|a, b| a.name.cmp(&b.name));
    let mut env_references: Vec<_> =
        spec.env.iter().filter(|var| var.value_from.is_some()).map(|var| var.name.clone()).collect();
    env_references.sort();
    let mut env_prefixes: Vec<_> =
        spec.env_from.iter().map(|from| from.prefix.clone().unwrap_or_default()).collect();
    env_prefixes.sort();
    env_prefixes.dedup();
    let component = Component {
        name: identity.name.clone(),
        manifest: found.image.digest.clone(),
        content: found.content.clone(),
        grants: grants(spec),
        limits: Limits { memory_bytes, ..Limits::default() },
        links: Vec::new(),
    };
    Document {
        version: Document::VERSION,
        subject: Subject {
            cluster: cluster.to_owned(),
            namespace: identity.namespace.clone(),
            name: identity.name.clone(),
            uid: identity.uid.clone(),
        },
        run: match found.runs {
            RunType::Command => morph_grant::RunType::Command,
            RunType::Server => morph_grant::RunType::Server,
        },
        components: vec![component],
        args: spec.args.clone(),
        env,
        env_references,
        env_prefixes,
        mounts: granted_volumes(spec)
            .into_iter()
            .filter_map(|(volume, write)| mount(volume, write))
            .collect(),
        http: (found.runs == RunType::Server).then(|| http(spec)),
    }
}

fn literal(var: &morph_crds::EnvVar) -> Option<EnvLiteral> {
    let value = var.value.clone()?;
    Some(EnvLiteral { name: var.name.clone(), value })
}

fn http(spec: &MorphSpec) -> Http {
    let http = spec.http.clone().unwrap_or_default();
    Http {
        port: http.port,
        lame_duck_seconds: http.lame_duck_seconds,
        grace_period_seconds: u32::try_from(grace_period_seconds(spec)).unwrap_or(u32::MAX),
        concurrency: None,
        request_timeout_millis: None,
        body_bytes: None,
    }
}

/// How long a pod may take to end, in seconds.
pub(super) fn grace_period_seconds(spec: &MorphSpec) -> i64 {
    let asked = spec.template.as_ref().and_then(|template| template.termination_grace_period_seconds);
    asked.unwrap_or(GRACE_PERIOD_SECONDS_DEFAULT)
}

/// A volume without a source has no mount; the spec's own rules refuse it before.
fn mount(volume: &Volume, write: bool) -> Option<Mount> {
    Some(Mount {
        volume: volume.name.clone(),
        kind: kind(volume)?,
        destination: names::mount_path(&volume.name),
        read_only: !write,
        used_for: MountUse::Filesystem,
    })
}

fn kind(volume: &Volume) -> Option<VolumeKind> {
    let kinds = [
        (volume.empty_dir.is_some(), VolumeKind::EmptyDir),
        (volume.config_map.is_some(), VolumeKind::ConfigMap),
        (volume.secret.is_some(), VolumeKind::Secret),
        (volume.projected.is_some(), VolumeKind::Projected),
        (volume.downward_api.is_some(), VolumeKind::DownwardApi),
        (volume.persistent_volume_claim.is_some(), VolumeKind::PersistentVolumeClaim),
    ];
    kinds.into_iter().find(|(present, _)| *present).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests;
