//! Files that the host alone reads: credentials, configuration by reference, certificates. One volume brings
//! all of them; what each comes from stands in the pod's volume and nowhere else, the grant has names alone.

use super::{names, volume};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeProjection,
};
use morph_crds::{ConfigEntrySource, CredentialKeyRef, HttpEgress, MorphSpec, Part};
use morph_grant::FileName;
use std::collections::BTreeMap;

/// What a file is for. Its name begins with this, so that what one Secret gives the host for itself and what
/// it gives the guest are never one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileUse {
    /// Certificates that are trusted besides the system's.
    Ca,
    /// An entry of `wasi:config/store`.
    Config,
    /// A header that the host sets.
    Credential,
}

/// What a file comes from: a key of an object of the Morph's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileSource {
    /// Which kind of object.
    pub kind: SourceKind,
    /// Its name.
    pub object: String,
    /// The key.
    pub key: String,
}

/// Kinds of objects that hold values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// `v1` ConfigMap
    ConfigMap,
    /// `v1` Secret
    Secret,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// By which the grant names it.
    pub name: FileName,
    /// What it comes from.
    pub source: FileSource,
    /// Whether it may be missing.
    pub optional: bool,
}

/// All files of a Morph, by use and source: the order in which the spec names them moves none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<(FileUse, FileSource), File>);

impl Files {
    /// The files that a spec needs, for all of its parts. What is used twice is one file, and may be missing
    /// only if both may; each part's grant names those of its own.
    #[must_use]
    pub fn of(spec: &MorphSpec) -> Self {
        let mut needed = Needed::default();
        for part in spec.parts() {
            needed.add(&part);
        }
        let mut counts: BTreeMap<FileUse, usize> = BTreeMap::new();
        let named = needed.0.into_iter().map(|((used, source), optional)| {
            let count = counts.entry(used).or_default();
            let name = name(used, *count);
            *count += 1;
            ((used, source.clone()), File { name, source, optional })
        });
        Self(named.collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each file, by use and source.
    pub fn iter(&self) -> impl Iterator<Item = &File> {
        self.0.values()
    }

    /// The file of a header's value.
    pub(super) fn credential(&self, reference: &CredentialKeyRef) -> FileName {
        self.name(FileUse::Credential, secret(reference))
    }

    /// The file of certificates.
    pub(super) fn ca(&self, reference: &CredentialKeyRef) -> FileName {
        self.name(FileUse::Ca, config_map(reference))
    }

    /// The file of an entry that comes by reference.
    pub(super) fn config(&self, from: &ConfigEntrySource) -> Option<FileName> {
        of_config(from).map(|(source, _)| self.name(FileUse::Config, source))
    }

    /// These are the files of the same spec, so that it is found; were it not, no file has an empty name.
    fn name(&self, used: FileUse, source: FileSource) -> FileName {
        self.0.get(&(used, source)).map(|file| file.name.clone()).unwrap_or_default()
    }
}

/// Files by use and source, each with whether it may be missing.
#[derive(Default)]
struct Needed(BTreeMap<(FileUse, FileSource), bool>);

impl Needed {
    fn need(&mut self, used: FileUse, source: FileSource, optional: bool) {
        let may_miss = self.0.entry((used, source)).or_insert(true);
        *may_miss = *may_miss && optional;
    }

    /// Those of one part.
    fn add(&mut self, part: &Part<'_>) {
        for (source, optional) in part.config.iter().filter_map(|entry| of_config(entry.value_from.as_ref()?))
        {
            self.need(FileUse::Config, source, optional);
        }
        let http = part.capabilities.and_then(|capabilities| capabilities.http.as_ref());
        let Some(HttpEgress { allow, ca_bundle, .. }) = http else { return };
        for credential in allow.iter().filter_map(|rule| rule.credential.as_ref()) {
            self.need(FileUse::Credential, secret(&credential.secret_key_ref), false);
        }
        if let Some(bundle) = ca_bundle {
            self.need(FileUse::Ca, config_map(&bundle.config_map_key_ref), false);
        }
    }
}

/// Certificates of one part alone are `ca`; there are more only where parts have other ones.
fn name(used: FileUse, count: usize) -> FileName {
    match used {
        FileUse::Ca if count == 0 => "ca".to_owned(),
        FileUse::Ca => format!("ca-{count}"),
        FileUse::Config => format!("config-{count}"),
        FileUse::Credential => format!("credential-{count}"),
    }
}

fn secret(reference: &CredentialKeyRef) -> FileSource {
    FileSource { kind: SourceKind::Secret, object: reference.name.clone(), key: reference.key.clone() }
}

fn config_map(reference: &CredentialKeyRef) -> FileSource {
    FileSource { kind: SourceKind::ConfigMap, object: reference.name.clone(), key: reference.key.clone() }
}

/// With whether it may be missing.
fn of_config(from: &ConfigEntrySource) -> Option<(FileSource, bool)> {
    let source = |kind, object: &str, key: &str, optional: Option<bool>| {
        let source = FileSource { kind, object: object.to_owned(), key: key.to_owned() };
        (source, optional == Some(true))
    };
    let config_map = from.config_map_key_ref.as_ref();
    let config_map = config_map.map(|it| source(SourceKind::ConfigMap, &it.name, &it.key, it.optional));
    let secret = from.secret_key_ref.as_ref();
    config_map.or_else(|| secret.map(|it| source(SourceKind::Secret, &it.name, &it.key, it.optional)))
}

/// The volume with all of them; none for none.
pub(super) fn volume(files: &Files) -> Option<Volume> {
    if files.is_empty() {
        return None;
    }
    let mut sources: BTreeMap<(SourceKind, &str, bool), Vec<KeyToPath>> = BTreeMap::new();
    for file in files.iter() {
        let item = KeyToPath { key: file.source.key.clone(), path: file.name.clone(), mode: None };
        sources.entry((file.source.kind, &file.source.object, file.optional)).or_default().push(item);
    }
    let projected = ProjectedVolumeSource {
        sources: Some(sources.into_iter().map(|(from, items)| projection(from, items)).collect()),
        default_mode: Some(volume::FILE_MODE),
    };
    Some(Volume { name: names::FILES_VOLUME.to_owned(), projected: Some(projected), ..Volume::default() })
}

fn projection((kind, object, optional): (SourceKind, &str, bool), items: Vec<KeyToPath>) -> VolumeProjection {
    let (name, items, optional) = (object.to_owned(), Some(items), optional.then_some(true));
    match kind {
        SourceKind::ConfigMap => VolumeProjection {
            config_map: Some(ConfigMapProjection { name, items, optional }),
            ..VolumeProjection::default()
        },
        SourceKind::Secret => VolumeProjection {
            secret: Some(SecretProjection { name, items, optional }),
            ..VolumeProjection::default()
        },
    }
}

#[cfg(test)]
mod tests;
