//! The page of a kind's fields, from the schema. Types taken over from Kubernetes are one row each.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// What the page of Morphs begins with.
pub(super) const MORPH: &str = "\
# Morph: every field

`hayride.dev/v1alpha1`, kind `Morph`, short name `mo`. Fields in bold must be set. A field that is absent
grants nothing. What a field must be besides its bounds stands at the end of its row.

| field | type | what it is |
|---|---|---|
";

/// What the page of policies begins with.
pub(super) const POLICY: &str = "\
# MorphPolicy: every field

`hayride.dev/v1alpha1`, kind `MorphPolicy`, short name `mop`, not namespaced. Fields in bold must be set. What
a policy doesn't say isn't allowed. How policies are chosen and what they do: [policy.md](../policy.md).

| field | type | what it is |
|---|---|---|
";

/// Fields whose inside is Kubernetes' own and described there.
const FOREIGN: [&str; 4] = ["affinity", "tolerations", "topologySpreadConstraints", "conditions"];

/// The page.
pub(super) fn page(introduction: &str, definition: &CustomResourceDefinition) -> String {
    let mut text = introduction.to_owned();
    let versions = definition.spec.versions.iter();
    for root in versions.filter_map(|v| v.schema.as_ref()?.open_api_v3_schema.as_ref()) {
        for part in ["spec", "status"] {
            if let Some(schema) = root.properties.as_ref().and_then(|properties| properties.get(part)) {
                rows(schema, part, &mut text);
            }
        }
    }
    text
}

fn rows(schema: &JSONSchemaProps, path: &str, text: &mut String) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let shown = match required.contains(name) && path.starts_with("spec") {
            true => format!("**`{path}`**"),
            false => format!("`{path}`"),
        };
        text.push_str(&format!("| {shown} | {} | {} |\n", type_of(field), words(field)));
        if FOREIGN.contains(&name.as_str()) {
            continue;
        }
        match items(field) {
            Some(item) => rows(item, &format!("{path}[]"), text),
            None => rows(field, &path, text),
        }
    }
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
        _ => None,
    }
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return "quantity".to_owned();
    }
    if let Some(values) = &schema.enum_ {
        let values = values.iter().filter_map(|value| value.0.as_str()).map(|value| format!("`{value}`"));
        return values.collect::<Vec<_>>().join(", ");
    }
    let bound = |what: &str, max: Option<i64>| max.map(|max| format!(", at most {max} {what}"));
    let name = schema.type_.as_deref().unwrap_or("any");
    match name {
        "array" => {
            let inner = items(schema).map_or_else(|| "any".to_owned(), type_of);
            format!("list of {inner}{}", bound("items", schema.max_items).unwrap_or_default())
        }
        "object" => match &schema.additional_properties {
            Some(JSONSchemaPropsOrBool::Schema(_)) => {
                format!("map of texts{}", bound("keys", schema.max_properties).unwrap_or_default())
            }
            _ => "object".to_owned(),
        },
        "string" => format!("text{}", bound("characters", schema.max_length).unwrap_or_default()),
        _ => format!("{name}{}", range(schema)),
    }
}

fn range(schema: &JSONSchemaProps) -> String {
    match (schema.minimum, schema.maximum) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min), None) => format!(", {min} or more"),
        _ => String::new(),
    }
}

/// The field's description, its default, and the messages of its rules.
fn words(schema: &JSONSchemaProps) -> String {
    let mut words = schema.description.clone().unwrap_or_default();
    if let Some(default) = &schema.default {
        words.push_str(&format!(" Default `{}`.", default.0));
    }
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        words.push_str(&format!(" *{}.*", rule.message.as_deref().unwrap_or_default()));
    }
    words.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_required_field_is_bold_and_a_default_is_named() {
        let page = page(MORPH, &morph_crds::definition());
        assert!(page.contains("| **`spec.image`** | text, at most 512 characters |"), "{page}");
        assert!(page.contains("Default `1`."), "{page}");
    }

    #[test]
    fn lists_and_their_fields_are_told_apart() {
        let page = page(MORPH, &morph_crds::definition());
        assert!(page.contains("| `spec.env` | list of object, at most 64 items |"), "{page}");
        assert!(page.contains("| **`spec.env[].name`** |"), "{page}");
    }

    #[test]
    fn the_inside_of_kubernetes_types_is_left_out() {
        let page = page(MORPH, &morph_crds::definition());
        assert!(page.contains("| `spec.template.affinity` |") && !page.contains("spec.template.affinity."));
    }

    fn schema(value: serde_json::Value) -> JSONSchemaProps {
        serde_json::from_value(value).unwrap_or_default()
    }

    #[test]
    fn a_type_is_told_with_its_bounds() {
        use serde_json::json;
        for (value, wanted) in [
            (json!({ "type": "string" }), "text"),
            (json!({ "type": "string", "maxLength": 5 }), "text, at most 5 characters"),
            (json!({ "type": "string", "enum": ["A", "B"] }), "`A`, `B`"),
            (json!({ "type": "integer" }), "integer"),
            (json!({ "type": "integer", "minimum": 1.0 }), "integer, 1 or more"),
            (json!({ "type": "integer", "minimum": 0.0, "maximum": 9.0 }), "integer, 0 to 9"),
            (json!({ "type": "boolean" }), "boolean"),
            (json!({ "x-kubernetes-int-or-string": true }), "quantity"),
            (json!({ "type": "object" }), "object"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" }, "maxProperties": 3 }),
                "map of texts, at most 3 keys",
            ),
            (
                json!({ "type": "array", "items": { "type": "string", "maxLength": 2 }, "maxItems": 4 }),
                "list of text, at most 2 characters, at most 4 items",
            ),
            (json!({}), "any"),
        ] {
            assert_eq!(type_of(&schema(value.clone())), wanted, "{value}");
        }
    }

    #[test]
    fn a_row_tells_default_and_rules_and_breaks_no_table() {
        let rule = serde_json::json!({ "rule": "true", "message": "a | b" });
        let field = serde_json::json!({
            "description": "What it is.", "default": "x", "x-kubernetes-validations": [rule],
        });
        assert_eq!(words(&schema(field)), "What it is. Default `\"x\"`. *a \\| b.*");
    }

    #[test]
    fn every_field_has_one_row() {
        let page = page(MORPH, &morph_crds::definition());
        let rows = page.lines().filter(|line| line.starts_with("| `") || line.starts_with("| **`"));
        let fields: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        let distinct: std::collections::BTreeSet<_> = fields.iter().collect();
        assert_eq!(distinct.len(), fields.len());
        for field in ["spec.run.schedule", "spec.volumes[].secret.secretName", "status.imports[].answer"] {
            assert!(fields.contains(&field), "{field}");
        }
    }
}
