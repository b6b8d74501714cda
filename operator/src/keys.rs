//! The keys that sign grants, from a directory where a Secret of the operator's own namespace is mounted.

use morph_grant::{KEY_SIZE_BYTES_MAX, KeyError, SigningKey};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or directory that can't be read.
    #[error("read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that is no key.
    #[error("{path}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// Nothing there.
    #[error("no *.pem in {path}; put a key there: openssl genpkey -algorithm ed25519 -out {path}/1.pem")]
    None {
        /// The directory.
        path: PathBuf,
    },
}

/// The newest key of a directory: of the files `*.pem`, the last by name.
///
/// # Errors
/// The directory or the file can't be read, holds no key, or there is none.
pub fn newest(directory: &Path) -> Result<SigningKey, KeysError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| KeysError::Read { path, source }
    };
    let mut last: Option<PathBuf> = None;
    for entry in std::fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        if path.extension() == Some(OsStr::new("pem")) {
            last = last.max(Some(path));
        }
    }
    let path = last.ok_or_else(|| KeysError::None { path: directory.to_owned() })?;
    let mut text = Zeroizing::new(String::with_capacity(KEY_SIZE_BYTES_MAX + 1));
    let file = File::open(&path).map_err(at(&path))?;
    file.take(KEY_SIZE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(at(&path))?;
    SigningKey::from_pem(&text).map_err(|source| KeysError::Key { path, source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&mut StdRng::seed_from_u64(seed))
    }

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn the_last_by_name_signs() {
        let [old, new] = [key(1), key(2)].map(|key| key.to_pem().unwrap().to_string());
        let found = directory(&[("2.pem", &new), ("1.pem", &old), ("3.txt", &old)]);
        assert_eq!(newest(found.path()).unwrap().public(), key(2).public());
    }

    #[test]
    fn a_directory_without_a_key_is_refused_by_its_name() {
        let empty = directory(&[("note.txt", "")]);
        let error = newest(empty.path()).unwrap_err();
        assert!(matches!(&error, KeysError::None { path } if path == empty.path()), "{error}");
        assert!(matches!(newest(Path::new("/nowhere")).unwrap_err(), KeysError::Read { .. }));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_by_its_name_and_not_passed_over() {
        let pem = key(1).to_pem().unwrap().to_string();
        let found = directory(&[("1.pem", &pem), ("2.pem", "no key")]);
        let error = newest(found.path()).unwrap_err();
        assert!(matches!(&error, KeysError::Key { path, .. } if path.ends_with("2.pem")), "{error}");
    }
}
