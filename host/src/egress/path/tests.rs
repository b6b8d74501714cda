//! Tests of `egress::path`.
use super::*;

#[test]
fn a_path_has_one_spelling() {
    for (path, want) in [
        ("", "/"),
        ("/", "/"),
        ("/v1/a", "/v1/a"),
        ("/v1/a/", "/v1/a/"),
        ("/v1//a", "/v1/a"),
        ("///", "/"),
        ("/v1/./a", "/v1/a"),
        ("/v1/a/..", "/v1/"),
        ("/v1/a/../b", "/v1/b"),
        ("/v1/%2e%2e/admin", "/admin"),
        ("/v1/.%2E/admin", "/admin"),
        ("/%76%31/a", "/v1/a"),
        ("/a%20b", "/a%20b"),
        ("/a%c3%a4", "/a%C3%A4"),
        ("/a;x=1/b", "/a;x=1/b"),
        ("/a%3bx", "/a%3Bx"),
        ("/100%25", "/100%25"),
        ("/v1/a/.", "/v1/a/"),
        ("/.well-known/x", "/.well-known/x"),
        ("/...", "/..."),
        ("/a@b:c!$&'()*+,=", "/a@b:c!$&'()*+,="),
    ] {
        assert_eq!(normalise(path).as_deref(), Ok(want), "{path}");
        assert_eq!(normalise(want).as_deref(), Ok(want), "{path} twice");
    }
}

#[test]
fn what_servers_read_differently_is_refused() {
    for (path, why) in [
        ("http://evil.example/", Bad::NotAbsolute),
        ("*", Bad::NotAbsolute),
        ("v1", Bad::NotAbsolute),
        ("/..", Bad::AboveRoot),
        ("/v1/../../x", Bad::AboveRoot),
        ("/%2e%2e", Bad::AboveRoot),
        ("//..", Bad::AboveRoot),
        ("/%", Bad::Percent),
        ("/%2", Bad::Percent),
        ("/%zz", Bad::Percent),
        ("/%+2", Bad::Percent),
        ("/v1%2fadmin", Bad::Encoded),
        ("/v1/..%2Fadmin", Bad::Encoded),
        ("/v1%5cadmin", Bad::Encoded),
        ("/v1%00", Bad::Encoded),
        ("/v1%0d%0aHost:x", Bad::Encoded),
        ("/v1/%252e%252e/admin", Bad::Encoded),
        ("/v1%252fadmin", Bad::Encoded),
        ("/v1\\..\\admin", Bad::Character),
        ("/v1/\0", Bad::Character),
        ("/v1 x", Bad::Character),
        ("/v1/ä", Bad::Character),
        ("/v1/..;/admin", Bad::Parameters),
        ("/v1/..;x=1/admin", Bad::Parameters),
        ("/v1/.;/admin", Bad::Parameters),
        ("/v1/%2e%2e;/admin", Bad::Parameters),
        ("/v1/..%3b/admin", Bad::Parameters),
    ] {
        assert_eq!(normalise(path), Err(why), "{path}");
    }
    assert_eq!(normalise(&format!("/{}", "a".repeat(PATH_BYTES_MAX))), Err(Bad::Long));
}

#[test]
fn a_prefix_is_cut_at_slashes() {
    for (path, prefix) in
        [("/v1", "/v1"), ("/v1/a", "/v1"), ("/v1/a", "/v1/"), ("/anything", "/"), ("/", "/")]
    {
        assert!(is_below(path, prefix), "{path} {prefix}");
    }
    for (path, prefix) in
        [("/v10", "/v1"), ("/v1", "/v1/"), ("/v2", "/v1"), ("/", "/v1"), ("/v1;x", "/v1"), ("/V1", "/v1")]
    {
        assert!(!is_below(path, prefix), "{path} {prefix}");
    }
}
