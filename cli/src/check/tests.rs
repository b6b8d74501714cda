//! What `morph check` says.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

fn morph_of(spec: Value) -> Morph {
    let mut all = json!({ "image": "a.test/x:1" });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph", "metadata": { "name": "one" }, "spec": all,
    }))
    .unwrap()
}

fn world(imports: &[&str]) -> World {
    World {
        imports: imports.iter().map(|text| text.parse().unwrap()).collect(),
        exports: vec!["wasi:cli/run@0.2.3".parse().unwrap()],
        ..World::default()
    }
}

fn said(spec: Value, imports: Option<&[&str]>) -> (bool, String) {
    let morph = morph_of(spec);
    let of_image = |imports| known(&morph.spec.main(), Digest::of(b"x"), world(imports)).unwrap();
    let component = imports.map(of_image);
    let judged = verdict_of_parts(&morph, component, Vec::new(), Ceiling::None, Arc::new(throwaway_key()));
    (judged.is_good(), text(&morph, &judged))
}

/// Of a Morph whose component imports `acme:clock/now`, and whose plug exports it and has these imports.
fn said_of_parts(plug: Value, imports: &[&str]) -> (bool, String) {
    let mut clock = json!({ "name": "clock", "image": "a.test/clock:1" });
    clock.as_object_mut().unwrap().extend(plug.as_object().unwrap().clone());
    let morph = morph_of(json!({ "plugs": [clock] }));
    let main = world(&["acme:clock/now@0.1.0"]);
    let main = known(&morph.spec.main(), Digest::of(b"x"), main).unwrap();
    let exports = vec!["acme:clock/now@0.1.0".parse().unwrap()];
    let plug = World { exports, ..world(imports) };
    let plug = known(&morph.spec.parts_by_name()[1], Digest::of(b"y"), plug).unwrap();
    let key = Arc::new(throwaway_key());
    let judged = verdict_of_parts(&morph, Some(main), vec![Some(plug)], Ceiling::None, key);
    (judged.is_good(), text(&morph, &judged))
}

#[test]
fn parts_are_judged_together_and_each_by_its_own_rights() {
    let (good, text) = said_of_parts(json!({}), &["wasi:clocks/wall-clock@0.2.3"]);
    assert!(good, "{text}");
    assert!(text.contains("import  acme:clock/now@0.1.0"), "{text}");
    assert!(text.contains("Plug: clock"), "{text}");
    assert!(text.contains("import  clock: wasi:clocks/wall-clock@0.2.3  Ambient"), "{text}");
    let (good, text) = said_of_parts(json!({}), &["wasi:logging/logging"]);
    assert!(!good && text.contains("ImportDenied") && text.contains("clock"), "{text}");
    let granted = json!({ "capabilities": { "logging": {} } });
    assert!(said_of_parts(granted, &["wasi:logging/logging"]).0);
}

#[test]
fn every_field_that_is_wrong_has_a_line() {
    let spec = json!({ "replicas": -1, "determinism": { "clock": "2026-02-30T00:00:00Z" } });
    let (good, text) = said(spec, None);
    let fields: Vec<_> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!((good, fields), (false, vec!["spec.replicas", "spec.determinism.clock"]), "{text}");
}

#[test]
fn without_a_component_it_says_that_imports_were_not_judged() {
    let want = "Morph one: nothing is wrong with its fields; --component FILE judges its imports\n";
    assert_eq!(said(json!({}), None), (true, want.to_owned()));
}

#[test]
fn each_import_has_its_answer() {
    let imports = ["wasi:cli/stdout@0.2.3", "wasi:logging/logging"];
    let (good, text) = said(json!({ "capabilities": { "logging": {} } }), Some(&imports));
    assert_eq!(
        (good, text.as_str()),
        (
            true,
            "Morph one: runs as Command\n\
             import  wasi:cli/stdout@0.2.3  Ambient: every Morph may\n\
             import  wasi:logging/logging   Granted: capabilities.logging\n"
        )
    );
}

#[test]
fn a_denied_import_comes_with_what_would_grant_it() {
    let (good, text) = said(json!({}), Some(&["wasi:logging/logging"]));
    assert!(!good && text.starts_with("ImportsSatisfied=False (ImportDenied): 1 import is denied"), "{text}");
    assert!(
        text.contains("\nspec:\n  capabilities:\n    logging: {}\nimport  wasi:logging/logging  Denied"),
        "{text}"
    );
}

#[test]
fn a_suggestion_is_yaml_and_its_notes_are_comments() {
    let imports = ["wasi:http/client@0.3.0", "wasi:cli/environment@0.2.3"];
    let text = suggestion(&world(&imports), &Grants::default());
    let yaml: Value = serde_norway::from_str(&text).unwrap();
    assert_eq!(yaml["spec"]["capabilities"]["http"]["allow"][0]["host"], "HOST", "{text}");
    assert!(text.starts_with("# wasi:cli/environment@0.2.3: answers with nothing"), "{text}");
    let granted = Grants { environment: true, ..Grants::default() };
    assert!(suggestion(&world(&imports[1..]), &granted).contains("nothing has to be granted"));
}

/// Who pastes a suggestion without reading it gets a refusal, not a grant.
#[test]
fn what_is_suggested_is_refused_until_the_capitals_are_filled_in() {
    for import in ["wasi:http/client@0.3.0", "wasi:sockets/types@0.3.0", "wasi:keyvalue/store@0.2.0-draft"] {
        let text = suggestion(&world(&[import]), &Grants::default());
        let yaml: Value = serde_norway::from_str(&text).unwrap();
        let mut spec = yaml["spec"].clone();
        if let Some(ports) = spec.pointer_mut("/capabilities/sockets/connect/0/ports") {
            assert_eq!(*ports, json!(["PORT"]), "a port is a number");
            *ports = json!([1]);
        }
        let (good, text) = said(spec, None);
        assert!(!good, "{import}: {text}");
    }
}
