//! Tests of the configuration that a guest sees.
#![allow(clippy::unwrap_used)]
use super::store::Host as _;
use super::*;
use crate::Run;
use std::path::PathBuf;

fn literal(key: &str, value: &str) -> ConfigEntry {
    ConfigEntry { key: key.into(), value: Some(value.into()), file: None }
}

fn from_file(key: &str, file: &str) -> ConfigEntry {
    ConfigEntry { key: key.into(), value: None, file: Some(file.into()) }
}

fn task(files: Option<PathBuf>, config: Vec<ConfigEntry>) -> Task {
    let mut task = Task::ungranted("guest", Run::Command);
    task.files = files;
    task.grants.config = config;
    task
}

fn words(error: Error) -> String {
    match error {
        Error::Upstream(words) => format!("upstream: {words}"),
        Error::Io(words) => format!("io: {words}"),
    }
}

fn get(task: &Task, key: &str) -> Result<Option<String>, String> {
    Config(task).get(key.into()).unwrap().map_err(words)
}

fn all(task: &Task) -> Result<Vec<(String, String)>, String> {
    Config(task).get_all().unwrap().map_err(words)
}

#[test]
fn granted_entries_are_there_in_their_order_and_no_other_is() {
    let task = task(None, vec![literal("units", "metric"), literal("empty", "")]);
    assert_eq!(get(&task, "units"), Ok(Some("metric".into())));
    assert_eq!(get(&task, "empty"), Ok(Some(String::new())));
    for other in ["UNITS", "unit", "", "PATH", "../units"] {
        assert_eq!(get(&task, other), Ok(None), "{other}");
    }
    assert_eq!(all(&task).unwrap(), [("units".into(), "metric".into()), ("empty".into(), String::new())]);
}

#[test]
fn a_file_is_read_anew_each_time() {
    let files = tempfile::tempdir().unwrap();
    let task = task(Some(files.path().into()), vec![from_file("region", "config-region")]);
    for value in ["north", "south\n"] {
        std::fs::write(files.path().join("config-region"), value).unwrap();
        assert_eq!(get(&task, "region"), Ok(Some(value.into())));
        assert_eq!(all(&task).unwrap(), [("region".into(), value.into())]);
    }
}

#[test]
fn a_missing_file_is_a_missing_key() {
    let files = tempfile::tempdir().unwrap();
    let task = task(
        Some(files.path().into()),
        vec![from_file("region", "config-region"), literal("units", "metric")],
    );
    assert_eq!(get(&task, "region"), Ok(None));
    assert_eq!(all(&task).unwrap(), [("units".into(), "metric".into())]);
}

#[test]
fn files_of_the_same_directory_that_no_entry_names_are_not_to_be_had() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("credential-0"), "secret").unwrap();
    let task = task(Some(files.path().into()), vec![from_file("region", "config-region")]);
    assert_eq!(get(&task, "credential-0"), Ok(None));
    assert_eq!(all(&task), Ok(vec![]));
}

#[test]
fn what_is_no_text_is_an_error_that_names_the_key_and_nothing_else() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("config-region"), b"\xff\xfe").unwrap();
    let task = task(
        Some(files.path().into()),
        vec![from_file("region", "config-region"), literal("units", "metric")],
    );
    let error = get(&task, "region").unwrap_err();
    assert_eq!(error, "upstream: the value of \"region\" is no text in UTF-8");
    assert!(!error.contains(files.path().to_str().unwrap()), "{error}");
    assert_eq!(all(&task).unwrap_err(), error);
    assert_eq!(get(&task, "units"), Ok(Some("metric".into())));
}

#[test]
fn a_value_has_the_limits_size_at_most() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("config-region");
    let task = task(Some(files.path().into()), vec![from_file("region", "config-region")]);
    let size = CONFIG_VALUE_BYTES_MAX;
    std::fs::write(&path, vec![b'x'; size]).unwrap();
    assert_eq!(get(&task, "region").unwrap().unwrap().len(), size);
    std::fs::write(&path, vec![b'x'; size + 1]).unwrap();
    let error = get(&task, "region").unwrap_err();
    assert!(error.contains(&format!("has more than {CONFIG_VALUE_BYTES_MAX} bytes")), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_its_own() {
    let files = tempfile::tempdir().unwrap();
    std::fs::create_dir(files.path().join("config-region")).unwrap();
    let task = task(Some(files.path().into()), vec![from_file("region", "config-region")]);
    let error = get(&task, "region").unwrap_err();
    assert!(error.starts_with("io: the value of \"region\" can't be read"), "{error}");
    assert!(!error.contains(files.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_files_name_leads_nowhere_else() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let files = outside.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for name in ["../secret", outside.path().join("secret").to_str().unwrap(), "."] {
        let task = task(Some(files.clone()), vec![from_file("region", name)]);
        let error = get(&task, "region").unwrap_err();
        assert!(error.contains("has no file"), "{name}: {error}");
    }
    let without = task(None, vec![from_file("region", "config-region")]);
    assert!(get(&without, "region").unwrap_err().contains("has no file"));
}
