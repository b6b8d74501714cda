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

proptest! {
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
