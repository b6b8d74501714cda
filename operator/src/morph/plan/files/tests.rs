//! Which files a spec needs, what they come from, and that their names stay theirs.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::morph;
use proptest::prelude::*;
use serde_json::{Value, json};

fn spec(fields: &str) -> MorphSpec {
    morph(&format!("image: r.test/a:1\n{fields}\n")).spec
}

fn rule(host: &str, name: &str, key: &str) -> String {
    format!(
        "{{host: {host}, pathPrefixes: [/], \
         credential: {{header: x, secretKeyRef: {{name: {name}, key: {key}}}}}}}"
    )
}

fn allow(rules: &[String]) -> String {
    format!("capabilities: {{http: {{allow: [{}]}}}}", rules.join(", "))
}

/// Name and source of each file.
fn listed(spec: &MorphSpec) -> Vec<String> {
    let line = |file: &File| {
        let File { name, source: FileSource { kind, object, key }, optional } = file;
        format!("{name} {kind:?} {object} {key}{}", if *optional { " optional" } else { "" })
    };
    Files::of(spec).iter().map(line).collect()
}

fn volume_of(spec: &MorphSpec) -> Value {
    serde_json::to_value(volume(&Files::of(spec))).unwrap()
}

#[test]
fn a_spec_without_references_has_no_files_and_no_volume() {
    for fields in
        ["", "config: [{key: a, value: b}]", "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"]
    {
        assert_eq!(listed(&spec(fields)), Vec::<String>::new(), "{fields}");
        assert_eq!(volume_of(&spec(fields)), Value::Null, "{fields}");
    }
}

const ALL: &str = "config:
- {key: a, valueFrom: {secretKeyRef: {name: s, key: k}}}
- {key: b, valueFrom: {configMapKeyRef: {name: c, key: k, optional: true}}}
- {key: d, value: plain}
capabilities:
  http:
    allow: [{host: a.example, pathPrefixes: [/], credential: {header: x, secretKeyRef: {name: s, key: k}}}]
    caBundle: {configMapKeyRef: {name: c, key: ca.crt}}
";

#[test]
fn what_a_secret_gives_the_host_and_what_it_gives_the_guest_are_two_files() {
    assert_eq!(
        listed(&spec(ALL)),
        [
            "ca ConfigMap c ca.crt",
            "config-0 ConfigMap c k optional",
            "config-1 Secret s k",
            "credential-0 Secret s k"
        ]
    );
}

#[test]
fn one_volume_brings_them_and_each_optional_one_may_be_missing() {
    assert_eq!(
        volume_of(&spec(ALL)),
        json!({ "name": "hayride-files", "projected": { "defaultMode": 0o440, "sources": [
            { "configMap": { "name": "c", "items": [{ "key": "ca.crt", "path": "ca" }] } },
            { "configMap": { "name": "c", "optional": true, "items": [{ "key": "k", "path": "config-0" }] } },
            { "secret": { "name": "s", "items": [
                { "key": "k", "path": "config-1" }, { "key": "k", "path": "credential-0" }] } },
        ] } })
    );
}

#[test]
fn a_key_that_is_used_twice_is_one_file() {
    let rules = [rule("a.example", "s", "k"), rule("b.example", "s", "k"), rule("c.example", "s", "l")];
    assert_eq!(listed(&spec(&allow(&rules))), ["credential-0 Secret s k", "credential-1 Secret s l"]);
}

#[test]
fn what_one_use_needs_must_be_there() {
    let entry = |key: &str, optional: bool| {
        format!("{{key: {key}, valueFrom: {{secretKeyRef: {{name: s, key: k, optional: {optional}}}}}}}")
    };
    for (one, other, want) in [(true, true, " optional"), (true, false, ""), (false, true, "")] {
        let spec = spec(&format!("config: [{}, {}]", entry("a", one), entry("b", other)));
        assert_eq!(listed(&spec), [format!("config-0 Secret s k{want}")]);
    }
}

proptest! {
    /// Whatever the order of the rules, each credential has the file that it had.
    #[test]
    fn no_order_of_rules_moves_a_file(keys in prop::collection::vec(0..6_u8, 1..8), turn in 0..8_usize) {
        let rules: Vec<String> = keys.iter().enumerate()
            .map(|(index, key)| rule(&format!("h{index}.example"), "s", &format!("k{key}")))
            .collect();
        let mut turned = rules.clone();
        turned.rotate_left(turn % rules.len());
        prop_assert_eq!(listed(&spec(&allow(&rules))), listed(&spec(&allow(&turned))));
        turned.reverse();
        let (one, other) = (spec(&allow(&rules)), spec(&allow(&turned)));
        prop_assert_eq!(volume_of(&one), volume_of(&other));
    }
}

#[test]
fn files_of_plugs_are_beside_the_morphs_and_one_certificate_keeps_its_name() {
    let plug = |name: &str, ca: &str| {
        format!(
            "{{name: {name}, image: \"r.test/{name}:1\", capabilities: {{http: {{allow: [{}], \
             caBundle: {{configMapKeyRef: {{name: {ca}, key: ca.crt}}}}}}}}}}",
            rule("a.example", "s", name)
        )
    };
    let of =
        |one: &str, other: &str| listed(&spec(&format!("plugs: [{}, {}]", plug("p", one), plug("q", other))));
    let credentials = ["credential-0 Secret s p", "credential-1 Secret s q"];
    assert_eq!(of("c", "c"), [&["ca ConfigMap c ca.crt"], &credentials[..]].concat());
    let two = ["ca ConfigMap c ca.crt", "ca-1 ConfigMap d ca.crt"];
    assert_eq!(of("c", "d"), [&two, &credentials[..]].concat());
    assert_eq!(of("d", "c"), of("c", "d"));
}
