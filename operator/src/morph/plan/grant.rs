//! The grant document of a Morph: what its component may do, bound to the bytes that may do it. From a spec's
//! words to the document's in one place, for operator and command line alike.

pub(crate) mod http;
mod limits;
pub(crate) mod sockets;

use super::files::Files;
use super::{names, plug};
use crate::morph::{Found, Identity};
use morph_crds::{EnvVar, MorphSpec, Part, RunType, Volume};
use morph_grant::{
    Access, Ambient, Component, ConfigEntry, Determinism, Document, EnvLiteral, EnvReference,
    FilesystemGrant, Grants, KeyvalueGrant, Limits, Mount, MountUse, Subject, VolumeKind,
};

pub(crate) use limits::grace_period_seconds;
pub use limits::{limits, server};

/// What the spec grants to the Morph's own component. The order of the spec's maps and sets changes nothing.
#[must_use]
pub fn grants(spec: &MorphSpec) -> Grants {
    part_grants(spec, &spec.main())
}

/// What the spec grants to one of its parts: what stands there, and nothing of what others are granted. Clock
/// and random numbers that are the same in every run are the whole's.
#[must_use]
pub fn part_grants(spec: &MorphSpec, part: &Part<'_>) -> Grants {
    let files = Files::of(spec);
    let of_main = part.index.is_none() && !(spec.args.is_empty() && spec.env_from.is_empty());
    let capabilities = part.capabilities.cloned().unwrap_or_default();
    let mut filesystem: Vec<_> = capabilities.filesystem.iter().map(directory).collect();
    filesystem.sort_by(|a, b| a.path.cmp(&b.path));
    let mut config: Vec<_> = part.config.iter().map(|entry| config(entry, &files)).collect();
    config.sort_by(|a, b| a.key.cmp(&b.key));
    let mut keyvalue: Vec<_> = capabilities.keyvalue.iter().map(bucket).collect();
    keyvalue.sort_by(|a, b| a.bucket.cmp(&b.bucket));
    Grants {
        filesystem,
        environment: of_main || !part.env.is_empty(),
        http: capabilities.http.as_ref().map(|http| http::grant(http, &files)),
        sockets: capabilities.sockets.as_ref().map(sockets::grant),
        config,
        keyvalue,
        logging: capabilities.logging.is_some(),
        withheld: http::sorted(part.withhold, |right| ambient(*right)),
        determinism: spec.determinism.as_ref().map(determinism),
    }
}

fn directory(grant: &morph_crds::Filesystem) -> FilesystemGrant {
    FilesystemGrant {
        volume: grant.volume.clone(),
        path: grant.path.clone(),
        sub_path: grant.sub_path.clone(),
        access: match grant.access {
            morph_crds::Access::ReadOnly => Access::ReadOnly,
            morph_crds::Access::ReadWrite => Access::ReadWrite,
        },
    }
}

fn config(entry: &morph_crds::ConfigEntry, files: &Files) -> ConfigEntry {
    let file = entry.value_from.as_ref().and_then(|from| files.config(from));
    ConfigEntry { key: entry.key.clone(), value: entry.value.clone(), file }
}

fn bucket(grant: &morph_crds::Keyvalue) -> KeyvalueGrant {
    KeyvalueGrant { bucket: grant.bucket.clone(), max_bytes: limits::bytes(&grant.memory.max_bytes) }
}

fn ambient(right: morph_crds::Ambient) -> Ambient {
    match right {
        morph_crds::Ambient::Clocks => Ambient::Clocks,
        morph_crds::Ambient::Exit => Ambient::Exit,
        morph_crds::Ambient::Random => Ambient::Random,
        morph_crds::Ambient::Stderr => Ambient::Stderr,
        morph_crds::Ambient::Stdin => Ambient::Stdin,
        morph_crds::Ambient::Stdout => Ambient::Stdout,
    }
}

/// A time that there is not is refused before; were one to come, 1970 tells nothing of the day.
fn determinism(asked: &morph_crds::Determinism) -> Determinism {
    let clock = asked.clock.as_ref();
    Determinism {
        seed: asked.seed.and_then(|seed| u64::try_from(seed).ok()),
        clock_unix_millis: clock.map(|time| unix_millis(time).unwrap_or_default()),
        clock_step_millis: asked.clock_step_millis,
    }
}

/// A time of RFC 3339 in milliseconds since 1970; none for one that there is not.
pub(crate) fn unix_millis(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Volumes that a grant of any part names, by name: only these reach the container. With each, whether a part
/// may write; what each part may is in its own grant.
pub(crate) fn granted_volumes(spec: &MorphSpec) -> Vec<(&Volume, bool)> {
    let mut volumes: Vec<_> = spec
        .volumes
        .iter()
        .filter_map(|volume| {
            let mut uses = spec
                .parts()
                .flat_map(|part| part.filesystem())
                .filter(|grant| grant.volume == volume.name)
                .peekable();
            uses.peek()?;
            Some((volume, uses.any(|grant| grant.access == morph_crds::Access::ReadWrite)))
        })
        .collect();
    volumes.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    volumes
}

/// The whole document. The same input gives the same document, in the same order, whatever the order of the
/// spec's maps: it stands in the pod template, and what changes there rolls pods.
pub(crate) fn document(cluster: &str, identity: &Identity, spec: &MorphSpec, found: &Found) -> Document {
    let env = literals(&spec.env);
    let mut env_references: Vec<_> =
        spec.env.iter().filter(|var| var.value_from.is_some()).map(|var| var.name.clone()).collect();
    env_references.sort();
    let mut env_prefixes: Vec<_> =
        spec.env_from.iter().map(|from| from.prefix.clone().unwrap_or_default()).collect();
    env_prefixes.sort();
    env_prefixes.dedup();
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
        components: components(identity, spec, found),
        args: spec.args.clone(),
        env,
        env_references,
        env_prefixes,
        mounts: mounts(spec),
        http: (found.runs == RunType::Server).then(|| server(spec)),
    }
}

/// The Morph's own component, then its plugs by name.
fn components(identity: &Identity, spec: &MorphSpec, found: &Found) -> Vec<Component> {
    let main = Component {
        name: identity.name.clone(),
        manifest: found.image.digest.clone(),
        content: found.content.clone(),
        grants: grants(spec),
        limits: limits(spec),
        links: found.links.clone(),
        env: Vec::new(),
        env_references: Vec::new(),
    };
    // Both are by name, and of the same spec.
    let plugs = plug::numbered(spec).zip(&found.plugs).map(|((index, plug), found)| Component {
        name: plug.name.to_owned(),
        manifest: found.image.digest.clone(),
        content: found.content.clone(),
        grants: part_grants(spec, &plug),
        limits: Limits::default(),
        links: found.links.clone(),
        env: literals(plug.env),
        env_references: references(index, plug.env),
    });
    [main].into_iter().chain(plugs).collect()
}

fn literals(env: &[EnvVar]) -> Vec<EnvLiteral> {
    let literal = |var: &EnvVar| Some(EnvLiteral { name: var.name.clone(), value: var.value.clone()? });
    let mut env: Vec<_> = env.iter().filter_map(literal).collect();
    env.sort_by(|a, b| a.name.cmp(&b.name));
    env
}

fn references(index: usize, env: &[EnvVar]) -> Vec<EnvReference> {
    let by_reference = env.iter().filter(|var| var.value_from.is_some());
    let mut all: Vec<_> = by_reference
        .map(|var| EnvReference { name: var.name.clone(), variable: plug::variable(index, &var.name) })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// All mounts, by volume.
fn mounts(spec: &MorphSpec) -> Vec<Mount> {
    let granted = granted_volumes(spec).into_iter().filter_map(|(volume, write)| mount(volume, write));
    let files = (!Files::of(spec).is_empty()).then(|| Mount {
        volume: names::FILES_VOLUME.to_owned(),
        kind: VolumeKind::Projected,
        destination: names::FILES_PATH.to_owned(),
        read_only: true,
        used_for: MountUse::Files,
    });
    let mut mounts: Vec<_> = granted.chain(files).collect();
    mounts.sort_by(|a, b| a.volume.cmp(&b.volume));
    mounts
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
