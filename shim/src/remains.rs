//! What a server that died leaves in the run directory: its socket and the files that say it lives. The next
//! `start` of its group would replace them; where none comes, the last `delete` of its tasks takes them away.

use crate::bootstrap::life_file;
use crate::lock::Lock;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a server that was killed may take to let go of what it holds for life, in milliseconds. The
/// kernel closes its connections first, and that is what containerd sees; of five seconds in all.
const DYING_MILLIS_MAX: u64 = 1_000;

/// Pause between two looks at it, in milliseconds.
const LOOK_MILLIS: u64 = 2;

/// Removes the files of the server at an address, if it is dead and nobody is about to make another one. Its
/// log stays: it says why.
///
/// # Errors
/// The file and what the system says of it.
pub(crate) fn clear(address: &str) -> Result<(), (PathBuf, io::Error)> {
    let socket = PathBuf::from(address.strip_prefix("unix://").unwrap_or(address));
    let (life, lock) = (life_file(&socket), socket.with_extension("lock"));
    if !socket.exists() || !lets_go(|| is_held(&life))? {
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

/// Whether a server that is held to live lets go of it soon. Blocks its thread.
fn lets_go(
    mut is_held: impl FnMut() -> Result<bool, (PathBuf, io::Error)>,
) -> Result<bool, (PathBuf, io::Error)> {
    let end = Instant::now() + Duration::from_millis(DYING_MILLIS_MAX);
    while is_held()? {
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(LOOK_MILLIS));
    }
    Ok(true)
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
    fn a_server_that_is_about_to_die_is_waited_for_and_one_that_lives_is_not_for_long() {
        let mut looks = 0;
        let dying = || {
            looks += 1;
            Ok(looks < 4)
        };
        assert!(lets_go(dying).unwrap());
        assert_eq!(looks, 4);
        assert!(!lets_go(|| Ok(true)).unwrap());
    }

    #[test]
    fn what_a_start_is_at_work_on_is_left_to_it() {
        let (directory, address) = server();
        let _lock = Lock::take(&directory.path().join("a.lock"), Duration::ZERO).unwrap();
        clear(&address).unwrap();
        assert_eq!(names(&directory), ["a.life", "a.lock", "a.log", "a.sock"]);
    }
}
