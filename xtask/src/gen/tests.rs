//! Tests of generation, and the test that fails when a generated file is stale.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_generated_files_are_fresh() {
    assert_eq!(stale(&crate::root().unwrap()).unwrap(), Vec::<String>::new());
}

#[test]
fn each_file_says_that_it_is_generated() {
    for file in files().unwrap() {
        assert!(file.text.lines().next().unwrap().contains(HEAD), "{}", file.path);
    }
}

#[test]
fn the_same_code_gives_the_same_files() {
    let texts = || files().unwrap().into_iter().map(|file| file.text).collect::<Vec<_>>();
    assert_eq!(texts(), texts());
}

#[test]
fn a_missing_and_a_changed_file_are_stale_until_written() {
    let folder = tempfile::tempdir().unwrap();
    let count = files().unwrap().len();
    assert_eq!(stale(folder.path()).unwrap().len(), count);
    write(folder.path()).unwrap();
    assert_eq!(stale(folder.path()).unwrap().len(), 0);
    let path = folder.path().join("crds/yaml/morphs.yaml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "# by hand\n").unwrap();
    assert_eq!(stale(folder.path()).unwrap(), ["crds/yaml/morphs.yaml: stale; run `cargo xtask gen`"]);
}
