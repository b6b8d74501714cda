//! ConfigMaps and Secrets of a run: directories with a file for each key, as a cluster would mount them. Only
//! those that the YAML refers to, and only the keys that it names.

use anyhow::{Context as _, Result, bail};
use morph_crds::{EnvVarSource, MorphSpec};
use morph_operator::morph::{FileSource, Files, SourceKind};
use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Largest value of a key, in bytes: what a cluster takes of a whole ConfigMap or Secret.
const VALUE_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Where each ConfigMap and Secret is.
#[derive(Default)]
pub(super) struct Sources(BTreeMap<(SourceKind, String), PathBuf>);

impl Sources {
    /// Those given on the command line.
    ///
    /// # Errors
    /// One that the YAML doesn't refer to by key, or a directory that is none.
    pub(super) fn new(
        spec: &MorphSpec,
        config_maps: &[(String, String)],
        secrets: &[(String, String)],
    ) -> Result<Self> {
        let mut sources = Self::default();
        for (kind, given) in [(SourceKind::ConfigMap, config_maps), (SourceKind::Secret, secrets)] {
            for (name, directory) in given {
                let option = format!("{} {name}", option(kind));
                let files = Files::of(spec);
                let named = files.iter().map(|file| &file.source);
                let variables = spec.parts().flat_map(|part| part.env);
                let variables: Vec<_> = variables.filter_map(|var| key(var.value_from.as_ref()?)).collect();
                if !named.chain(&variables).any(|from| (from.kind, &from.object) == (kind, name)) {
                    bail!("{option}: the Morph takes no key of such a {kind:?}");
                }
                if !Path::new(directory).is_dir() {
                    bail!("{option}={directory}: not a directory");
                }
                sources.0.insert((kind, name.clone()), PathBuf::from(directory));
            }
        }
        Ok(sources)
    }

    /// The value of a key, where its directory was given and has it.
    ///
    /// # Errors
    /// A file that can't be read, or is too large for a cluster.
    pub(super) fn value(&self, from: &FileSource) -> Result<Option<Vec<u8>>> {
        let Some(directory) = self.0.get(&(from.kind, from.object.clone())) else { return Ok(None) };
        let path = directory.join(&from.key);
        let file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.with_context(|| path.display().to_string())?,
        };
        let mut value = Vec::new();
        file.take(VALUE_SIZE_BYTES_MAX + 1)
            .read_to_end(&mut value)
            .with_context(|| path.display().to_string())?;
        if value.len() as u64 > VALUE_SIZE_BYTES_MAX {
            bail!("{}: has more than {VALUE_SIZE_BYTES_MAX} bytes", path.display());
        }
        Ok(Some(value))
    }
}

/// The key that a variable comes from.
pub(super) fn key(from: &EnvVarSource) -> Option<FileSource> {
    let source =
        |kind, object: &str, key: &str| FileSource { kind, object: object.to_owned(), key: key.to_owned() };
    let config_map = from.config_map_key_ref.as_ref();
    let config_map = config_map.map(|it| source(SourceKind::ConfigMap, &it.name, &it.key));
    let secret = from.secret_key_ref.as_ref();
    config_map.or_else(|| secret.map(|it| source(SourceKind::Secret, &it.name, &it.key)))
}

/// The option that gives a directory for it.
pub(super) fn option(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::ConfigMap => "--config-map",
        SourceKind::Secret => "--secret",
    }
}

/// The files that the host alone reads, in a directory that this user alone may enter and that goes with this
/// value. None where the Morph has none.
///
/// # Errors
/// A value that has to be there and isn't given.
pub(super) fn files(spec: &MorphSpec, sources: &Sources) -> Result<Option<TempDir>> {
    let files = Files::of(spec);
    if files.is_empty() {
        return Ok(None);
    }
    let own = Permissions::from_mode(0o700);
    let directory = tempfile::Builder::new().prefix("morph-").permissions(own).tempdir();
    let directory = directory.context("a directory for files")?;
    for file in files.iter() {
        let FileSource { kind, object, key } = &file.source;
        let Some(value) = sources.value(&file.source)? else {
            if file.optional {
                continue;
            }
            bail!(
                "the Morph takes key {key} of {kind:?} {object}; give a directory with it: {} {object}=DIR",
                option(*kind)
            );
        };
        let path = directory.path().join(&file.name);
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path)?;
        opened.write_all(&value).with_context(|| path.display().to_string())?;
    }
    Ok(Some(directory))
}

#[cfg(test)]
mod tests;
