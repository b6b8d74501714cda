//! Each kind of volume arrives as what it is, and nothing else with it.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use serde_json::{Value, json};

fn check(yaml: &str, want: Value) {
    let given: Volume = serde_norway::from_str(yaml).unwrap();
    assert_eq!(serde_json::to_value(volume(&given)).unwrap(), want, "{yaml}");
}

#[test]
fn each_kind_arrives_as_what_it_is() {
    check("{name: v, emptyDir: {}}", json!({ "name": "v", "emptyDir": {} }));
    check(
        "{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}",
        json!({ "name": "v", "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } }),
    );
    check(
        "{name: v, configMap: {name: c, items: [{key: k, path: p/q}]}}",
        json!({ "name": "v", "configMap": { "name": "c", "defaultMode": 0o440,
            "items": [{ "key": "k", "path": "p/q" }] } }),
    );
    check(
        "{name: v, secret: {secretName: s, optional: true}}",
        json!({ "name": "v", "secret": { "secretName": "s", "defaultMode": 0o440, "optional": true } }),
    );
    check(
        "{name: v, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}}",
        json!({ "name": "v", "downwardAPI": { "defaultMode": 0o440, "items": [
            { "path": "p", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } }] } }),
    );
    check(
        "{name: v, projected: {sources: [{secret: {name: s}}, {configMap: {name: c}}]}}",
        json!({ "name": "v", "projected": { "defaultMode": 0o440, "sources": [
            { "secret": { "name": "s" } }, { "configMap": { "name": "c" } }] } }),
    );
}

#[test]
fn a_claim_is_read_only_only_if_it_says_so() {
    for (yaml, want) in [
        ("{name: v, persistentVolumeClaim: {claimName: c}}", json!({ "claimName": "c" })),
        ("{name: v, persistentVolumeClaim: {claimName: c, readOnly: false}}", json!({ "claimName": "c" })),
        (
            "{name: v, persistentVolumeClaim: {claimName: c, readOnly: true}}",
            json!({ "claimName": "c", "readOnly": true }),
        ),
    ] {
        check(yaml, json!({ "name": "v", "persistentVolumeClaim": want }));
    }
}

#[test]
fn files_are_the_groups_to_read_and_nobody_elses() {
    assert_eq!(FILE_MODE & 0o007, 0, "others read nothing");
    assert_eq!(FILE_MODE & 0o222, 0, "nobody writes");
    assert_eq!(FILE_MODE & 0o040, 0o040, "the pod's group reads: rotated files are root's");
}
