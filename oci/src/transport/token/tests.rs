//! Tests of `token`.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn a_token_is_taken_from_either_field() {
    for (body, want) in [
        (r#"{"token":"t"}"#, Some("Bearer t")),
        (r#"{"access_token":"t","expires_in":300}"#, Some("Bearer t")),
        (r#"{"token":"t","access_token":"u"}"#, Some("Bearer t")),
        (r#"{"token":""}"#, None),
        (r#"{"token":null}"#, None),
        ("{}", None),
        ("[]", None),
        ("not json", None),
        (r#"{"token":"a\r\nX-Other: b"}"#, None),
    ] {
        let header = header_of(body.as_bytes());
        assert_eq!(header.as_ref().map(|header| header.to_str().unwrap()), want, "{body}");
        assert!(header.is_none_or(|header| header.is_sensitive()));
    }
}

#[test]
fn a_password_may_have_colons_and_any_letters() {
    let credentials = Credentials { username: "anna".into(), password: "pä:ss".into() };
    let header = basic(&credentials).unwrap();
    let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
    assert_eq!(STANDARD.decode(pair).unwrap(), "anna:pä:ss".as_bytes());
    assert!(header.is_sensitive());
}
