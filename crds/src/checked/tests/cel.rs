//! Runs the schema's CEL rules themselves over a spec, as the API server does: at each value its own rules.

use crate::checked::{FieldError, schema};
use crate::{Quantity, QuantityError, definition};
use ::cel::extractors::This;
use ::cel::{Context, ExecutionError, Program, Value as CelValue};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

fn root_schema() -> JSONSchemaProps {
    let version = definition().spec.versions.remove(0);
    version.schema.unwrap().open_api_v3_schema.unwrap()
}

pub(super) fn spec_schema() -> JSONSchemaProps {
    root_schema().properties.as_mut().unwrap().remove("spec").unwrap()
}

/// Each rule of the root itself that a Morph breaks.
pub(super) fn root_errors(morph: &Value) -> Vec<FieldError> {
    let mut root = root_schema();
    root.properties = None;
    let mut errors = Vec::new();
    walk(&root, morph, "", &mut errors);
    let relative = |error: FieldError| FieldError::new(error.field.trim_start_matches('.'), error.message);
    errors.into_iter().map(relative).collect()
}

/// The message of each rule.
pub(super) fn messages() -> BTreeSet<String> {
    fn collect(schema: &JSONSchemaProps, into: &mut BTreeSet<String>) {
        into.extend(schema.x_kubernetes_validations.iter().flatten().filter_map(|rule| rule.message.clone()));
        schema::children(schema).for_each(|child| collect(child, into));
    }
    let mut messages = BTreeSet::new();
    collect(&spec_schema(), &mut messages);
    messages
}

/// Each rule that a spec breaks.
pub(super) fn errors(spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(&spec_schema(), spec, "spec", &mut errors);
    errors
}

fn walk(schema: &JSONSchemaProps, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        if !holds(rule, value) {
            let field = format!("{path}{}", rule.field_path.as_deref().unwrap_or_default());
            errors.push(FieldError::new(field, rule.message.clone().unwrap()));
        }
    }
    if let (Some(JSONSchemaPropsOrArray::Schema(items)), Value::Array(list)) = (&schema.items, value) {
        for (index, item) in list.iter().enumerate() {
            walk(items, item, &format!("{path}[{index}]"), errors);
        }
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        let property = schema.properties.as_ref().and_then(|properties| properties.get(key));
        match (property, &schema.additional_properties) {
            (Some(property), _) => walk(property, item, &format!("{path}.{key}"), errors),
            (None, Some(JSONSchemaPropsOrBool::Schema(values))) => {
                walk(values, item, &format!("{path}[{key}]"), errors);
            }
            _ => {}
        }
    }
}

fn holds(rule: &ValidationRule, value: &Value) -> bool {
    let program = Program::compile(&rule.rule).unwrap_or_else(|error| panic!("{}: {error}", rule.rule));
    let mut context = Context::default();
    context.add_variable("self", escaped(value)).unwrap();
    context.add_function("quantity", |text: Arc<String>| milli(&text)).unwrap();
    context.add_function("isLessThan", |This(this): This<i64>, other: i64| this < other).unwrap();
    context.add_function("compareTo", |This(this): This<i64>, other: i64| (this - other).signum()).unwrap();
    context.add_function("lowerAscii", |This(this): This<Arc<String>>| this.to_ascii_lowercase()).unwrap();
    match program.execute(&context) {
        Ok(CelValue::Bool(holds)) => holds,
        other => panic!("{}: {other:?}", rule.rule),
    }
}

/// Kubernetes' quantity, as a number of thousandths. What is past 63 bits is more than all that is not.
fn milli(text: &str) -> Result<i64, ExecutionError> {
    let milli = Quantity(text.to_owned()).milli();
    if matches!(milli, Err(QuantityError::TooLarge(_))) {
        return Ok(i64::MAX);
    }
    let milli = milli.map_err(|error| ExecutionError::function_error("quantity", error))?;
    i64::try_from(milli).map_err(|error| ExecutionError::function_error("quantity", error))
}

/// As the API server spells field names that are no identifiers of CEL.
fn escaped(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let key = if key == "ephemeral-storage" { "ephemeral__dash__storage" } else { key };
                (key.to_owned(), escaped(value))
            })
            .collect(),
        Value::Array(list) => list.iter().map(escaped).collect(),
        other => other.clone(),
    }
}
