//! Tests of interface ids: one text for each id, and which versions stand for each other.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn id(text: &str) -> InterfaceId {
    text.parse().unwrap()
}

#[test]
fn the_parts_of_an_id_are_told_apart() {
    let id = id("wasi:http/outgoing-handler@0.2.3");
    assert_eq!((id.namespace.as_str(), id.package.as_str()), ("wasi", "http"));
    assert_eq!(
        (id.interface.as_str(), id.version.clone()),
        ("outgoing-handler", Some(Version::new(0, 2, 3)))
    );
    assert!(id.is("wasi", "http", "outgoing-handler") && !id.is("wasi", "http", "handler"));
}

#[test]
fn what_is_no_interface_id_is_refused() {
    for text in [
        "",
        "run",
        "wasi:http",
        "wasi:http/",
        "wasi/http",
        "wasi:http/types@",
        "wasi:http/types@1",
        "wasi:http/types@0.2",
        "wasi:http/types@0.2.3 ",
        " wasi:http/types",
        "wasi:http/types/more@0.2.3",
        "wasi:Http_/types",
        "[method]wasi:http/types",
        "wasi:http/types@0.2.3@0.2.3",
    ] {
        assert!(text.parse::<InterfaceId>().is_err(), "{text}");
    }
    let long = format!("wasi:http/{}", "a".repeat(300));
    assert!(long.parse::<InterfaceId>().unwrap_err().to_string().len() < 400);
}

#[test]
fn compatible_versions_stand_for_each_other() {
    for (one, other, want) in [
        ("a:b/c@0.2.0", "a:b/c@0.2.9", true),
        ("a:b/c@0.2.0", "a:b/c@0.3.0", false),
        ("a:b/c@1.0.0", "a:b/c@1.9.0", true),
        ("a:b/c@1.0.0", "a:b/c@2.0.0", false),
        ("a:b/c@0.0.1", "a:b/c@0.0.1", true),
        ("a:b/c@0.0.1", "a:b/c@0.0.2", false),
        ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0", false),
        ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0-rc.1", true),
        ("a:b/c", "a:b/c", true),
        ("a:b/c", "a:b/c@0.2.0", false),
        ("a:b/c@0.2.0", "a:b/d@0.2.0", false),
        ("a:b/c@0.2.0", "x:b/c@0.2.0", false),
    ] {
        assert_eq!(id(one).matches(&id(other)), want, "{one} for {other}");
        assert_eq!(id(other).matches(&id(one)), want, "{other} for {one}");
    }
}

#[test]
fn an_id_is_its_text_in_json() {
    let json = serde_json::to_string(&id("wasi:cli/run@0.3.0")).unwrap();
    assert_eq!(json, "\"wasi:cli/run@0.3.0\"");
    assert_eq!(serde_json::from_str::<InterfaceId>(&json).unwrap(), id("wasi:cli/run@0.3.0"));
    assert!(serde_json::from_str::<InterfaceId>("\"run\"").is_err());
}

#[test]
fn an_id_may_have_so_many_bytes_and_no_more() {
    let sized = |bytes: usize| format!("a:b/{}", "c".repeat(bytes - 4));
    assert_eq!(id(&sized(INTERFACE_ID_BYTES_MAX)).to_string().len(), INTERFACE_ID_BYTES_MAX);
    assert!(sized(INTERFACE_ID_BYTES_MAX + 1).parse::<InterfaceId>().is_err());
    let error = "é".repeat(1 << 16).parse::<InterfaceId>().unwrap_err().to_string();
    assert!(error.len() < 700, "{}", error.len());
}

#[test]
fn a_name_that_only_looks_like_an_id_is_none() {
    for text in [
        "wasi:cli/ｓtdout@0.2.0",
        "wаsi:cli/stdout@0.2.0", // a Cyrillic letter
        "wasi:cli/stdout\0@0.2.0",
        "wasi:cli/stdout@0.2.0\n",
        "wasi:cli/stdout@00.2.0",
        "wasi:cli/stdout@0.02.0",
        "wasi:cli/stdout@v0.2.0",
        "wasi:cli/stdout@0.2.*",
        "wasi:cli/stdout@^0.2.0",
        "wasi:cli/stdout@0.2.-1",
        "wasi:cli/stdout@0.2.18446744073709551616",
        "wasi:cli/-stdout",
        "wasi:cli/std--out",
        "wasi:cli/1stdout",
        "WASI:cli/stdout",
        "wasi:cli:more/stdout",
        "unlocked-dep=<wasi:cli/stdout>",
        "url=<https://a.example>",
        "[constructor]stdout",
    ] {
        assert!(text.parse::<InterfaceId>().is_err(), "{text}");
    }
}

#[test]
fn a_name_in_another_case_is_another_interface() {
    if let Ok(shouted) = "wasi:cli/STDOUT@0.2.0".parse::<InterfaceId>() {
        assert!(!shouted.matches(&id("wasi:cli/stdout@0.2.0")) && !shouted.is("wasi", "cli", "stdout"));
    }
}

fn any_version() -> impl Strategy<Value = String> {
    let pre = prop_oneof![3 => Just(""), 1 => Just("-rc.1")];
    let some = (0_u64..3, 0_u64..3, 0_u64..3, pre)
        .prop_map(|(major, minor, patch, pre)| format!("@{major}.{minor}.{patch}{pre}"));
    prop_oneof![1 => Just(String::new()), 9 => some]
}

proptest! {
    #[test]
    fn standing_for_each_other_is_an_equivalence(
        one in any_version(), other in any_version(), third in any_version()
    ) {
        let [one, other, third] = [one, other, third].map(|version| id(&format!("a:b/c{version}")));
        prop_assert!(one.matches(&one));
        prop_assert_eq!(one.matches(&other), other.matches(&one));
        prop_assert!(!(one.matches(&other) && other.matches(&third)) || one.matches(&third));
    }

    #[test]
    fn any_text_is_answered_and_what_parses_is_spelt_the_same(text in "[a-z:/@0-9.-]{0,40}") {
        if let Ok(id) = text.parse::<InterfaceId>() {
            prop_assert_eq!(id.to_string(), text);
            prop_assert!(id.matches(&id));
        }
    }

    #[test]
    fn a_well_formed_id_round_trips(
        namespace in "[a-z]{1,8}(-[a-z]{1,4})?",
        package in "[a-z]{1,8}",
        interface in "[a-z]{1,8}(-[a-z0-9]{1,4})?",
        version in (0_u64..100, 0_u64..100, 0_u64..100),
    ) {
        let text = format!("{namespace}:{package}/{interface}@{}.{}.{}", version.0, version.1, version.2);
        prop_assert_eq!(id(&text).to_string(), text);
    }
}
