//! Tests of the check as a whole: the table of cases through both its sides, bounds, and the text of errors.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bounds;
mod cel;
mod random;

use super::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One row of `cases.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    spec: Value,
    /// Field, and how the message begins.
    #[serde(default)]
    refused: BTreeMap<String, String>,
}

fn cases() -> Vec<Case> {
    serde_norway::from_str(include_str!("cases.yaml")).unwrap()
}

/// A Morph with a spec that is laid over an image.
fn morph(over: &Value) -> Morph {
    let mut spec = json!({ "image": "registry.example/acme/weather:1.0" });
    for (field, value) in over.as_object().unwrap() {
        spec[field] = value.clone();
    }
    Morph::new("weather", serde_json::from_value(spec).unwrap())
}

fn errors(morph: &Morph) -> Vec<FieldError> {
    ValidMorph::new(morph).err().map_or_else(Vec::new, |errors| errors.0)
}

fn sorted(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    errors.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
    errors
}

#[test]
fn each_case_is_answered_as_the_table_says() {
    for case in cases() {
        let found = sorted(errors(&morph(&case.spec)));
        let fields: Vec<_> = found.iter().map(|error| error.field.clone()).collect();
        assert_eq!(fields, case.refused.keys().cloned().collect::<Vec<_>>(), "{}: {found:?}", case.says);
        for error in found {
            let begins = &case.refused[&error.field];
            assert!(error.message.starts_with(begins), "{}: {error}", case.says);
        }
    }
}

#[test]
fn the_rules_of_the_schema_answer_as_their_twins() {
    for case in cases() {
        let morph = morph(&case.spec);
        let by_rules = cel::errors(&serde_json::to_value(&morph.spec).unwrap());
        assert_eq!(sorted(by_rules), sorted(errors(&morph)), "{}", case.says);
    }
}

#[test]
fn each_rule_of_the_schema_is_broken_by_a_case() {
    let broken: Vec<FieldError> = cases().iter().flat_map(|case| errors(&morph(&case.spec))).collect();
    for message in cel::messages() {
        // Quantities that are none never get this far in typed data with a schema; see the test below.
        if message == shape::QUANTITY.message {
            continue;
        }
        assert!(broken.iter().any(|error| error.message == message), "no case breaks: {message}");
    }
}

#[test]
fn a_text_that_is_no_quantity_is_refused_where_it_stands() {
    let morph =
        morph(&json!({ "limits": { "memory": "64MB" }, "resources": { "requests": { "cpu": "-1" } } }));
    let found = errors(&morph);
    let fields: Vec<_> = found.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["spec.limits.memory", "spec.resources.requests.cpu"]);
    assert!(found.iter().all(|error| error.message == shape::QUANTITY.message), "{found:?}");
}

/// Bounds that the walk along the schema keeps; field and message.
#[test]
fn what_is_beyond_a_bound_is_refused_with_its_count() {
    let many = |count: usize| (0..count).map(|i| json!({ "name": format!("V{i}"), "value": "" })).collect();
    let many: fn(usize) -> Vec<Value> = many;
    let table = [
        (json!({ "env": many(65) }), "spec.env", "has 65 items, at most 64 are allowed"),
        (
            json!({ "args": ["a".repeat(4097)] }),
            "spec.args[0]",
            "has 4097 characters, at most 4096 are allowed",
        ),
        (json!({ "image": "" }), "spec.image", "must not be empty"),
        (json!({ "replicas": -1 }), "spec.replicas", "is -1, must be at least 0"),
        (json!({ "replicas": 10_001 }), "spec.replicas", "is 10001, must be at most 10000"),
        (json!({ "http": { "port": 0 } }), "spec.http.port", "is 0, must be at least 1"),
        (
            json!({ "volumes": [{ "name": "a", "projected": { "sources": [] } }] }),
            "spec.volumes[0].projected.sources",
            "must not be empty",
        ),
        (
            json!({ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] }),
            "spec.env[1]",
            "another item has the same name; change one",
        ),
        (
            json!({
                "plugs": [{ "name": "a", "image": "r.example/a" }, { "name": "a", "image": "r.example/b" }],
            }),
            "spec.plugs[1]",
            "another item has the same name; change one",
        ),
        (
            json!({
                "plugs": [{ "name": "a", "image": "r.example/a" }],
                "links": [{ "from": "main", "interface": "a:b/c", "to": "a" },
                    { "from": "main", "interface": "a:b/c", "to": "host" }],
            }),
            "spec.links[1]",
            "another item has the same from and interface; change one",
        ),
        (
            json!({ "plugs": [{ "name": "a", "image": "r.example/a", "env": many(17) }] }),
            "spec.plugs[0].env",
            "has 17 items, at most 16 are allowed",
        ),
        (
            json!({ "template": { "tolerations": vec![json!({}); 17] } }),
            "spec.template.tolerations",
            "has 17 items, at most 16 are allowed",
        ),
    ];
    for (spec, field, message) in table {
        assert_eq!(errors(&morph(&spec)), [FieldError::new(field, message)], "{field}");
    }
}

#[test]
fn characters_are_counted_and_not_bytes() {
    assert_eq!(errors(&morph(&json!({ "args": ["é".repeat(4096)] }))), []);
}

#[test]
fn a_name_must_leave_room_for_what_children_append() {
    let with_name = |name: &str| {
        let mut morph = morph(&json!({}));
        morph.metadata.name = Some(name.to_owned());
        errors(&morph).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(with_name(&"a".repeat(52)).is_empty());
    let long = with_name(&"a".repeat(53));
    assert_eq!(long, ["metadata.name: has 53 characters, at most 52 are allowed"]);
    for name in ["1a", "a.b", "A", "-a", "a-"] {
        assert_eq!(with_name(name), [format!("metadata.name: {}", shape::NAME.message)], "{name}");
    }
}

#[test]
fn many_errors_are_told_in_one_line_and_counted() {
    let errors =
        FieldErrors((0..11).map(|i| FieldError::new(format!("spec.env[{i}]"), "is wrong")).collect());
    let text = errors.to_string();
    assert!(text.starts_with("spec.env[0]: is wrong; spec.env[1]: is wrong; "), "{text}");
    assert!(text.ends_with("spec.env[7]: is wrong; and 3 more"), "{text}");
}

#[test]
fn a_valid_morph_tells_its_values_with_defaults() {
    let bare = ValidMorph::new(&morph(&json!({}))).unwrap();
    assert_eq!((bare.name(), bare.memory_bytes(), bare.grace_period_seconds()), ("weather", None, 30));
    assert_eq!(
        (bare.http().port, bare.http().lame_duck_seconds, bare.spec().main().filesystem().len()),
        (8080, 3, 0)
    );
    let full = ValidMorph::new(&morph(&json!({
        "limits": { "memory": "1.5Mi" },
        "http": { "port": 80 },
        "template": { "terminationGracePeriodSeconds": 60 },
        "volumes": [{ "name": "a", "emptyDir": {} }],
        "capabilities": { "filesystem": [{ "volume": "a", "path": "/a" }] },
    })))
    .unwrap();
    assert_eq!((full.memory_bytes(), full.grace_period_seconds()), (Some(1536 << 10), 60));
    assert_eq!((full.http().port, full.spec().main().filesystem()[0].path.as_str()), (80, "/a"));
    assert_eq!(full.spec().replicas, 1);
}

#[test]
fn a_plug_is_not_called_as_its_morph() {
    let with_plug = |name: &str| {
        let plugs =
            json!([{ "name": "a", "image": "r.example/a" }, { "name": name, "image": "r.example/a" }]);
        morph(&json!({ "plugs": plugs }))
    };
    let error = FieldError::new("spec.plugs", rules::PLUG_NAMED_AS_MORPH);
    for (morph, wanted) in [(with_plug("weather"), vec![error]), (with_plug("weather-2"), vec![])] {
        assert_eq!(errors(&morph), wanted);
        assert_eq!(cel::root_errors(&serde_json::to_value(&morph).unwrap()), wanted);
    }
    assert_eq!(cel::root_errors(&serde_json::to_value(morph(&json!({}))).unwrap()), []);
}

/// What is said of a prefix names it.
#[test]
fn a_reserved_name_is_refused_with_the_prefix() {
    assert!(rules::RESERVED_VARIABLE.contains(crate::PLUG_VARIABLE_PREFIX));
}

/// Cron lines: what the CronJob controller reads, and what it doesn't.
#[test]
fn a_schedule_is_five_fields_or_a_word() {
    let passes = |schedule: &str| errors(&morph(&json!({ "run": { "schedule": schedule } }))).is_empty();
    for right in [
        "* * * * *",
        "0 0 1 1 0",
        "59 23 31 12 6",
        "*/15 0-6,18-23 ? JAN-Dec SUN,wed",
        "0  0   1 1 *",
        "@hourly",
        "@yearly",
        "@midnight",
    ] {
        assert!(passes(right), "{right}");
    }
    for wrong in [
        "",
        "* * * * * *",
        "* * * *",
        " * * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 7",
        "*/0 * * * *",
        "1- * * * *",
        "a * * * *",
        "@Daily",
        "@every 1h",
        "TZ=UTC * * * * *",
        "* * * * *\n",
    ] {
        assert!(!passes(wrong), "{wrong:?}");
    }
}

#[test]
fn an_image_names_its_registry_and_what_it_pins() {
    let passes = |image: &str| errors(&morph(&json!({ "image": image }))).is_empty();
    let digest = "sha256:".to_owned() + &"a".repeat(64);
    for right in ["r.example/a", "localhost:5000/a:1", "10.0.0.1:5000/a/b_c/d-e:v1.0_x", "R.Example/a:1"] {
        assert!(passes(right), "{right}");
        assert!(passes(&format!("{right}@{digest}")), "{right}");
    }
    for wrong in
        ["a", "a:1", "/a:1", "r.example/", "r.example/A:1", "r.example//a", "r.example/a:", "r.example/a@1"]
    {
        assert!(!passes(wrong), "{wrong}");
    }
    assert!(!passes(&format!("r.example/a@{}", digest.to_uppercase())));
    assert!(!passes(&format!("r.example/a:{}", "t".repeat(129))));
}

#[test]
fn a_field_of_the_pod_is_one_that_the_kubelet_knows() {
    let passes = |path: &str| {
        let env = json!([{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": path } } }]);
        errors(&morph(&json!({ "env": env }))).is_empty()
    };
    for right in [
        "metadata.name",
        "metadata.uid",
        "metadata.annotations['a/b']",
        "spec.nodeName",
        "status.podIPs",
        "status.hostIP",
    ] {
        assert!(passes(right), "{right}");
    }
    for wrong in ["metadata", "metadata.labels", "metadata.labels[a]", "spec.containers", "status.phase", "x"]
    {
        assert!(!passes(wrong), "{wrong}");
    }
}
