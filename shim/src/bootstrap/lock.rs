//! The lock of a group: held while its server is looked for, made or ended, so that there is one at most and
//! none is handed out that is about to end. The file goes with its server.

use rustix::fs::FlockOperation;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Closing it lets the lock go.
    _file: File,
}

impl Lock {
    /// Waits for the lock. Those who hold it do so for a bounded time.
    ///
    /// # Errors
    /// What the system says.
    pub fn take(path: &Path) -> io::Result<Self> {
        loop {
            let file = File::options().write(true).create(true).truncate(false).open(path)?;
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
            // The file may have been removed while this waited: then the lock is nobody's any more.
            let ours = file.metadata()?;
            match std::fs::metadata(path) {
                Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Self { path: path.into(), _file: file });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes the file and lets go.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}
