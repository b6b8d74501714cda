//! Tidying up of the cache's directory, by one server of the node at a time: what `eviction` says, and what
//! servers left half done that are gone.

use super::{DRAFT, SUCCESSOR, Store, failed, remove};
use crate::cache::Error;
use crate::cache::eviction::{Seen, evicted};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Begins the name of an entry that is being removed.
const GONE: &str = "gone-";

/// The lock of whoever tidies up.
const SWEEP: &str = "sweep";

/// Digits of a key.
const KEY_DIGITS: usize = 64;

/// Bytes of a block, in which a file's size on the disk is told (stat(2)).
const BLOCK_BYTES: u64 = 512;

impl Store {
    /// Removes entries until at most so many bytes are left, as far as they may go; answers how many went.
    /// While another server is at it nothing is done.
    pub(in crate::cache) fn sweep(&self, bytes_max: u64) -> Result<usize, Error> {
        let Some(_lock) = self.try_lock(SWEEP)? else { return Ok(0) };
        let mut entries = Vec::new();
        let listed = fs::read_dir(&self.directory).map_err(failed(&self.directory, "can't be listed"))?;
        for listed in listed {
            let name = listed.map_err(failed(&self.directory, "can't be listed"))?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(key) = name.strip_prefix(DRAFT) {
                self.remove_left(name, key)?;
            } else if name.starts_with(GONE) {
                remove(&self.directory.join(name))?;
            } else if name.len() == KEY_DIGITS {
                entries.extend(self.look(name)?);
            }
        }
        let mut gone = 0;
        for entry in evicted(entries, bytes_max, SystemTime::now()) {
            gone += usize::from(self.evict(&entry)?);
        }
        Ok(gone)
    }

    /// A draft whose key nobody holds is nobody's.
    fn remove_left(&self, name: &str, key: &str) -> Result<(), Error> {
        match self.try_lock(key)? {
            Some(_lock) => remove(&self.directory.join(name)),
            None => Ok(()),
        }
    }

    fn look(&self, name: &str) -> Result<Option<Seen>, Error> {
        let path = self.directory.join(name);
        let Some(status) = status(&path)? else { return Ok(None) };
        let mut bytes = 0;
        for file in fs::read_dir(&path).map_err(failed(&path, "can't be listed"))? {
            let file = file.map_err(failed(&path, "can't be listed"))?.path();
            bytes += status_bytes(&file)?;
        }
        let successor = fs::read_to_string(path.join(SUCCESSOR)).unwrap_or_default();
        let superseded = successor.len() == KEY_DIGITS && self.directory.join(successor).is_dir();
        Ok(Some(Seen { name: name.into(), bytes, used: used(&status), superseded }))
    }

    /// Takes an entry out of sight and removes it, unless it was used since it was looked at.
    fn evict(&self, entry: &Seen) -> Result<bool, Error> {
        let (path, out_of_sight) = (
            self.directory.join(&entry.name),
            self.directory.join(format!("{GONE}{name}", name = entry.name)),
        );
        match fs::rename(&path, &out_of_sight) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            renamed => renamed.map_err(failed(&path, "can't be removed"))?,
        }
        let used_since = status(&out_of_sight)?.is_some_and(|status| used(&status) != entry.used);
        if used_since && fs::rename(&out_of_sight, &path).is_ok() {
            return Ok(false);
        }
        // Whoever maps its code keeps it: what is unlinked goes when it is unmapped.
        remove(&out_of_sight)?;
        tracing::info!(key = entry.name, bytes = entry.bytes, "removed from the code cache");
        Ok(true)
    }
}

fn used(status: &Metadata) -> SystemTime {
    let since_epoch = Duration::from_secs(u64::try_from(status.mtime()).unwrap_or_default());
    let nanos = u32::try_from(status.mtime_nsec()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + since_epoch + Duration::from_nanos(nanos.into())
}

fn status(path: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(path) {
        Ok(status) => Ok(Some(status)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "status can't be read")(error)),
    }
}

fn status_bytes(path: &Path) -> Result<u64, Error> {
    Ok(status(path)?.map_or(0, |status| status.blocks() * BLOCK_BYTES))
}

#[cfg(test)]
mod tests;
