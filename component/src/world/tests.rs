//! Tests of the type of a component: by exported ids and versions, never by bare names.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::inspect;
use crate::samples::component;

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
