//! Tests of the type of a component: by exported ids and versions, never by bare names.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::inspect;
use crate::samples::component;
use proptest::prelude::*;

fn world(exports: &[&str]) -> World {
    World { exports: exports.iter().map(|text| text.parse().unwrap()).collect(), ..World::default() }
}

#[test]
fn the_export_and_its_version_make_the_type() {
    for (export, kind, preview) in [
        ("wasi:cli/run@0.2.0", Kind::Command, Preview::P2),
        ("wasi:cli/run@0.2.99", Kind::Command, Preview::P2),
        ("wasi:cli/run@0.3.0", Kind::Command, Preview::P3),
        ("wasi:http/incoming-handler@0.2.3", Kind::Server, Preview::P2),
        ("wasi:http/handler@0.3.0", Kind::Server, Preview::P3),
    ] {
        let run = world(&[export, "acme:own/thing@1.0.0"]).run().unwrap();
        assert_eq!((run.kind, run.preview, run.export.to_string()), (kind, preview, export.to_owned()));
    }
}

#[test]
fn a_name_or_version_that_is_only_alike_makes_no_type() {
    for export in [
        "acme:cli/run@0.2.0",
        "wasi:cli/run",
        "wasi:cli/run@1.2.0",
        "wasi:cli/run@0.4.0",
        "wasi:http/handler@0.2.0",
        "wasi:http/incoming-handler@0.3.0",
        "wasi:cli2/run@0.2.0",
    ] {
        let error = world(&[export]).run().unwrap_err();
        assert!(matches!(error, Error::NoKnownExport { .. }), "{export}: {error}");
        assert!(error.to_string().contains(export), "{error}");
    }
}

#[test]
fn a_bare_function_named_run_makes_no_command() {
    let world = inspect(&component("export run: func();")).unwrap();
    let error = world.run().unwrap_err().to_string();
    assert!(error.ends_with("its exports: run"), "{error}");
}

#[test]
fn nothing_exported_is_said_as_none() {
    assert!(World::default().run().unwrap_err().to_string().ends_with("its exports: none"));
}

#[test]
fn two_kinds_are_ambiguous_until_one_is_asked_for() {
    let both = world(&["wasi:cli/run@0.2.0", "wasi:http/handler@0.3.0"]);
    let error = both.run().unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }));
    assert!(error.to_string().contains("wasi:cli/run@0.2.0, wasi:http/handler@0.3.0"), "{error}");
    assert_eq!(both.run_as(Some(Kind::Command)).unwrap().preview, Preview::P2);
    assert_eq!(both.run_as(Some(Kind::Server)).unwrap().preview, Preview::P3);
}

#[test]
fn of_one_kind_in_two_generations_the_newer_is_taken() {
    let run = world(&["wasi:cli/run@0.3.0", "wasi:cli/run@0.2.0"]).run().unwrap();
    assert_eq!(run.export.to_string(), "wasi:cli/run@0.3.0");
}

#[test]
fn the_type_that_is_asked_for_must_be_exported() {
    let command = world(&["wasi:cli/run@0.2.0"]);
    let error = command.run_as(Some(Kind::Server)).unwrap_err();
    assert!(matches!(error, Error::NotThisKind { kind: Kind::Server, .. }), "{error}");
    assert!(error.to_string().contains("can't run as Server"), "{error}");
}

#[test]
fn a_version_before_its_release_says_so() {
    let early = world(&["wasi:cli/run@0.3.0-rc-2025-09-16"]);
    for wanted in [None, Some(Kind::Command)] {
        let error = early.run_as(wanted).unwrap_err();
        assert!(matches!(error, Error::PreRelease { .. }), "{error}");
    }
    assert!(matches!(early.run_as(Some(Kind::Server)), Err(Error::NotThisKind { .. })));
}

#[test]
fn many_exports_are_cut_in_a_message() {
    let many: Vec<String> = (0..40).map(|i| format!("acme:a/i{i}@1.0.0")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = world(&many).run().unwrap_err().to_string();
    assert!(error.ends_with("and 28 more"), "{error}");
}

/// Everything that makes a type, alone and together with everything else.
#[test]
fn each_pair_of_exports_is_one_type_or_ambiguous() {
    let ways = [
        ("wasi:cli/run@0.2.3", Kind::Command, Preview::P2),
        ("wasi:cli/run@0.3.0", Kind::Command, Preview::P3),
        ("wasi:http/incoming-handler@0.2.3", Kind::Server, Preview::P2),
        ("wasi:http/handler@0.3.0", Kind::Server, Preview::P3),
    ];
    for (one, kind, preview) in ways {
        for (other, other_kind, other_preview) in ways {
            let found = world(&[one, other]).run();
            if kind == other_kind {
                let run = found.unwrap();
                assert_eq!((run.kind, run.preview), (kind, preview.max(other_preview)), "{one} and {other}");
            } else {
                assert!(matches!(found, Err(Error::Ambiguous { .. })), "{one} and {other}");
                assert_eq!(world(&[one, other]).run_as(Some(kind)).unwrap().export.to_string(), one);
            }
        }
    }
}

#[test]
fn a_released_export_is_taken_and_not_an_earlier_one_beside_it() {
    let both = world(&["wasi:cli/run@0.3.0-rc-1", "wasi:cli/run@0.2.0"]);
    assert_eq!(both.run().unwrap().export.to_string(), "wasi:cli/run@0.2.0");
    let mixed = world(&["wasi:http/handler@0.3.0-rc-1", "wasi:cli/run@0.2.0"]);
    assert_eq!(mixed.run().unwrap().kind, Kind::Command);
    assert!(matches!(mixed.run_as(Some(Kind::Server)), Err(Error::PreRelease { .. })));
}

#[test]
fn an_unknown_version_and_a_bare_name_are_both_listed() {
    let mut strange = world(&["wasi:cli/run@0.9.0"]);
    strange.plain_exports.push("go".to_owned());
    for error in [strange.run().unwrap_err(), strange.run_as(Some(Kind::Server)).unwrap_err()] {
        assert!(error.to_string().ends_with("its exports: wasi:cli/run@0.9.0, go"), "{error}");
    }
}

#[test]
fn kinds_and_generations_are_spelt_as_in_yaml_and_docs() {
    assert_eq!((Kind::Command.to_string(), Kind::Server.to_string()), ("Command".into(), "Server".into()));
    assert_eq!((Preview::P2.to_string(), Preview::P3.to_string()), ("0.2".into(), "0.3".into()));
    assert_eq!(serde_json::to_string(&Kind::Server).unwrap(), "\"Server\"");
}

#[test]
fn a_world_is_read_back_from_its_json() {
    let mut world = world(&["wasi:cli/run@0.2.0", "acme:a/b"]);
    world.plain_exports.push("go".to_owned());
    let json = serde_json::to_string(&world).unwrap();
    assert!(json.contains("\"plainExports\":[\"go\"]"), "{json}");
    assert_eq!(serde_json::from_str::<World>(&json).unwrap(), world);
    assert!(serde_json::from_str::<World>(&json.replace("acme:a/b", "b")).is_err());
}

fn any_exports() -> impl Strategy<Value = Vec<&'static str>> {
    let all = vec![
        "wasi:cli/run@0.2.0",
        "wasi:cli/run@0.2.7",
        "wasi:cli/run@0.3.0",
        "wasi:cli/run@0.3.0-rc-1",
        "wasi:cli/run@1.0.0",
        "wasi:http/incoming-handler@0.2.1",
        "wasi:http/handler@0.3.0",
        "wasi:http/handler@0.3.0-rc-1",
        "acme:own/thing@1.0.0",
    ];
    prop::sample::subsequence(all, 0..9).prop_shuffle()
}

proptest! {
    #[test]
    fn the_order_of_exports_decides_nothing(exports in any_exports()) {
        let mut sorted = exports.clone();
        sorted.sort_unstable();
        for wanted in [None, Some(Kind::Command), Some(Kind::Server)] {
            let one = world(&exports).run_as(wanted).map_err(|error| std::mem::discriminant(&error));
            let other = world(&sorted).run_as(wanted).map_err(|error| std::mem::discriminant(&error));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn what_runs_is_exported_is_released_and_is_what_was_wanted(exports in any_exports()) {
        for wanted in [None, Some(Kind::Command), Some(Kind::Server)] {
            let Ok(run) = world(&exports).run_as(wanted) else { continue };
            prop_assert!(exports.contains(&run.export.to_string().as_str()));
            prop_assert!(!run.export.to_string().contains("rc"), "{}", run.export);
            prop_assert!(wanted.is_none_or(|wanted| wanted == run.kind));
            prop_assert_eq!(world(&exports).run_as(Some(run.kind)).unwrap(), run);
        }
    }
}
