//! Directories for the volumes that a Morph grants to its guest: given on the command line, or made for an
//! emptyDir and removed at the end.

use anyhow::{Context as _, Result, bail};
use morph_crds::{ValidMorph, Volume};
use morph_grant::{Access, FilesystemGrant};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where each granted volume is. What was made for an emptyDir goes with this value.
pub(super) struct Volumes {
    directories: BTreeMap<String, PathBuf>,
    made: Vec<TempDir>,
    opened: RefCell<Vec<OwnedFd>>,
}

impl Volumes {
    /// Finds or makes a directory for each volume that a grant names.
    ///
    /// # Errors
    /// A volume without a directory, a directory that is none, or one for a volume that isn't granted.
    pub(super) fn new(morph: &ValidMorph, given: &[(String, String)]) -> Result<Self> {
        let grants = || morph.spec().parts().flat_map(|part| part.filesystem());
        let granted = |name: &str| grants().any(|grant| grant.volume == name);
        for (name, _) in given {
            if !granted(name) {
                bail!("--volume {name}: capabilities.filesystem grants no such volume");
            }
        }
        let mut volumes = Self { directories: BTreeMap::new(), made: Vec::new(), opened: RefCell::default() };
        for volume in morph.spec().volumes.iter().filter(|volume| granted(&volume.name)) {
            let directory = match given.iter().rfind(|(name, _)| *name == volume.name) {
                Some((_, directory)) => existing(&volume.name, directory)?,
                None => volumes.make(volume)?,
            };
            volumes.directories.insert(volume.name.clone(), directory);
        }
        Ok(volumes)
    }

    /// The directory that a grant gives: the volume's, or one in it to which no link leads. That
    /// one is held open
    /// and told by its descriptor, so that what was looked at is what the guest gets.
    ///
    /// # Errors
    /// There is no such directory.
    pub(super) fn directory(&self, grant: &FilesystemGrant) -> Result<PathBuf> {
        let directory = self.directories.get(&grant.volume);
        let directory = directory.with_context(|| format!("volume {} has no directory", grant.volume))?;
        let Some(sub_path) = &grant.sub_path else { return Ok(directory.clone()) };
        let opened = beneath(directory, Path::new(sub_path), grant.access);
        let opened = opened.with_context(|| {
            format!(
                "volume {}: subPath {sub_path} is no directory of it, or a link leads there",
                grant.volume
            )
        })?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        self.opened.borrow_mut().push(opened);
        Ok(path)
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

/// Opens a directory below another: no `..` and no link on the way. What is missing is made, if it
/// may be written:
/// an empty volume has no directories.
fn beneath(directory: &Path, relative: &Path, access: Access) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut opened = rustix::fs::openat(CWD, directory, flags, Mode::empty())?;
    for part in relative.components() {
        let part = Path::new(part.as_os_str());
        if access == Access::ReadWrite {
            match rustix::fs::mkdirat(&opened, part, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        opened = rustix::fs::openat2(&opened, part, flags, Mode::empty(), within)?;
    }
    Ok(opened)
}

fn existing(name: &str, directory: &str) -> Result<PathBuf> {
    let path = std::fs::canonicalize(directory).with_context(|| format!("--volume {name}={directory}"))?;
    if !path.is_dir() {
        bail!("--volume {name}={directory}: not a directory");
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
