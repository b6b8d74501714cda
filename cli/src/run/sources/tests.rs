//! Which ConfigMaps and Secrets may be given, and what becomes of their keys.
#![allow(clippy::unwrap_used)]

use super::*;
use morph_crds::Morph;
use serde_json::json;

fn spec() -> MorphSpec {
    let credential = json!({ "header": "x", "secretKeyRef": { "name": "s", "key": "token" } });
    let morph: Morph = serde_json::from_value(json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph", "metadata": { "name": "one" },
        "spec": {
            "image": "a.test/x:1",
            "env": [{ "name": "E", "valueFrom": { "configMapKeyRef": { "name": "e", "key": "k" } } }],
            "config": [{ "key": "city", "valueFrom": { "configMapKeyRef":
                { "name": "c", "key": "city", "optional": true } } }],
            "capabilities": { "http": { "allow": [
                { "host": "a.test", "pathPrefixes": ["/"], "credential": credential }] } },
        },
    }))
    .unwrap();
    morph.spec
}

fn pair(name: &str, directory: &Path) -> Vec<(String, String)> {
    vec![(name.to_owned(), directory.to_str().unwrap().to_owned())]
}

#[test]
fn what_the_morph_takes_no_key_of_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| pair(name, directory.path());
    for name in ["c", "e"] {
        assert!(Sources::new(&spec(), &here(name), &[]).is_ok(), "{name}");
    }
    assert!(Sources::new(&spec(), &[], &here("s")).is_ok());
    for (config_maps, secrets, want) in [
        (here("s"), vec![], "--config-map s: the Morph takes no key of such a ConfigMap"),
        (vec![], here("c"), "--secret c: the Morph takes no key of such a Secret"),
        (vec![], pair("s", Path::new("/nonexistent")), "--secret s=/nonexistent: not a directory"),
    ] {
        let error = Sources::new(&spec(), &config_maps, &secrets).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, want);
    }
}

#[test]
fn values_become_files_that_nobody_else_reads_and_that_go_at_the_end() {
    let (c, s) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(c.path().join("city"), "Porto").unwrap();
    std::fs::write(s.path().join("token"), "hidden").unwrap();
    std::fs::write(s.path().join("other"), "not asked for").unwrap();
    let sources = Sources::new(&spec(), &pair("c", c.path()), &pair("s", s.path())).unwrap();
    let made = files(&spec(), &sources).unwrap().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(made.path()), 0o700);
    let mut listed: Vec<_> =
        std::fs::read_dir(made.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    listed.sort();
    let told: Vec<_> = listed
        .iter()
        .map(|path| (path.file_name().unwrap().to_str().unwrap(), std::fs::read_to_string(path).unwrap()))
        .collect();
    assert_eq!(told, [("config-0", "Porto".to_owned()), ("credential-0", "hidden".to_owned())]);
    assert!(listed.iter().all(|path| mode(path) == 0o400));
    let path = made.path().to_owned();
    drop(made);
    assert!(!path.exists());
}

#[test]
fn what_is_optional_may_be_missing_and_nothing_else() {
    let s = tempfile::tempdir().unwrap();
    let missing = files(&spec(), &Sources::default()).map(|_| ()).unwrap_err().to_string();
    assert_eq!(missing, "the Morph takes key token of Secret s; give a directory with it: --secret s=DIR");
    let sources = Sources::new(&spec(), &[], &pair("s", s.path())).unwrap();
    assert!(files(&spec(), &sources).is_err(), "the directory lacks the key");
    std::fs::write(s.path().join("token"), "x").unwrap();
    let made = files(&spec(), &sources).unwrap().unwrap();
    assert_eq!(std::fs::read_dir(made.path()).unwrap().count(), 1);
}

#[test]
fn a_value_larger_than_a_cluster_takes_is_refused() {
    let s = tempfile::tempdir().unwrap();
    let size = usize::try_from(VALUE_SIZE_BYTES_MAX).unwrap();
    let sources = Sources::new(&spec(), &[], &pair("s", s.path())).unwrap();
    std::fs::write(s.path().join("token"), vec![b'x'; size]).unwrap();
    assert!(files(&spec(), &sources).is_ok());
    std::fs::write(s.path().join("token"), vec![b'x'; size + 1]).unwrap();
    let error = files(&spec(), &sources).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("has more than 1048576 bytes"), "{error}");
}
