//! Tests of `reference`.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn references_are_taken_apart() {
    for (text, registry, path, tag, has_digest) in [
        ("a.test/x:1", "a.test", "x", Some("1"), false),
        ("a.test:5000/x/y-z/w_v.u:v1.2-rc_3", "a.test:5000", "x/y-z/w_v.u", Some("v1.2-rc_3"), false),
        ("localhost/x:latest", "localhost", "x", Some("latest"), false),
        ("127.0.0.1:5000/x:1", "127.0.0.1:5000", "x", Some("1"), false),
        ("[::1]:5000/x:1", "[::1]:5000", "x", Some("1"), false),
        ("[2606:4700::1]/x:1", "[2606:4700::1]", "x", Some("1"), false),
        (&format!("a.test/x@{DIGEST}"), "a.test", "x", None, true),
        (&format!("a.test/x:1@{DIGEST}"), "a.test", "x", Some("1"), true),
        ("a.test/x__y/z--w:1", "a.test", "x__y/z--w", Some("1"), false),
    ] {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.repository().registry(), registry, "{text}");
        assert_eq!(reference.repository().path(), path, "{text}");
        assert_eq!(reference.tag(), tag, "{text}");
        assert_eq!(reference.digest().is_some(), has_digest, "{text}");
        assert_eq!(reference.to_string(), text);
    }
}

#[test]
fn what_is_no_reference_says_why() {
    let long_path = format!("a.test/{}:1", "x".repeat(NAME_BYTES_MAX));
    let long_tag = format!("a.test/x:{}", "1".repeat(TAG_BYTES_MAX + 1));
    for (text, want) in [
        ("", "the registry is missing"),
        ("x:1", "the registry is missing"),
        ("library/x:1", "the registry is missing"),
        ("https://a.test/x:1", "no scheme"),
        ("a.test/x", "neither a tag nor a digest"),
        ("a.test/x:", "the tag must be"),
        ("a.test/x:.1", "the tag must be"),
        ("a.test/x:1:2", "the tag must be"),
        ("a.test/x:1/y", "the tag must be"),
        (&long_tag, "the tag must be"),
        ("a.test/:1", "the path must be"),
        ("a.test/X:1", "the path must be"),
        ("a.test/x//y:1", "the path must be"),
        ("a.test/x/../y:1", "the path must be"),
        ("a.test/-x:1", "the path must be"),
        ("a.test/x___y:1", "the path must be"),
        ("a.test/x..y:1", "the path must be"),
        (&long_path, "more than 255"),
        ("A.test/x:1", "host name must be"),
        ("a..test/x:1", "host name must be"),
        ("-a.test/x:1", "host name must be"),
        ("user@a.test/x:1", "the digest after @"),
        ("a.test:0/x:1", "port must be"),
        ("a.test:65536/x:1", "port must be"),
        ("a.test:080/x:1", "port must be"),
        ("a.test:/x:1", "port must be"),
        ("127.1/x:1", "looks like an address"),
        ("0x7f.0x1/x:1", "looks like an address"),
        ("1.2.3.256/x:1", "looks like an address"),
        ("[::1/x:1", "no closing ]"),
        ("[::g]/x:1", "not an IPv6 address"),
        ("[0::1]/x:1", "shortest form"),
        ("[::1]5/x:1", "a port or nothing"),
        ("a.test/x@sha256:00", "the digest after @"),
        ("a.test/x@sha512:00", "the digest after @"),
        (&format!("a.test/x@{DIGEST}@{DIGEST}"), "the digest after @"),
    ] {
        let error = text.parse::<Reference>().unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn a_pinned_image_has_a_digest() {
    let pinned: PinnedImage = format!("a.test/x:1@{DIGEST}").parse().unwrap();
    assert_eq!(pinned.to_string(), format!("a.test/x@{DIGEST}"), "the tag is gone");
    let error = "a.test/x:1".parse::<PinnedImage>().unwrap_err().to_string();
    assert!(error.contains("there is no digest"), "{error}");
    let reference: Reference = "a.test/x:1".parse().unwrap();
    assert_eq!(reference.pinned(DIGEST.parse().unwrap()), pinned);
}

#[test]
fn an_error_shows_no_more_than_a_name() {
    let error = "x".repeat(100_000).parse::<Reference>().unwrap_err().to_string();
    assert!(error.len() < 600, "{}", error.len());
}

proptest! {
    #[test]
    fn what_parses_is_spelled_as_it_was(text in "[a-z0-9.:/@_-]{1,60}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn no_text_is_too_strange(text in ".{0,300}") {
        let _parsed = text.parse::<Reference>();
    }

    #[test]
    fn names_of_the_grammar_are_taken(
        host in "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){1,3}(:[1-9][0-9]{0,3})?",
        path in "[a-z0-9]{1,5}([._-][a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}){0,3}",
        tag in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}",
    ) {
        let text = format!("{host}/{path}:{tag}");
        prop_assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
    }
}
