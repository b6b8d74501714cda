//! Tests of `unknown`.
#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

fn unknown(spec: Value) -> Vec<String> {
    let object = json!({ "apiVersion": "x", "kind": "Morph", "metadata": { "anything": 1 }, "spec": spec });
    fields(&object, &morph_crds::definition()).unwrap()
}

#[test]
fn every_field_of_a_full_morph_is_known() {
    let spec = json!({
        "image": "a.test/x:1",
        "type": "Command",
        "run": { "schedule": "* * * * *", "timeZone": "Etc/UTC" },
        "args": ["a"],
        "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }],
        "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "1Mi" } }],
        "capabilities": { "filesystem": [{ "volume": "v", "path": "/", "access": "ReadOnly" }] },
        "limits": { "memory": "64Mi" },
        "resources": { "requests": { "cpu": "10m" } },
        "template": { "labels": { "any/key": "v" }, "nodeSelector": { "any": "v" } },
    });
    assert_eq!(unknown(spec), Vec::<String>::new());
}

#[test]
fn unknown_fields_are_found_at_any_depth() {
    assert_eq!(unknown(json!({ "imag": "x" })), ["spec.imag"]);
    assert_eq!(unknown(json!({ "limits": { "memroy": "1Mi" } })), ["spec.limits.memroy"]);
    assert_eq!(unknown(json!({ "volumes": [{}, { "emptydir": {} }] })), ["spec.volumes[1].emptydir"]);
    assert_eq!(fields(&json!({ "specs": {} }), &morph_crds::definition()).unwrap(), ["specs"]);
}
