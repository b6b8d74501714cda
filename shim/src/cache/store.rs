//! The cache's directory. An entry is a directory `<key>/` with `code` and `sha256`, renamed into place
//! whole; one that doesn't check out is as good as none. Its time of modification is that of its last use.
//! Only root may enter, since what is here is run unchecked.

mod sweep;

use super::Error;
use crate::compile::hex;
use crate::lock::Lock;
use crate::wire::EngineKind;
use morph_grant::Digest;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Entries whose content this server remembers to have checked; past that it forgets and checks again.
const CHECKED_MAX: usize = 1024;

/// How long another server may hold a key, in seconds: as long as a container may wait for all it needs.
const LOCK_SECONDS_MAX: u64 = 90;

/// Mode of an entry's files: workers map them after they have given up root.
const FILE_MODE: u32 = 0o444;

const CODE: &str = "code";
const SHA256: &str = "sha256";
const LOCKS: &str = "locks";

/// Of code that better code of the same component is to replace: the component's bytes, and the key of what
/// replaces it.
const COMPONENT: &str = "component";
const SUCCESSOR: &str = "successor";

/// Begins the name of an entry that is being written.
const DRAFT: &str = "draft-";

/// What code was made of that has a successor.
#[derive(Debug)]
pub(super) struct Origin {
    /// The component's bytes, so that whoever makes the successor need not ask for them again.
    pub(super) component: Vec<u8>,
    /// The successor's key.
    pub(super) successor: Key,
}

/// Names an entry: 64 hexadecimal digits over component, engine and what the engine's code must fit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn new(component: &Digest, kind: EngineKind, engine: &str) -> Self {
        Self(Digest::of(format!("{component}\n{kind}\n{engine}").as_bytes()).hex())
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tells a file from its earlier and later selves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let status = file.metadata()?;
        Ok(Self {
            device: status.dev(),
            inode: status.ino(),
            size: status.size(),
            modified: (status.mtime(), status.mtime_nsec()),
        })
    }
}

/// A lock on a key; dropping it gives it back and takes its file along.
#[derive(Debug)]
pub(super) struct KeyLock(Option<Lock>);

impl Drop for KeyLock {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Lock::remove) {
            // An empty file more; the next who takes the lock removes it.
            tracing::warn!(%error, "a key's lock stays behind");
        }
    }
}

/// An entry that is being written; dropping it removes what there is.
#[derive(Debug)]
pub(super) struct Draft {
    directory: PathBuf,
    key: Key,
    done: bool,
}

impl Draft {
    /// The error of code that came and can't be kept.
    pub(super) fn not_stored(&self, source: io::Error) -> Error {
        let path = self.directory.join(CODE);
        Error::Store { path, doing: "code can't be stored", source }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What stays is removed by the next draft of this key.
        if !self.done {
            drop(fs::remove_dir_all(&self.directory));
        }
    }
}

/// The directory.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    checked: Mutex<HashMap<Key, Identity>>,
}

fn failed<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Store { path: path.to_path_buf(), doing, source }
}

impl Store {
    /// Makes the directory if it isn't there, and refuses one that others own or may enter.
    pub(super) fn open(directory: &Path) -> Result<Self, Error> {
        let make = |path: &Path| match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(failed(path, "directory can't be made")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        };
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(failed(parent, "directory can't be made"))?;
        }
        make(directory)?;
        let status = fs::symlink_metadata(directory).map_err(failed(directory, "status can't be read"))?;
        let ours = status.uid() == rustix::process::geteuid().as_raw();
        if !ours || !status.is_dir() || status.mode() & 0o077 != 0 {
            let text =
                "it must be a directory of the shim's own user with mode 0700: compiled code is trusted";
            return Err(failed(directory, "refused")(io::Error::other(text)));
        }
        make(&directory.join(LOCKS))?;
        Ok(Self { directory: directory.to_path_buf(), checked: Mutex::default() })
    }

    /// The code of an entry that checks out. It counts as used before it is opened, so that it isn't taken
    /// away before it is mapped.
    pub(super) fn find(&self, key: &Key) -> Result<Option<File>, Error> {
        if !use_now(&self.entry(key))? {
            return Ok(None);
        }
        let path = self.entry(key).join(CODE);
        let code =
            match rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
            {
                Ok(code) => File::from(code),
                Err(rustix::io::Errno::NOENT) => return Ok(None),
                Err(error) => return Err(failed(&path, "code can't be opened")(error.into())),
            };
        let identity = Identity::of(&code).map_err(failed(&path, "status can't be read"))?;
        if self.checked().get(key) == Some(&identity) {
            return Ok(Some(code));
        }
        let expected = match fs::read_to_string(self.entry(key).join(SHA256)) {
            Ok(expected) => expected,
            Err(error) => {
                tracing::warn!(key = %key, %error, "entry without a readable checksum is made anew");
                return Ok(None);
            }
        };
        let found = sha256_of(&code).map_err(failed(&path, "code can't be read"))?;
        if found != expected.trim_end() {
            tracing::warn!(key = %key, %found, expected = expected.trim_end(), "damaged entry is made anew");
            return Ok(None);
        }
        self.remember(key, identity);
        Ok(Some(code))
    }

    /// Waits until no other server on this node makes an entry of this key. Blocks its thread.
    pub(super) fn lock(&self, key: &Key) -> Result<KeyLock, Error> {
        let path = self.directory.join(LOCKS).join(&key.0);
        let lock = Lock::take(&path, Duration::from_secs(LOCK_SECONDS_MAX));
        Ok(KeyLock(Some(lock.map_err(failed(&path, "lock can't be taken"))?)))
    }

    /// The lock of a key, or another name's, unless somebody has it.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<KeyLock>, Error> {
        let path = self.directory.join(LOCKS).join(name);
        match Lock::take(&path, Duration::ZERO) {
            Ok(lock) => Ok(Some(KeyLock(Some(lock)))),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(failed(&path, "lock can't be taken")(error)),
        }
    }

    /// The component of an entry that has a successor.
    pub(super) fn component(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let path = self.entry(key).join(COMPONENT);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, "component can't be read")(error)),
        }
    }

    /// Begins an entry, under its lock; what an earlier server left half done goes.
    pub(super) fn begin(&self, key: &Key) -> Result<(Draft, File), Error> {
        let directory = self.directory.join(format!("{DRAFT}{key}"));
        remove(&directory)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(failed(&directory, "draft can't be made"))?;
        let draft = Draft { directory, key: key.clone(), done: false };
        let path = draft.directory.join(CODE);
        let file = File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path, "draft can't be made"))?;
        Ok((draft, file))
    }

    /// Puts an entry in place and answers its code. The disk isn't waited for: what a crash of the node
    /// leaves of it doesn't check out.
    pub(super) fn commit(
        &self,
        mut draft: Draft,
        code: &File,
        sha256: &str,
        origin: Option<&Origin>,
    ) -> Result<File, Error> {
        if let Some(Origin { component, successor }) = origin {
            let write = |name, bytes: &[u8]| {
                let path = draft.directory.join(name);
                fs::write(&path, bytes).map_err(failed(&path, "can't be stored"))
            };
            write(COMPONENT, component)?;
            write(SUCCESSOR, successor.0.as_bytes())?;
        }
        let path = draft.directory.join(CODE);
        code.set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(failed(&path, "code can't be stored"))?;
        let sum = draft.directory.join(SHA256);
        fs::write(&sum, format!("{sha256}\n"))
            .and_then(|()| fs::set_permissions(&sum, Permissions::from_mode(FILE_MODE)))
            .map_err(failed(&sum, "checksum can't be stored"))?;
        let entry = self.entry(&draft.key);
        remove(&entry)?;
        fs::rename(&draft.directory, &entry).map_err(failed(&entry, "entry can't be put in place"))?;
        draft.done = true;
        let path = entry.join(CODE);
        let code = File::open(&path).map_err(failed(&path, "code can't be opened"))?;
        let identity = Identity::of(&code).map_err(failed(&path, "status can't be read"))?;
        self.remember(&draft.key, identity);
        Ok(code)
    }

    fn entry(&self, key: &Key) -> PathBuf {
        self.directory.join(&key.0)
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Identity>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: &Key, identity: Identity) {
        let mut checked = self.checked();
        if checked.len() >= CHECKED_MAX {
            checked.clear();
        }
        checked.insert(key.clone(), identity);
    }
}

/// Marks an entry as used; `false` if there is none.
fn use_now(entry: &Path) -> Result<bool, Error> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let now = Timestamps { last_access: now, last_modification: now };
    match rustix::fs::utimensat(CWD, entry, &now, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        // Nothing is taken away there either.
        Err(rustix::io::Errno::ROFS) => Ok(true),
        Err(error) => Err(failed(entry, "use can't be noted")(error.into())),
    }
}

fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(directory, "old entry can't be removed")(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sha256_of(file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 << 10];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut chunk, offset)?;
        let Some(piece @ [_, ..]) = chunk.get(..count) else { return Ok(hex(&hash.finalize())) };
        hash.update(piece);
        offset += count as u64;
    }
}

#[cfg(test)]
mod tests;
