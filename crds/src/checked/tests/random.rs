//! Specs put together at random from the pieces of the case table: the rules and their twins must agree on
//! them too, since a rule that looks at two fields meets pieces that no case brings together.

use super::{cel, errors, sorted};
use crate::{Morph, MorphSpec, bounds};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// One field of the spec with one of the values that a case gives it.
fn pieces() -> Vec<(String, Value)> {
    let mut pieces: Vec<(String, Value)> = Vec::new();
    for case in super::cases() {
        for (field, value) in case.spec.as_object().cloned().unwrap_or_default() {
            let piece = (field, value);
            if !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
    }
    for type_ in ["Auto", "Command", "Server"] {
        pieces.push(("type".to_owned(), json!(type_)));
    }
    pieces
}

/// Each quantity with a range, in the spec with everything, and its field.
const BOUNDED: [(&str, &str); 9] = [
    ("/limits/memory", "spec.limits.memory"),
    ("/limits/outputBytesPerSecond", "spec.limits.outputBytesPerSecond"),
    ("/http/bodyBytesMax", "spec.http.bodyBytesMax"),
    ("/capabilities/http/limits/requestBytesMax", "spec.capabilities.http.limits.requestBytesMax"),
    ("/capabilities/http/limits/responseBytesMax", "spec.capabilities.http.limits.responseBytesMax"),
    ("/capabilities/keyvalue/0/memory/maxBytes", "spec.capabilities.keyvalue[0].memory.maxBytes"),
    (
        "/plugs/0/capabilities/http/limits/requestBytesMax",
        "spec.plugs[0].capabilities.http.limits.requestBytesMax",
    ),
    (
        "/plugs/0/capabilities/http/limits/responseBytesMax",
        "spec.plugs[0].capabilities.http.limits.responseBytesMax",
    ),
    (
        "/plugs/0/capabilities/keyvalue/0/memory/maxBytes",
        "spec.plugs[0].capabilities.keyvalue[0].memory.maxBytes",
    ),
];

fn any_spec() -> impl Strategy<Value = Value> {
    let pieces = pieces();
    let count = pieces.len();
    prop::sample::subsequence(pieces, 0..count / 4).prop_shuffle().prop_map(|pieces| {
        let mut spec: Map<String, Value> = pieces.into_iter().collect();
        spec.entry("image").or_insert_with(|| json!("registry.example/acme/weather:1.0"));
        Value::Object(spec)
    })
}

fn morph(spec: &Value) -> Morph {
    Morph::new("weather", serde_json::from_value(spec.clone()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rules_and_twins_agree(spec in any_spec()) {
        let morph = morph(&spec);
        let by_rules = cel::errors(&serde_json::to_value(&morph.spec).unwrap());
        prop_assert_eq!(sorted(by_rules), sorted(errors(&morph)));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(spec in any_spec()) {
        let morph = morph(&spec);
        let text = serde_norway::to_string(&morph.spec).unwrap();
        let read: MorphSpec = serde_norway::from_str(&text).unwrap();
        prop_assert_eq!(&read, &morph.spec);
        // Once more through JSON, as the API server stores it; absent stays absent.
        let stored = serde_json::to_value(&read).unwrap();
        prop_assert!(!stored.to_string().contains("null"), "{}", stored);
        prop_assert_eq!(serde_json::from_value::<MorphSpec>(stored).unwrap(), read);
    }

    #[test]
    fn the_answer_is_the_same_each_time_and_names_fields_of_the_spec(spec in any_spec()) {
        let morph = morph(&spec);
        let first = errors(&morph);
        prop_assert_eq!(&first, &errors(&morph));
        for error in first {
            prop_assert!(error.field.starts_with("spec."), "{}", error);
            prop_assert!(!error.message.is_empty() && !error.message.ends_with('.'), "{}", error);
        }
    }

    /// Who takes something away from a Morph that is right is never told to add something else.
    #[test]
    fn a_right_spec_stays_right_with_less(spec in any_spec()) {
        // About one in ten is right.
        if !errors(&morph(&spec)).is_empty() {
            return Ok(());
        }
        for list in ["/args", "/env", "/envFrom", "/capabilities/filesystem", "/links"] {
            let count = spec.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
            for index in 0..count {
                let mut less = spec.clone();
                less.pointer_mut(list).unwrap().as_array_mut().unwrap().remove(index);
                prop_assert_eq!(errors(&morph(&less)), vec![], "{} without {}", list, index);
            }
        }
        for field in ["capabilities", "env", "envFrom", "args", "limits", "links"] {
            let mut less = spec.clone();
            less.as_object_mut().unwrap().remove(field);
            prop_assert_eq!(errors(&morph(&less)), vec![], "without {}", field);
        }
    }

    #[test]
    fn any_image_text_is_answered(image in ".{0,80}") {
        let answer = errors(&morph(&json!({ "image": image })));
        prop_assert!(answer.iter().all(|error| error.field == "spec.image"), "{:?}", answer);
    }

    #[test]
    fn a_guest_path_that_passes_is_absolute_and_normal(path in "[/.a-c:]{0,12}") {
        let spec = json!({
            "image": "registry.example/a/b:1",
            "volumes": [{ "name": "a", "emptyDir": {} }],
            "capabilities": { "filesystem": [{ "volume": "a", "path": path }] },
        });
        let passes = errors(&morph(&spec)).is_empty();
        let normal = path == "/" || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains(':'))
        });
        prop_assert_eq!(passes, normal, "{}", path);
    }

    #[test]
    fn a_file_in_a_volume_that_passes_stays_in_it(path in "[/.a-c:]{0,12}") {
        let items = json!([{ "key": "k", "path": path }]);
        let spec = json!({
            "image": "registry.example/a/b:1",
            "volumes": [{ "name": "a", "configMap": { "name": "c", "items": items } }],
        });
        if errors(&morph(&spec)).is_empty() {
            prop_assert!(!path.starts_with('/') && !path.starts_with(".."), "{}", path);
            prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{}", path);
        }
    }

    /// A twin that looks away from what it can't count would leave such a limit to be read as nothing.
    #[test]
    fn a_quantity_past_all_counting_is_refused_where_it_stands(
        (number, suffix) in (10_u64..=99_999_999, prop::sample::select(vec!["E", "Ei"])),
        place in prop::sample::select(BOUNDED.to_vec()),
    ) {
        let (path, field) = place;
        let mut spec: Value = serde_norway::from_str(include_str!("everything.yaml")).unwrap();
        *spec.pointer_mut(path).unwrap() = json!(format!("{number}{suffix}"));
        let found = errors(&morph(&spec));
        prop_assert!(found.iter().any(|error| error.field == field), "{} {:?}", field, found);
    }

    #[test]
    fn memory_is_taken_exactly_within_its_range(bytes in any::<u64>().prop_map(|bytes| bytes % (6 << 30))) {
        let spec = json!({ "image": "registry.example/a/b:1", "limits": { "memory": bytes } });
        let morph = morph(&spec);
        let range = bounds::MEMORY_BYTES_MIN..=bounds::MEMORY_BYTES_MAX;
        match crate::ValidMorph::new(&morph) {
            Ok(valid) => prop_assert!(valid.memory_bytes() == Some(bytes) && range.contains(&bytes)),
            Err(_) => prop_assert!(!range.contains(&bytes), "{}", bytes),
        }
    }
}
