//! Directories for the volumes that a Morph grants to its guest: given on the command line, or made for an
//! emptyDir and removed at the end.

use anyhow::{Context as _, Result, bail};
use morph_crds::{ValidMorph, Volume};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where each granted volume is. What was made for an emptyDir goes with this value.
pub(super) struct Volumes {
    directories: BTreeMap<String, PathBuf>,
    made: Vec<TempDir>,
}

impl Volumes {
    /// Finds or makes a directory for each volume that a grant names.
    ///
    /// # Errors
    /// A volume without a directory, a directory that is none, or one for a volume that isn't granted.
    pub(super) fn new(morph: &ValidMorph, given: &[(String, String)]) -> Result<Self> {
        let granted = |name: &str| morph.filesystem().iter().any(|grant| grant.volume == name);
        for (name, _) in given {
            if !granted(name) {
                bail!("--volume {name}: spec.capabilities.filesystem grants no such volume");
            }
        }
        let mut volumes = Self { directories: BTreeMap::new(), made: Vec::new() };
        for volume in morph.spec().volumes.iter().filter(|volume| granted(&volume.name)) {
            let directory = match given.iter().rfind(|(name, _)| *name == volume.name) {
                Some((_, directory)) => existing(&volume.name, directory)?,
                None => volumes.make(volume)?,
            };
            volumes.directories.insert(volume.name.clone(), directory);
        }
        Ok(volumes)
    }

    /// The directory of a granted volume.
    pub(super) fn directory(&self, name: &str) -> Option<&Path> {
        self.directories.get(name).map(PathBuf::as_path)
    }

    fn make(&mut self, volume: &Volume) -> Result<PathBuf> {
        if volume.empty_dir.is_none() {
            let name = &volume.name;
            bail!("volume {name} is the cluster's; give a directory for it: --volume {name}=DIR");
        }
        let made = tempfile::Builder::new().prefix("morph-").tempdir();
        let made = made.with_context(|| format!("a directory for volume {}", volume.name))?;
        let path = made.path().to_owned();
        self.made.push(made);
        Ok(path)
    }
}

fn existing(name: &str, directory: &str) -> Result<PathBuf> {
    let path = std::fs::canonicalize(directory).with_context(|| format!("--volume {name}={directory}"))?;
    if !path.is_dir() {
        bail!("--volume {name}={directory}: not a directory");
    }
    Ok(path)
}

/// The directory of a volume that a grant gives. Each name of the sub-path is a directory of its own: a link
/// in a volume is its writer's word, and leads nowhere.
pub(super) fn beneath(volume: &Path, sub_path: Option<&str>) -> Result<PathBuf> {
    let mut directory = volume.to_owned();
    for name in sub_path.into_iter().flat_map(|path| path.split('/')) {
        if matches!(name, "" | "." | "..") {
            bail!("subPath {}: write the names of directories, with / between them", sub_path.unwrap_or(""));
        }
        directory.push(name);
        let found =
            directory.symlink_metadata().with_context(|| format!("subPath {}", directory.display()))?;
        if !found.is_dir() {
            bail!("subPath {}: not a directory (links aren't followed)", directory.display());
        }
    }
    Ok(directory)
}

#[cfg(test)]
mod tests;
