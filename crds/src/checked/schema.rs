//! The part of the check that the schema itself says: bounds, list keys and shapes. It walks a value along
//! the schema as the API server does; types are right already, since the value comes from typed data.

use super::FieldError;
use super::shape::{KEYS_PREFIX, KEYS_SUFFIX, NAME, NUMBER_PREFIX, PREFIX, SUFFIX};
use crate::{MorphSpec, definition};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The schema of a Morph, and every regular expression in it.
struct Schema {
    root: JSONSchemaProps,
    expressions: BTreeMap<String, Regex>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let versions = definition().spec.versions;
    let root = versions.into_iter().find_map(|v| v.schema?.open_api_v3_schema).unwrap_or_default();
    let mut expressions = BTreeMap::new();
    collect(&root, &mut expressions);
    Schema { root, expressions }
});

fn collect(schema: &JSONSchemaProps, into: &mut BTreeMap<String, Regex>) {
    for pattern in schema.pattern.as_deref().into_iter().chain(rules(schema).filter_map(expression)) {
        if let Ok(regex) = Regex::new(pattern) {
            into.insert(pattern.to_owned(), regex);
        }
    }
    for child in children(schema) {
        collect(child, into);
    }
}

/// The schemas directly inside a schema.
pub(super) fn children(schema: &JSONSchemaProps) -> impl Iterator<Item = &JSONSchemaProps> {
    schema.properties.iter().flat_map(BTreeMap::values).chain(items(schema)).chain(values(schema))
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
        _ => None,
    }
}

fn values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values),
        _ => None,
    }
}

fn rules(schema: &JSONSchemaProps) -> impl Iterator<Item = &str> {
    schema.x_kubernetes_validations.iter().flatten().map(|rule| rule.rule.as_str())
}

/// The regular expression of a rule that is a shape, of a text or of a map's keys.
fn expression(rule: &str) -> Option<&str> {
    text_expression(rule).or_else(|| keys_expression(rule))
}

fn text_expression(rule: &str) -> Option<&str> {
    rule.strip_prefix(PREFIX).or_else(|| rule.strip_prefix(NUMBER_PREFIX))?.strip_suffix(SUFFIX)
}

fn keys_expression(rule: &str) -> Option<&str> {
    rule.strip_prefix(KEYS_PREFIX)?.strip_suffix(KEYS_SUFFIX)
}

/// Checks a Morph's name and spec against the schema's bounds, list keys and shapes.
pub(super) fn check(name: &str, spec: &MorphSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Ok(spec) = serde_json::to_value(spec) else {
        return vec![FieldError::new("spec", "can't be written as JSON")];
    };
    let properties = SCHEMA.root.properties.iter().flatten();
    for (field, schema) in properties {
        match field.as_str() {
            "metadata" => walk(schema, &json!({ "name": name }), "metadata", &mut errors),
            "spec" => walk(schema, &spec, "spec", &mut errors),
            _ => {}
        }
    }
    errors
}

fn walk(schema: &JSONSchemaProps, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) => check_text(schema, text, path, errors),
        Value::Number(number) => check_number(schema, number.as_f64(), path, errors),
        Value::Array(list) => check_list(schema, list, path, errors),
        Value::Object(map) => check_map(schema, map, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
}

fn matches(expression: &str, text: &str) -> bool {
    SCHEMA.expressions.get(expression).is_some_and(|regex| regex.is_match(text))
}

fn check_text(schema: &JSONSchemaProps, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let chars = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let before = errors.len();
    if schema.min_length.is_some_and(|min| chars < min) {
        errors.push(FieldError::new(path, "must not be empty"));
    }
    if let Some(max) = schema.max_length.filter(|max| chars > *max) {
        errors.push(FieldError::new(path, format!("has {chars} characters, at most {max} are allowed")));
    }
    if errors.len() > before {
        return;
    }
    if schema.pattern.as_deref().is_some_and(|pattern| !matches(pattern, text)) {
        errors.push(FieldError::new(path, NAME.message));
    }
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        if text_expression(&rule.rule).is_some_and(|expression| !matches(expression, text)) {
            errors.push(FieldError::new(path, rule.message.clone().unwrap_or_default()));
        }
    }
}

fn check_number(schema: &JSONSchemaProps, number: Option<f64>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(number) = number else { return };
    if let Some(min) = schema.minimum.filter(|min| number < *min) {
        errors.push(FieldError::new(path, format!("is {number}, must be at least {min}")));
    }
    if let Some(max) = schema.maximum.filter(|max| number > *max) {
        errors.push(FieldError::new(path, format!("is {number}, must be at most {max}")));
    }
}

fn check_list(schema: &JSONSchemaProps, list: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let count = i64::try_from(list.len()).unwrap_or(i64::MAX);
    if schema.min_items.is_some_and(|min| count < min) {
        errors.push(FieldError::new(path, "must not be empty"));
    }
    if let Some(max) = schema.max_items.filter(|max| count > *max) {
        errors.push(FieldError::new(path, format!("has {count} items, at most {max} are allowed")));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if let Some(keys) = &schema.x_kubernetes_list_map_keys {
            let key: Vec<_> = keys.iter().map(|key| item.get(key).map(ToString::to_string)).collect();
            if !seen.insert(key) {
                let keys = keys.join(" and ");
                errors.push(FieldError::new(&path, format!("another item has the same {keys}; change one")));
            }
        }
        if let Some(items) = items(schema) {
            walk(items, item, &path, errors);
        }
    }
}

fn check_map(
    schema: &JSONSchemaProps,
    map: &serde_json::Map<String, Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let count = i64::try_from(map.len()).unwrap_or(i64::MAX);
    if let Some(max) = schema.max_properties.filter(|max| count > *max) {
        errors.push(FieldError::new(path, format!("has {count} keys, at most {max} are allowed")));
        return;
    }
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let wrong = |expression: &str| !map.keys().all(|key| matches(expression, key));
        if keys_expression(&rule.rule).is_some_and(wrong) {
            errors.push(FieldError::new(path, rule.message.clone().unwrap_or_default()));
        }
    }
    for (key, value) in map {
        let property = schema.properties.as_ref().and_then(|properties| properties.get(key));
        match (property, values(schema)) {
            (Some(property), _) => walk(property, value, &format!("{path}.{key}"), errors),
            (None, Some(values)) => walk(values, value, &format!("{path}[{key}]"), errors),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(schema: &JSONSchemaProps, into: &mut Vec<String>) {
        into.extend(rules(schema).filter(|rule| rule.contains("matches(")).map(str::to_owned));
        children(schema).for_each(|child| patterns(child, into));
    }

    #[test]
    fn every_shape_of_the_schema_is_known_here() {
        let mut found = Vec::new();
        patterns(&SCHEMA.root, &mut found);
        assert!(found.len() > 20, "{}", found.len());
        for rule in found {
            let expression = expression(&rule);
            assert!(expression.is_some_and(|e| SCHEMA.expressions.contains_key(e)), "{rule}");
        }
        assert!(SCHEMA.expressions.contains_key(NAME.pattern));
    }
}
