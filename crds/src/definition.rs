//! The custom resource definition: what kube derives from the types, with every remaining gap closed, so that
//! nothing in it is unbounded and no `null` has a meaning.

use crate::bounds::*;
use crate::checked::{rules, shape};
use crate::{Morph, MorphPolicy};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use kube::CustomResourceExt as _;
use std::collections::BTreeMap;

/// The definition of `morphs.hayride.dev`, as `crds/yaml/morphs.yaml` has it.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    let mut definition = closed(Morph::crd(), name(shape::NAME.pattern, NAME_CHARS_MAX));
    for version in &mut definition.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            root.x_kubernetes_validations = Some(vec![differ()]);
        }
    }
    definition
}

/// No plug is called as its Morph. Only a rule at the root sees the name.
fn differ() -> ValidationRule {
    ValidationRule {
        rule: rules::PLUGS_DIFFER.to_owned(),
        field_path: Some(".spec.plugs".to_owned()),
        message: Some(rules::PLUG_NAMED_AS_MORPH.to_owned()),
        reason: Some("FieldValueInvalid".to_owned()),
        ..ValidationRule::default()
    }
}

/// The definition of `morphpolicies.hayride.dev`. The name is the value of a namespace's label.
#[must_use]
pub fn policy_definition() -> CustomResourceDefinition {
    closed(MorphPolicy::crd(), name(shape::LABEL.pattern, LABEL_CHARS_MAX))
}

/// Every definition, with the name of its file.
#[must_use]
pub fn definitions() -> [(&'static str, CustomResourceDefinition); 2] {
    [("morphs", definition()), ("morphpolicies", policy_definition())]
}

fn closed(mut definition: CustomResourceDefinition, metadata: JSONSchemaProps) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        let Some(root) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) else {
            continue;
        };
        let properties = root.properties.get_or_insert_default();
        properties.insert("metadata".to_owned(), metadata.clone());
        for part in properties.values_mut() {
            walk(part, &tidy);
        }
        for field in ["affinity", "tolerations", "topologySpreadConstraints"] {
            if let Some(schema) = field_of(root, &["spec", "template", field]) {
                walk(schema, &bound);
            }
        }
        if let Some(conditions) = field_of(root, &["status", "conditions"]) {
            walk(conditions, &bound_condition);
        }
    }
    definition
}

/// The name is bounded in the schema: in CEL it is far over the cost budget.
fn name(pattern: &str, chars_max: u32) -> JSONSchemaProps {
    let name = JSONSchemaProps {
        type_: Some("string".to_owned()),
        max_length: Some(i64::from(chars_max)),
        pattern: Some(pattern.to_owned()),
        ..JSONSchemaProps::default()
    };
    JSONSchemaProps {
        type_: Some("object".to_owned()),
        properties: Some(BTreeMap::from([("name".to_owned(), name)])),
        ..JSONSchemaProps::default()
    }
}

fn field_of<'a>(schema: &'a mut JSONSchemaProps, path: &[&str]) -> Option<&'a mut JSONSchemaProps> {
    path.iter().try_fold(schema, |schema, name| schema.properties.as_mut()?.get_mut(*name))
}

fn walk(schema: &mut JSONSchemaProps, change: &impl Fn(&mut JSONSchemaProps)) {
    change(schema);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        walk(items, change);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        walk(values, change);
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        walk(property, change);
    }
}

/// Without `nullable` the API server drops a `null` before anything sees it. Formats of Rust's unsigned
/// numbers mean nothing to it.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.format.as_ref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    if let Some(description) = &mut schema.description {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// Bounds for the types taken over from Kubernetes, which have none; their descriptions are Kubernetes' own
/// and a third of the file.
fn bound(schema: &mut JSONSchemaProps) {
    schema.description = None;
    match schema.type_.as_deref() {
        Some("array") => {
            schema.max_items.get_or_insert(i64::from(SCHEDULING_LIST_MAX));
            schema.x_kubernetes_list_type.get_or_insert_with(|| "atomic".to_owned());
        }
        Some("string") => {
            schema.max_length.get_or_insert(i64::from(SCHEDULING_CHARS_MAX));
        }
        Some("object") if schema.additional_properties.is_some() => {
            schema.max_properties.get_or_insert(i64::from(SCHEDULING_MAP_MAX));
        }
        _ => {}
    }
}

fn bound_condition(schema: &mut JSONSchemaProps) {
    if schema.type_.as_deref() == Some("string") && schema.format.is_none() {
        schema.max_length.get_or_insert(i64::from(MESSAGE_CHARS_MAX));
    }
}

#[cfg(test)]
mod tests;
