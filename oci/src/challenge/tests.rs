//! Tests of `challenge`.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
    Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
}

#[test]
fn challenges_of_real_registries_are_read() {
    let cases = [
        (
            r#"Bearer realm="https://a.test/token",service="a.test""#,
            bearer("https://a.test/token", Some("a.test")),
        ),
        (
            r#"Bearer realm="https://a.test/t",service="s",scope="repository:x/y:pull,push",error="e""#,
            bearer("https://a.test/t", Some("s")),
        ),
        (r#"bearer REALM="https://a.test/t""#, bearer("https://a.test/t", None)),
        (r#"Basic realm="Registry Realm""#, Some(Challenge::Basic)),
        ("BASIC", Some(Challenge::Basic)),
        (r#"Basic realm="a, b", Bearer realm="https://a.test/t""#, bearer("https://a.test/t", None)),
        (r#"Bearer realm="https://a.test/t", Basic realm="x""#, bearer("https://a.test/t", None)),
        (r#"Negotiate, Basic realm="x""#, Some(Challenge::Basic)),
        (
            r#"Bearer  realm="https://a.test/\"t" , service=plain"#,
            bearer("https://a.test/\"t", Some("plain")),
        ),
    ];
    for (value, want) in cases {
        assert_eq!(Challenge::parse(value), want, "{value}");
    }
}

#[test]
fn what_is_no_challenge_is_none() {
    let long = format!("Bearer realm=\"{}\"", "a".repeat(CHALLENGE_BYTES_MAX));
    for value in [
        "",
        " ",
        "Digest realm=\"x\"",
        "Bearer",
        "Bearer service=\"x\"",
        "Bearer realm=\"open",
        "Bearer realm=\"x\\",
        "Bearer realm=",
        "=",
        "\"",
        long.as_str(),
    ] {
        assert_eq!(Challenge::parse(value), None, "{value}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(value in ".{0,200}") {
        let _parsed = Challenge::parse(&value);
    }

    #[test]
    fn a_quoted_realm_comes_back_as_it_was(realm in "[ -~]{1,100}") {
        let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
        let value = format!("Basic realm=\"no\", Bearer service=\"s\", realm=\"{quoted}\"");
        prop_assert_eq!(Challenge::parse(&value), bearer(&realm, Some("s")));
    }
}

proptest! {
    /// A realm inside of another parameter's text is no realm.
    #[test]
    fn nothing_in_quotes_is_taken_for_a_parameter(inside in "[a-z =,]{0,30}") {
        let value = format!("Bearer error=\"{inside}, realm=https://evil.test/\",realm=\"https://a.test/t\"");
        prop_assert_eq!(Challenge::parse(&value), bearer("https://a.test/t", None));
    }

    #[test]
    fn basic_among_unknown_schemes_is_found(schemes in prop::collection::vec("[A-Za-z]{1,8}", 0..4)) {
        let others = schemes.iter().all(|scheme| !scheme.eq_ignore_ascii_case("bearer"));
        let mut values: Vec<_> = schemes.iter().map(|scheme| format!("{scheme} x=\"y\"")).collect();
        values.push("Basic realm=\"it\"".to_owned());
        let found = Challenge::parse(&values.join(", "));
        prop_assert!(!others || found == Some(Challenge::Basic), "{:?}", values);
    }
}

#[test]
fn a_challenge_may_have_its_most_bytes_and_not_one_more() {
    let sized = |bytes: usize| format!("Bearer realm=\"{}\"", "a".repeat(bytes - "Bearer realm=\"\"".len()));
    assert!(Challenge::parse(&sized(CHALLENGE_BYTES_MAX)).is_some());
    assert!(Challenge::parse(&sized(CHALLENGE_BYTES_MAX + 1)).is_none());
}
