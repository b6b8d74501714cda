//! A lock that is a file, between processes of this node: the lock of a group, what a server holds for life,
//! and the lock of a key of the code cache. The kernel gives it back when its holder ends, however that is.

use rustix::fs::FlockOperation;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks at a lock that another holds, in milliseconds: `flock` itself has no end.
const LOOK_MILLIS: u64 = 10;

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Closing it lets the lock go.
    _file: File,
}

impl Lock {
    /// Waits for the lock, so long at most. Blocks its thread.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`], or what the system says.
    pub fn take(path: &Path, patience: Duration) -> io::Result<Self> {
        let end = Instant::now() + patience;
        loop {
            let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path)?;
            if try_flock(&file, FlockOperation::NonBlockingLockExclusive)? {
                // The file may have been removed while this waited: then the lock is nobody's any more.
                if is_at(&file, path)? {
                    return Ok(Self { path: path.into(), _file: file });
                }
                continue;
            }
            if Instant::now() >= end {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds this lock"));
            }
            std::thread::sleep(Duration::from_millis(LOOK_MILLIS));
        }
    }

    /// Whether a process holds the lock; a file that isn't there is held by nobody. Those who ask at once
    /// don't take each other for its holder.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        match File::options().write(true).open(path) {
            Ok(file) => Ok(!try_flock(&file, FlockOperation::NonBlockingLockShared)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
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

fn try_flock(file: &File, operation: FlockOperation) -> io::Result<bool> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(file, operation)) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_lock_is_held_by_one_and_taken_by_the_next_even_when_its_file_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::take(&path, PATIENCE).unwrap();
        let waiting = {
            let path = path.clone();
            std::thread::spawn(move || Lock::take(&path, PATIENCE).unwrap())
        };
        first.remove().unwrap();
        let second = waiting.join().unwrap();
        assert!(path.exists(), "the second one has a file of its own");
        second.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn who_asks_for_the_holder_is_not_taken_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        drop(Lock::take(&path, PATIENCE).unwrap());
        let asking = File::options().write(true).open(&path).unwrap();
        assert!(try_flock(&asking, FlockOperation::NonBlockingLockShared).unwrap());
        assert!(!Lock::is_held(&path).unwrap());
        drop(asking);
        let _held = Lock::take(&path, PATIENCE).unwrap();
        assert!(Lock::is_held(&path).unwrap());
    }

    #[test]
    fn waiting_for_a_lock_that_stays_held_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _held = Lock::take(&path, PATIENCE).unwrap();
        let error = Lock::take(&path, Duration::from_millis(30)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_lock_is_held_until_its_holder_lets_go_and_looking_makes_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert!(!Lock::is_held(&path).unwrap());
        assert!(!path.exists());
        let held = Lock::take(&path, PATIENCE).unwrap();
        assert!(Lock::is_held(&path).unwrap());
        drop(held);
        assert!(path.exists() && !Lock::is_held(&path).unwrap());
    }

    #[test]
    fn nobody_else_may_open_a_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _held = Lock::take(&path, PATIENCE).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
