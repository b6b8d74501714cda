//! Tests of `credentials`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::io::Write as _;

fn found(text: &str, registry: &str) -> Option<(String, String)> {
    find(text, registry).unwrap().map(|found| (found.username, found.password))
}

fn pair(username: &str, password: &str) -> Option<(String, String)> {
    Some((username.to_owned(), password.to_owned()))
}

#[test]
fn credentials_are_found_however_docker_spells_them() {
    for (text, registry, want) in [
        (r#"{"auths":{"a.test":{"auth":"YW5uYTpwOnc="}}}"#, "a.test", pair("anna", "p:w")),
        (r#"{"auths":{"https://a.test/v1/":{"auth":"YW5uYTpwOnc="}}}"#, "a.test", pair("anna", "p:w")),
        (r#"{"auths":{"http://a.test:5000":{"auth":"YW5uYTpwOnc="}}}"#, "a.test:5000", pair("anna", "p:w")),
        (r#"{"auths":{"a.test":{"username":"u","password":"p"}}}"#, "a.test", pair("u", "p")),
        (r#"{"auths":{"a.test":{"auth":"YW5uYTo="}}}"#, "a.test", pair("anna", "")),
        (r#"{"auths":{"a.test":{"auth":"YW5uYTpwOnc="}},"credsStore":"x"}"#, "a.test", pair("anna", "p:w")),
    ] {
        assert_eq!(found(text, registry), want, "{text}");
    }
}

#[test]
fn another_registry_has_none() {
    let text = r#"{"auths":{"a.test":{"auth":"YW5uYTpwOnc="},"empty.test":{}},"HttpHeaders":{}}"#;
    for registry in ["a.test:5000", "b.a.test", "test", "a.test.evil.test", "empty.test"] {
        assert_eq!(found(text, registry), None, "{registry}");
    }
    assert_eq!(found("{}", "a.test"), None);
}

#[test]
fn what_cannot_be_used_is_said_without_its_values() {
    for (text, want) in [
        ("{", "line 1, column 1"),
        (r#"{"auths":{"a.test":{"auth":"s3cret!"}}}"#, "auths[\"a.test\"].auth is not user:password"),
        (r#"{"auths":{"a.test":{"auth":"czNjcmV0"}}}"#, "auths[\"a.test\"].auth is not user:password"),
        (r#"{"auths":{"a.test":{"auth":"OnMzY3JldA=="}}}"#, "auths[\"a.test\"].auth is not user:password"),
        (r#"{"auths":{"a.test":{"identitytoken":"s3cret"}}}"#, "identity token"),
        (r#"{"credHelpers":{"a.test":"s3cret"}}"#, "credHelpers"),
        (r#"{"auths":{"a.test":{}},"credsStore":"s3cret"}"#, "credsStore"),
        (r#"{"credsStore":"s3cret"}"#, "credsStore"),
    ] {
        let error = find(text, "a.test").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
        assert!(!error.contains("s3cret") && !error.contains("czNj"), "{error}");
    }
}

#[test]
fn a_password_is_not_shown_by_debug() {
    let credentials = Credentials { username: "u".into(), password: "s3cret".into() };
    assert!(!format!("{credentials:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_file_is_read_anew_each_time() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{{}}").unwrap();
    assert!(read(file.path(), "a.test").await.unwrap().is_none());
    std::fs::write(file.path(), r#"{"auths":{"a.test":{"auth":"YW5uYTpwOnc="}}}"#).unwrap();
    assert_eq!(read(file.path(), "a.test").await.unwrap().unwrap().username, "anna");
}

#[tokio::test]
async fn a_missing_or_huge_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let error = read(&path, "a.test").await.unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("can't be read"), "{error}");
    std::fs::write(&path, " ".repeat(DOCKER_CONFIG_SIZE_BYTES_MAX as usize + 1)).unwrap();
    let error = read(&path, "a.test").await.unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
}
