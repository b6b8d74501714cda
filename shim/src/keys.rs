//! The keys whose grants this node takes: the public halves in a directory that the administrator, or the
//! operator's node agent, keeps. Read anew for each sandbox, so that keys change without a restart.

use morph_grant::{KEY_SIZE_BYTES_MAX, PublicKey, TRUSTED_KEYS_MAX, TrustedKeys};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Entries of the directory that are looked at. A mounted ConfigMap has a few besides its keys.
const ENTRIES_MAX: usize = 256;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Found {
    /// The keys.
    pub keys: TrustedKeys,
    /// What in it is no key, or can't be read; each names its file. No grant is taken for it.
    pub problems: Vec<String>,
}

/// Reads the keys of a directory: each `*.pem` is an Ed25519 public key. One that isn't doesn't shut out the
/// others. A directory that isn't there has none. Blocks.
#[must_use]
pub fn read(directory: &Path) -> Found {
    let mut found = Found::default();
    let paths = match paths(directory) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.problems.push(format!("{}: {error}", directory.display()));
            return found;
        }
    };
    let mut keys = Vec::new();
    for path in &paths {
        match key(path) {
            Ok(_) if keys.len() == TRUSTED_KEYS_MAX => {
                let words = format!("left out, {TRUSTED_KEYS_MAX} keys come before it; remove old ones");
                found.problems.push(format!("{}: {words}", path.display()));
            }
            Ok(key) => keys.push(key),
            Err(problem) => found.problems.push(format!("{}: {problem}", path.display())),
        }
    }
    found.keys = keys.into_iter().collect();
    found
}

/// Files `*.pem` of a directory, by name.
fn paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)?.take(ENTRIES_MAX) {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("pem")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn key(path: &Path) -> Result<PublicKey, String> {
    let text = text(path).map_err(|error| error.to_string())?;
    PublicKey::from_pem(&text).map_err(|error| crate::grant::chain(&error))
}

fn text(path: &Path) -> io::Result<String> {
    // A pipe under such a name has no end to wait for.
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = String::new();
    file.take(KEY_SIZE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use morph_grant::SigningKey;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn public(seed: u64) -> PublicKey {
        SigningKey::generate(&mut StdRng::seed_from_u64(seed)).public()
    }

    fn directory(files: &[(String, String)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn pem(name: &str, seed: u64) -> (String, String) {
        (name.to_owned(), public(seed).to_pem().unwrap())
    }

    #[test]
    fn each_pem_file_is_a_trusted_key_and_nothing_else_is() {
        let found = directory(&[pem("a.pem", 1), pem("b.pem", 2), pem("c.txt", 3), pem("pem", 4)]);
        let found = read(found.path());
        assert_eq!(found.keys, [public(1), public(2)].into_iter().collect());
        assert!(found.problems.is_empty(), "{found:?}");
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_keys_and_no_fault() {
        let found = read(Path::new("/nowhere/keys"));
        assert!(found.keys.is_empty() && found.problems.is_empty());
        let found = directory(&[("file".into(), String::new())]);
        let found = read(&found.path().join("file"));
        assert!(found.keys.is_empty() && found.problems.len() == 1, "{found:?}");
    }

    #[test]
    fn what_is_no_key_is_named_and_shuts_nobody_out() {
        let private = SigningKey::generate(&mut StdRng::seed_from_u64(5)).to_pem().unwrap().to_string();
        let found = directory(&[
            ("a.pem".into(), "no key".into()),
            pem("b.pem", 1),
            ("c.pem".into(), private),
            ("d.pem".into(), "x".repeat(KEY_SIZE_BYTES_MAX + 1)),
        ]);
        std::fs::create_dir(found.path().join("e.pem")).unwrap();
        let pipe = found.path().join("f.pem");
        let made = rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0);
        made.unwrap();
        let found = read(found.path());
        assert_eq!(found.keys, [public(1)].into_iter().collect());
        let named = |file: &str, words: &str| {
            found.problems.iter().any(|problem| problem.contains(file) && problem.contains(words))
        };
        assert!(named("a.pem", "not an Ed25519 public key") && named("c.pem", "not an Ed25519 public key"));
        assert!(named("d.pem", "at most 4096 bytes") && named("e.pem", "not a regular file"), "{found:?}");
        assert!(named("f.pem", "not a regular file"), "{found:?}");
        assert_eq!(found.problems.len(), 5);
    }

    #[test]
    fn more_keys_than_fit_are_left_out_by_name() {
        let files: Vec<_> = (0..=TRUSTED_KEYS_MAX).map(|n| pem(&format!("{n:02}.pem"), n as u64)).collect();
        let found = read(directory(&files).path());
        assert_eq!(found.keys.len(), TRUSTED_KEYS_MAX);
        assert!(found.keys.get(&public(0).id()).is_some());
        assert!(matches!(&found.problems[..], [only] if only.contains("16.pem: left out")), "{found:?}");
    }
}
