//! Reads the mounted Secret: the keys that sign, and the certificate of the denials' port. No Secret is read
//! through the API.

use super::choice::KeyName;
use anyhow::Context as _;
use morph_grant::{KEY_SIZE_BYTES_MAX, SigningKey};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Keys by their names.
pub type Keys = BTreeMap<KeyName, Arc<SigningKey>>;

/// The keys in a directory. A file of another name is another thing; one with a key's name that isn't that key
/// is an error, and so is a directory without any.
///
/// # Errors
/// As said, and what can't be read.
pub fn read(directory: &Path) -> anyhow::Result<Keys> {
    let what = || format!("read the signing keys in {}", directory.display());
    let mut keys = Keys::new();
    for entry in std::fs::read_dir(directory).with_context(what)? {
        let path = entry.with_context(what)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(KeyName::parse);
        let Some(name) = name else { continue };
        let at = || format!("{}", path.display());
        let key = SigningKey::from_pem(&text(&path)?).with_context(at)?;
        let found = key.public().id();
        anyhow::ensure!(found == name.id, "{}: holds key {found}", path.display());
        keys.insert(name, Arc::new(key));
    }
    anyhow::ensure!(
        !keys.is_empty(),
        "no key in {}; `morph-operator keys ensure` makes one",
        directory.display()
    );
    Ok(keys)
}

/// A file's text, wiped when it is dropped.
fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let what = || format!("read {}", path.display());
    let mut text = Zeroizing::new(String::with_capacity(KEY_SIZE_BYTES_MAX + 1));
    let file = File::open(path).with_context(what)?;
    file.take(KEY_SIZE_BYTES_MAX as u64 + 1).read_to_string(&mut text).with_context(what)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::SeedableRng as _;

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&mut rand::rngs::StdRng::seed_from_u64(seed))
    }

    fn put(directory: &Path, made: u64, named: u64, held: u64) -> KeyName {
        let name = KeyName { made, id: key(named).public().id() };
        std::fs::write(directory.join(name.to_string()), key(held).to_pem().unwrap().as_bytes()).unwrap();
        name
    }

    #[test]
    fn keys_are_found_by_their_names_and_the_rest_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (put(directory.path(), 9, 1, 1), put(directory.path(), 10, 2, 2));
        std::fs::write(directory.path().join("denials.key"), "another thing").unwrap();
        std::fs::create_dir(directory.path().join("..data")).unwrap();
        let keys = read(directory.path()).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), [&first, &second]);
        assert_eq!(keys[&first].public(), key(1).public());
    }

    #[test]
    fn a_file_with_another_key_or_none_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let name = put(directory.path(), 9, 1, 2);
        let error = format!("{:#}", read(directory.path()).unwrap_err());
        assert!(error.contains(&name.to_string()) && error.contains("holds key"), "{error}");
        for text in ["", "nonsense", &"x".repeat(KEY_SIZE_BYTES_MAX + 1)] {
            std::fs::write(directory.path().join(name.to_string()), text).unwrap();
            let error = format!("{:#}", read(directory.path()).unwrap_err());
            assert!(error.contains(&name.to_string()) && !error.contains("nonsense"), "{error}");
        }
    }

    #[test]
    fn a_directory_without_keys_says_what_makes_one() {
        let directory = tempfile::tempdir().unwrap();
        let error = format!("{:#}", read(directory.path()).unwrap_err());
        assert!(error.contains("keys ensure"), "{error}");
        assert!(read(Path::new("/nowhere/at/all")).is_err());
    }
}
