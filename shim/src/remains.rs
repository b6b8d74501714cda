//! What a server that died leaves in the run directory: its socket and the files that say it lives. The next
//! `start` of its group would replace them; where none comes, the last `delete` of its tasks takes them away.

use crate::bootstrap::life_file;
use crate::lock::Lock;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Removes the files of the server at an address, if it is dead and nobody is about to make another one. Its
/// log stays: it says why.
///
/// # Errors
/// The file and what the system says of it.
pub(crate) fn clear(address: &str) -> Result<(), (PathBuf, io::Error)> {
    let socket = PathBuf::from(address.strip_prefix("unix://").unwrap_or(address));
    let (life, lock) = (life_file(&socket), socket.with_extension("lock"));
    if !socket.exists() || is_held(&life)? {
        return Ok(());
    }
    let lock = match Lock::take(&lock, Duration::ZERO) {
        // A `start` of the group is at work, and does the same.
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
        taken => taken.map_err(|error| (lock, error))?,
    };
    // Now nobody can begin; somebody may have done so before.
    if is_held(&life)? {
        return Ok(());
    }
    remove(socket)?;
    remove(life)?;
    lock.remove().map_err(|error| (address.into(), error))
}

fn is_held(life: &Path) -> Result<bool, (PathBuf, io::Error)> {
    Lock::is_held(life).map_err(|error| (life.into(), error))
}

fn remove(path: PathBuf) -> Result<(), (PathBuf, io::Error)> {
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err((path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A run directory with the files of one server: its names, and the address.
    fn server() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("a.sock");
        drop(UnixListener::bind(&socket).unwrap());
        drop(Lock::take(&life_file(&socket), Duration::ZERO).unwrap());
        std::fs::write(directory.path().join("a.log"), "why").unwrap();
        let address = format!("unix://{}", socket.display());
        (directory, address)
    }

    fn names(directory: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(directory.path()).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_dead_server_keeps_only_its_log_and_once_more_does_nothing() {
        let (directory, address) = server();
        for _ in 0..2 {
            clear(&address).unwrap();
            assert_eq!(names(&directory), ["a.log"]);
        }
    }

    #[test]
    fn a_server_that_lives_keeps_all() {
        let (directory, address) = server();
        let _life = Lock::take(&directory.path().join("a.life"), Duration::ZERO).unwrap();
        clear(&address).unwrap();
        assert_eq!(names(&directory), ["a.life", "a.log", "a.sock"]);
    }

    #[test]
    fn what_a_start_is_at_work_on_is_left_to_it() {
        let (directory, address) = server();
        let _lock = Lock::take(&directory.path().join("a.lock"), Duration::ZERO).unwrap();
        clear(&address).unwrap();
        assert_eq!(names(&directory), ["a.life", "a.lock", "a.log", "a.sock"]);
    }
}
