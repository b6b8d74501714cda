//! Walks the schema along a spec that has every field of it: each bound holds at its edge and not past it,
//! each shape and each word is asked, each default is the schema's. A new field without a place there fails.

use super::ValidMorph;
use super::cel::spec_schema;
use crate::{FieldError, Morph, MorphSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// One value of the spec: where it stands, as errors name it, and its schema.
struct Place {
    pointer: String,
    field: String,
    /// The place in the schema, whatever the index or key.
    path: String,
    schema: JSONSchemaProps,
    value: Value,
}

impl Place {
    /// Whether Kubernetes' own types read it, which bear more than ours.
    fn is_foreign(&self) -> bool {
        ["affinity", "tolerations", "topologySpreadConstraints"]
            .iter()
            .any(|name| self.path.starts_with(&format!("spec.template.{name}")))
    }

    /// The spec with another value here.
    fn replaced(&self, value: Value) -> Value {
        let mut spec = everything();
        *spec.pointer_mut(&self.pointer).unwrap() = value;
        spec
    }
}

static EVERYTHING: LazyLock<Value> =
    LazyLock::new(|| serde_norway::from_str(include_str!("everything.yaml")).unwrap());

fn everything() -> Value {
    EVERYTHING.clone()
}

/// What is wrong with a spec; none when it can't even be read.
fn answer(spec: &Value) -> Option<Vec<FieldError>> {
    let spec: MorphSpec = serde_json::from_value(spec.clone()).ok()?;
    Some(ValidMorph::new(&Morph::new("weather", spec)).err().map_or_else(Vec::new, |errors| errors.0))
}

fn places() -> Vec<Place> {
    let mut places = Vec::new();
    let names = [String::new(), "spec".to_owned(), "spec".to_owned()];
    visit(&spec_schema(), &everything(), names, &mut places);
    places
}

fn visit(schema: &JSONSchemaProps, value: &Value, names: [String; 3], into: &mut Vec<Place>) {
    let [pointer, field, path] = names;
    if let (Some(JSONSchemaPropsOrArray::Schema(items)), Value::Array(list)) = (&schema.items, value) {
        for (index, item) in list.iter().enumerate() {
            let names = [format!("{pointer}/{index}"), format!("{field}[{index}]"), format!("{path}[]")];
            visit(items, item, names, into);
        }
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{key}");
        match (schema.properties.as_ref().and_then(|all| all.get(key)), &schema.additional_properties) {
            (Some(property), _) => {
                visit(property, item, [pointer, format!("{field}.{key}"), format!("{path}.{key}")], into);
            }
            (None, Some(JSONSchemaPropsOrBool::Schema(values))) => {
                visit(values, item, [pointer, format!("{field}[{key}]"), format!("{path}{{}}")], into);
            }
            _ => unreachable!("{field}.{key} is in no schema"),
        }
    }
    into.push(Place { pointer, field, path, schema: schema.clone(), value: value.clone() });
}

/// Every place of the schema, by the path that [`visit`] gives it.
fn paths(schema: &JSONSchemaProps, path: &str, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    for (name, property) in schema.properties.iter().flatten() {
        paths(property, &format!("{path}.{name}"), into);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        paths(items, &format!("{path}[]"), into);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        paths(values, &format!("{path}{{}}"), into);
    }
}

/// Asserts that a value at its edge isn't counted as too much, and that one past it is, with its count.
fn check_edge(place: &Place, at: Value, past: Value, message: &str) {
    let wrong = FieldError::new(&place.field, message);
    let counted = |error: &FieldError| error.field == place.field && error.message.contains("at most");
    let at = answer(&place.replaced(at)).unwrap_or_else(|| unreachable!("{}: not read", place.field));
    assert!(!at.iter().any(counted), "{} at its edge: {at:?}", place.field);
    let past = answer(&place.replaced(past)).unwrap_or_else(|| unreachable!("{}: not read", place.field));
    assert!(past.contains(&wrong), "{} past its edge: {past:?}", place.field);
}

#[test]
fn the_spec_with_everything_is_right_and_has_every_field_of_the_schema() {
    assert_eq!(answer(&everything()), Some(vec![]));
    let mut all = BTreeSet::new();
    paths(&spec_schema(), "spec", &mut all);
    // A probe has one of two kinds, and there are three probes of one form.
    let probe = |path: &String| {
        ["startup", "liveness"].iter().fold(path.clone(), |path, name| path.replace(name, "readiness"))
    };
    let all: BTreeSet<_> = all.iter().map(probe).collect();
    let found: BTreeSet<_> = places().iter().map(|place| probe(&place.path)).collect();
    let missing: Vec<_> = all.difference(&found).collect();
    assert!(missing.is_empty(), "not in everything.yaml: {missing:#?}");
}

#[test]
fn every_text_may_have_its_most_characters_and_not_one_more() {
    let texts = places().into_iter().filter(|place| place.schema.max_length.is_some());
    let mut count = 0;
    for place in texts {
        let max = usize::try_from(place.schema.max_length.unwrap()).unwrap();
        // As a quantity it is within every range.
        let number = if max > 5 { 65_536 } else { 1 };
        let long = |chars: usize| json!(format!("{number:0>chars$}"));
        let message = format!("has {} characters, at most {max} are allowed", max + 1);
        check_edge(&place, long(max), long(max + 1), &message);
        count += 1;
    }
    assert!(count > 80, "{count}");
}

#[test]
fn every_list_may_have_its_most_items_and_not_one_more() {
    let lists: Vec<_> = places().into_iter().filter(|place| place.schema.max_items.is_some()).collect();
    assert!(lists.len() > 40, "{}", lists.len());
    for place in lists {
        let max = usize::try_from(place.schema.max_items.unwrap()).unwrap();
        let many = |count: usize| Value::Array(vec![place.value[0].clone(); count]);
        let message = format!("has {} items, at most {max} are allowed", max + 1);
        check_edge(&place, many(max), many(max + 1), &message);
    }
}

#[test]
fn every_map_may_have_its_most_keys_and_not_one_more() {
    let maps: Vec<_> = places().into_iter().filter(|place| place.schema.max_properties.is_some()).collect();
    assert!(maps.len() > 5, "{}", maps.len());
    for place in maps {
        let max = usize::try_from(place.schema.max_properties.unwrap()).unwrap();
        let many = |count: usize| (0..count).map(|i| (format!("k{i}"), json!("v"))).collect::<Map<_, _>>();
        let message = format!("has {} keys, at most {max} are allowed", max + 1);
        check_edge(&place, many(max).into(), many(max + 1).into(), &message);
    }
}

#[test]
fn every_number_of_ours_has_its_range_to_the_very_edge() {
    let numbers = places().into_iter().filter(|place| place.value.is_i64() && !place.is_foreign());
    for place in numbers {
        #[allow(clippy::cast_possible_truncation, reason = "bounds are whole numbers")]
        let [min, max] = [place.schema.minimum.unwrap() as i64, place.schema.maximum.unwrap() as i64];
        let out = |number: i64| {
            let answer = answer(&place.replaced(json!(number)));
            answer.is_none_or(|errors| {
                let ours = |e: &FieldError| e.field == place.field && e.message.contains("must be at");
                errors.iter().any(ours)
            })
        };
        for (number, refused) in [(min - 1, true), (min, false), (max, false), (max + 1, true)] {
            assert_eq!(out(number), refused, "{} = {number}", place.field);
        }
        for number in [i64::MIN, i64::MAX] {
            assert!(out(number), "{} = {number}", place.field);
        }
    }
}

#[test]
fn every_text_of_ours_that_must_not_be_empty_says_so() {
    let texts = places().into_iter().filter(|place| place.schema.min_length.is_some());
    for place in texts {
        let found = answer(&place.replaced(json!(""))).unwrap();
        assert!(found.contains(&FieldError::new(&place.field, "must not be empty")), "{found:?}");
    }
    let lists = places().into_iter().filter(|place| place.schema.min_items.is_some());
    for place in lists {
        let found = answer(&place.replaced(json!([]))).unwrap();
        assert!(found.contains(&FieldError::new(&place.field, "must not be empty")), "{found:?}");
    }
}

/// A text with a shape goes into names of objects, paths, command lines: no shape lets through what ends a
/// line or a text.
#[test]
fn no_shape_takes_a_control_character() {
    let shaped = |place: &Place| {
        let mut rules = place.schema.x_kubernetes_validations.iter().flatten();
        place.value.is_string() && rules.any(|rule| rule.rule.contains(".matches("))
    };
    let file = |place: &Place| place.path.ends_with("items[].path");
    let mut count = 0;
    for place in places().iter().filter(|place| shaped(place) && !file(place)) {
        let text = place.value.as_str().unwrap();
        for wrong in
            [format!("{text}\n"), format!("\n{text}"), format!("{text}\0"), format!("{text}\u{1b}[2J")]
        {
            let found = answer(&place.replaced(json!(wrong))).unwrap();
            assert!(found.iter().any(|error| error.field == place.field), "{} {wrong:?}", place.field);
        }
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn a_word_that_is_none_of_the_choices_is_not_read() {
    let choices: Vec<_> = places().into_iter().filter(|place| place.schema.enum_.is_some()).collect();
    assert!(choices.len() >= 5, "{}", choices.len());
    for place in choices {
        let words = place.schema.enum_.clone().unwrap();
        for word in words.iter().map(|word| word.0.as_str().unwrap()) {
            assert!(answer(&place.replaced(json!(word))).is_some(), "{} {word}", place.field);
            let near = [word.to_lowercase(), word.to_uppercase(), format!("{word} "), format!("{word}s")];
            for near in near.into_iter().filter(|near| near != word) {
                assert!(answer(&place.replaced(json!(near))).is_none(), "{} {near}", place.field);
            }
        }
        assert!(answer(&place.replaced(json!(""))).is_none(), "{} empty", place.field);
    }
}

#[test]
fn what_the_schema_requires_the_types_require_too() {
    for place in places().iter().filter(|place| !place.is_foreign()) {
        for key in place.schema.required.iter().flatten() {
            let mut without = place.value.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(answer(&place.replaced(without)).is_none(), "{} without {key}", place.field);
        }
    }
}

#[test]
fn what_the_schema_does_not_require_may_be_absent_and_stays_absent() {
    for place in places().iter().filter(|place| !place.is_foreign() && place.value.is_object()) {
        for (key, property) in place.schema.properties.iter().flatten() {
            let required = place.schema.required.iter().flatten().any(|required| required == key);
            if required || place.value.get(key).is_none() {
                continue;
            }
            let mut spec = everything();
            spec.pointer_mut(&place.pointer).unwrap().as_object_mut().unwrap().remove(key);
            let read: MorphSpec = serde_json::from_value(spec)
                .unwrap_or_else(|error| unreachable!("{}.{key}: {error}", place.field));
            let written = serde_json::to_value(read).unwrap();
            let found = written.pointer(&format!("{}/{key}", place.pointer)).cloned();
            let default = property.default.clone().map(|default| default.0);
            assert_eq!(found, default, "{}.{key}: types and schema differ in the default", place.field);
        }
    }
}

/// A slip of the type is met on reading, and never taken for something else.
#[test]
fn a_value_of_another_type_is_not_read() {
    for place in places().iter().filter(|place| !place.is_foreign()) {
        let other = match &place.value {
            Value::String(_) if place.schema.x_kubernetes_int_or_string == Some(true) => json!(true),
            Value::String(_) => json!(5),
            Value::Number(_) => json!("5"),
            Value::Bool(_) => json!("true"),
            Value::Array(_) => json!({}),
            _ => json!("x"),
        };
        assert!(answer(&place.replaced(other.clone())).is_none(), "{} = {other}", place.field);
    }
}
