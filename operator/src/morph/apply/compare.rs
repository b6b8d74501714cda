//! Whether an object that exists is as we would apply it: it carries the hash of what was applied last (so
//! that a field no longer wanted is noticed), and each field of it still has our value (so that a change by
//! somebody else is). Pure.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Annotation of each object of ours: hash of what was applied.
pub(super) const APPLIED_ANNOTATION: &str = "hayride.dev/applied";

/// Characters of the hash: nobody profits from a collision but who may write the object anyway.
const HASH_CHARS: usize = 16;

/// Fields that hold quantities, of which the API server keeps its own spelling.
const QUANTITIES: [&str; 4] = ["limits", "requests", "sizeLimit", "divisor"];

/// `wanted` (an object as JSON) with the annotation, and for one object alone: the one that was found.
pub(crate) fn stamp(mut wanted: Value, found: Option<&Value>) -> Value {
    if let Some(object) = wanted.as_object_mut() {
        object.remove("status");
    }
    let hash = hash(&wanted);
    wanted["metadata"]["annotations"][APPLIED_ANNOTATION] = Value::String(hash);
    if let Some(uid) = found.and_then(|found| found["metadata"]["uid"].as_str()) {
        wanted["metadata"]["uid"] = Value::String(uid.to_owned());
    }
    wanted
}

/// The uid of an object that exists.
pub(super) fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// The hash that [`stamp`] left.
pub(super) fn hash_of(stamped: &Value) -> String {
    stamped["metadata"]["annotations"][APPLIED_ANNOTATION].as_str().unwrap_or_default().to_owned()
}

/// The first field of ours in which `found` is not as `stamped` would make it.
pub(crate) fn difference(stamped: &Value, found: &Value) -> Option<String> {
    differs(stamped, found, false)
}

/// The same object gives the same text: its maps are sorted.
fn hash(wanted: &Value) -> String {
    let mut text: String =
        Sha256::digest(wanted.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(HASH_CHARS);
    text
}

/// Where `found`, which may say more, doesn't say what `wanted` does: the path of the first such field.
fn differs(wanted: &Value, found: &Value, is_quantity: bool) -> Option<String> {
    let here = |same: bool| (!same).then(String::new);
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(_)) => wanted.iter().find_map(|(name, value)| {
            let is_quantity = is_quantity || QUANTITIES.contains(&name.as_str());
            let inner = differs(value, found.get(name).unwrap_or(&Value::Null), is_quantity);
            inner.map(|path| format!(".{name}{path}"))
        }),
        // What is empty may be left out.
        (Value::Object(wanted), Value::Null) => here(wanted.is_empty()),
        (Value::Array(wanted), Value::Null) => here(wanted.is_empty()),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            wanted.iter().zip(found).enumerate().find_map(|(index, (wanted, found))| {
                differs(wanted, found, is_quantity).map(|path| format!("[{index}]{path}"))
            })
        }
        // Somebody has added to a list of objects: ours must still be there.
        (Value::Array(wanted), Value::Array(found)) if wanted.iter().all(Value::is_object) => {
            let is_there = |wanted| found.iter().any(|found| differs(wanted, found, is_quantity).is_none());
            wanted.iter().position(|wanted| !is_there(wanted)).map(|index| format!("[{index}]"))
        }
        (Value::String(wanted), Value::String(found)) if is_quantity && wanted != found => {
            here(matches!((quantity(wanted), quantity(found)), (Some(a), Some(b)) if a == b))
        }
        _ => here(wanted == found),
    }
}

/// A quantity in thousandths.
fn quantity(text: &str) -> Option<i128> {
    const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
    const DECIMAL: [(&str, i128); 8] = [
        ("m", 1),
        ("k", 1_000_000),
        ("M", 1_000_000_000),
        ("G", 1_000_000_000_000),
        ("T", 1_000_000_000_000_000),
        ("P", 1_000_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000_000),
        ("", 1_000),
    ];
    let binary = BINARY.iter().map(|(suffix, bits)| (*suffix, 1_000_i128 << bits));
    let (number, unit) = binary
        .chain(DECIMAL)
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, unit)))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() + part.len() == 0 || part.len() > 9 {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(part.len()).ok()?);
    let all = format!("{whole}{part}").parse::<i128>().ok()?.checked_mul(unit)?;
    (all % scale == 0).then_some(all / scale)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn wanted() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "a", "labels": {"hayride.dev/morph": "a"}},
            "spec": {"replicas": 2, "template": {"spec": {
                "nodeSelector": {},
                "containers": [{"name": "a", "image": "r@sha256:1", "command": ["/"],
                    "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}}}],
            }}},
        })
    }

    /// As the API server has it after an apply: with its defaults, and its own spelling of quantities.
    fn found() -> Value {
        let mut found = stamp(wanted(), None);
        found["metadata"]["uid"] = json!("u1");
        found["spec"]["progressDeadlineSeconds"] = json!(600);
        let pod = &mut found["spec"]["template"]["spec"];
        pod.as_object_mut().unwrap().remove("nodeSelector");
        pod["containers"][0]["terminationMessagePath"] = json!("/dev/termination-log");
        pod["containers"][0]["resources"]["limits"] = json!({"cpu": "500m", "memory": "1Gi"});
        found["status"] = json!({"replicas": 2});
        found
    }

    /// `change` is no difference, or one in the field at `path`.
    fn check(change: impl FnOnce(&mut Value), path: Option<&str>) {
        let mut found = found();
        change(&mut found);
        let stamped = stamp(wanted(), Some(&found));
        assert_eq!(difference(&stamped, &found).as_deref(), path, "{found:#}");
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        check(|_| (), None);
    }

    #[test]
    fn what_others_add_is_no_difference() {
        check(|found| found["metadata"]["labels"]["theirs"] = json!("x"), None);
        check(|found| found["metadata"]["annotations"]["theirs"] = json!("x"), None);
        check(|found| found["spec"]["minReadySeconds"] = json!(5), None);
        let sidecar = json!({"name": "sidecar", "image": "x"});
        check(
            |found| {
                found["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().insert(0, sidecar);
            },
            None,
        );
    }

    #[test]
    fn a_field_of_ours_that_others_change_is() {
        const POD: &str = "/spec/template/spec";
        for (pointer, value, path) in [
            ("/spec/replicas".to_owned(), json!(5), ".spec.replicas"),
            (
                "/metadata/labels/hayride.dev~1morph".to_owned(),
                json!("b"),
                ".metadata.labels.hayride.dev/morph",
            ),
            (
                format!("{POD}/containers/0/command"),
                json!(["/", "x"]),
                ".spec.template.spec.containers[0].command",
            ),
            (format!("{POD}/containers"), json!([]), ".spec.template.spec.containers[0]"),
            (
                format!("{POD}/containers/0/resources/limits/cpu"),
                json!("600m"),
                ".spec.template.spec.containers[0].resources.limits.cpu",
            ),
            ("/spec".to_owned(), Value::Null, ".spec"),
        ] {
            check(|found| *found.pointer_mut(&pointer).unwrap() = value, Some(path));
        }
    }

    #[test]
    fn a_field_that_is_no_longer_wanted_is() {
        let mut before = wanted();
        before["spec"]["minReadySeconds"] = json!(5);
        let found = stamp(before, None);
        assert!(difference(&stamp(wanted(), Some(&found)), &found).is_some());
    }

    #[test]
    fn a_lost_annotation_is() {
        let path = ".metadata.annotations.hayride.dev/applied";
        check(|found| found["metadata"]["annotations"] = json!({}), Some(path));
    }

    #[test]
    fn the_stamp_is_for_the_object_that_was_found() {
        let stamped = stamp(wanted(), Some(&found()));
        assert_eq!(uid(&stamped), "u1");
        assert_eq!(hash_of(&stamped), hash_of(&stamp(wanted(), None)), "the uid is not in the hash");
        assert!(stamp(json!({"status": {}}), None).get("status").is_none());
    }

    #[test]
    fn quantities_are_compared_by_value() {
        for (a, b) in [("0.5", "500m"), ("1", "1000m"), ("1Gi", "1024Mi"), ("1k", "1000"), ("1.5Ki", "1536")]
        {
            assert_eq!(quantity(a), quantity(b), "{a} {b}");
            assert!(quantity(a).is_some(), "{a}");
        }
        for (a, b) in [("1", "2"), ("1M", "1Mi"), ("1m", "1")] {
            assert_ne!(quantity(a), quantity(b), "{a} {b}");
        }
        for text in ["", "m", "-1", "1.x", "1e3", "99999999999999999999999999999999999999999E", "0.0001"] {
            assert_eq!(quantity(text), None, "{text}");
        }
        // Outside of quantities a text is a text.
        assert!(difference(&json!({"value": "1"}), &json!({"value": "1000m"})).is_some());
    }
}
