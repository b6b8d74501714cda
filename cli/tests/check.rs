//! `morph check`: the operator's verdict on a file, and what would have to be granted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::{guest, run};

/// A Morph with this spec in YAML's flow style, in a file; what `morph check` says of it.
fn check(spec: &str, args: &[&str]) -> support::Ended {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("morph.yaml");
    let text = format!(
        "apiVersion: hayride.dev/v1alpha1\nkind: Morph\nmetadata: {{ name: desk }}\n\
         spec: {{ image: \"registry.invalid/x:1\", {spec} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    run(&[&["check", file.to_str().unwrap()], args].concat())
}

#[test]
fn what_is_right_ends_with_zero_and_what_is_wrong_with_one() {
    for (spec, code, want) in [
        ("replicas: 1", 0, "nothing is wrong"),
        ("replicas: -1", 1, "spec.replicas: "),
        ("capabilities: { sockets: { lookup: [\"*.co.uk\"] } }", 1, "spec.capabilities.sockets.lookup[0]: "),
    ] {
        let ended = check(spec, &[]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stdout.contains(want), "{want}: {ended:?}");
    }
    let ended = check("replica: 1", &[]);
    assert!(ended.code == 1 && ended.stderr.contains("spec.replica: no such field"), "{ended:?}");
}

#[test]
fn a_component_is_judged_under_the_grants() {
    let component = guest("imports-http");
    let component = ["--component", component.to_str().unwrap()];
    let denied = check("replicas: 1", &component);
    assert!(denied.code == 1 && denied.stdout.contains("ImportDenied"), "{denied:?}");
    assert!(denied.stdout.contains("- { host: HOST, pathPrefixes: [/] }"), "{denied:?}");
    let granted = "capabilities: { http: { allow: [{ host: api.example, pathPrefixes: [/] }] } }";
    let runs = check(granted, &component);
    assert!(runs.code == 0 && runs.stdout.contains("Granted: capabilities.http"), "{runs:?}");
}

#[test]
fn a_suggestion_needs_no_morph() {
    let component = guest("imports-http");
    let ended = run(&["check", "--suggest", "--component", component.to_str().unwrap()]);
    assert!(ended.code == 0 && ended.stdout.contains("spec:\n  capabilities:\n    http:"), "{ended:?}");
    let none = run(&["check", "--suggest"]);
    assert!(none.code != 0 && none.stderr.contains("--component"), "{none:?}");
}
