//! Tests of `credentials`.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
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

#[test]
fn a_config_of_another_form_is_placed_and_not_repeated() {
    for text in [
        "",
        "null",
        "5",
        "\"s3cret\"",
        "[\"s3cret\"]",
        r#"{"auths":"s3cret"}"#,
        r#"{"auths":["s3cret"]}"#,
        r#"{"auths":{"a.test":"s3cret"}}"#,
        r#"{"auths":{"a.test":{"auth":["s3cret"]}}}"#,
        r#"{"auths":{"a.test":{"password":5}}}"#,
        r#"{"credsStore":["s3cret"]}"#,
        r#"{"auths":{}} s3cret"#,
        r#"{"auths":{"a.test":{"auth":"YQ==","auth":"s3cret"}}}"#,
    ] {
        let error = find(text, "a.test").map(|_| ()).unwrap_err();
        assert!(matches!(error, DockerConfigError::Form { .. }), "{text}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn an_entry_is_meant_for_its_exact_host_and_port() {
    for (name, registry, want) in [
        ("a.test", "a.test", true),
        ("https://a.test", "a.test", true),
        ("https://a.test/", "a.test", true),
        ("https://a.test/v2/acme", "a.test", true),
        ("a.test/acme", "a.test", true),
        ("a.test:443", "a.test", false),
        ("a.test", "a.test:443", false),
        ("a.test.", "a.test", false),
        ("A.test", "a.test", false),
        ("*.test", "a.test", false),
        ("*", "a.test", false),
        ("", "a.test", false),
        ("https://evil.test/a.test", "a.test", false),
        ("https://a.test@evil.test", "a.test", false),
        ("ftp://a.test", "a.test", false),
    ] {
        let text = serde_json::json!({ "auths": { name: { "username": "u", "password": "p" } } }).to_string();
        assert_eq!(found(&text, registry), want.then(|| pair("u", "p").unwrap()), "{name} for {registry}");
    }
}

#[tokio::test]
async fn a_file_may_have_its_most_bytes_and_must_be_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let size = usize::try_from(DOCKER_CONFIG_SIZE_BYTES_MAX).unwrap();
    std::fs::write(&path, format!("{{}}{}", " ".repeat(size - 2))).unwrap();
    assert!(read(&path, "a.test").await.unwrap().is_none());
    std::fs::write(&path, b"{\"auths\":{\"\xff\":{}}}").unwrap();
    assert!(read(&path, "a.test").await.unwrap_err().to_string().contains("can't be read"));
    assert!(read(directory.path(), "a.test").await.unwrap_err().to_string().contains("can't be read"));
}

proptest! {
    #[test]
    fn what_docker_writes_is_read(username in "[^:\u{0}]{1,20}", password in "[^\u{0}]{0,40}") {
        let auth = STANDARD.encode(format!("{username}:{password}"));
        let text = serde_json::json!({ "auths": { "a.test": { "auth": auth } } }).to_string();
        prop_assert_eq!(found(&text, "a.test"), pair(&username, &password));
    }

    #[test]
    fn no_text_is_too_strange(text in ".{0,200}") {
        let _found = find(&text, "a.test");
    }
}
