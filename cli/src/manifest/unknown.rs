//! Fields of an object that its schema doesn't have. Types and values are not looked at.

use anyhow::Result;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// The paths of all fields of an object that its definition doesn't have, but for those below
/// `metadata` and `status`.
pub(super) fn fields(object: &Value, definition: &CustomResourceDefinition) -> Result<Vec<String>> {
    let definition = serde_json::to_value(definition)?;
    let mut found = Vec::new();
    for (field, value) in object.as_object().into_iter().flatten() {
        match field.as_str() {
            "apiVersion" | "kind" | "metadata" | "status" => {}
            "spec" => {
                let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
                walk(&root["properties"]["spec"], value, "spec", &mut found);
            }
            _ => found.push(field.clone()),
        }
    }
    Ok(found)
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let path = format!("{path}.{field}");
                match (&schema["properties"][field], &schema["additionalProperties"]) {
                    (known @ Value::Object(_), _) => walk(known, value, &path, found),
                    (_, values @ Value::Object(_)) => walk(values, value, &path, found),
                    (_, Value::Bool(true)) => {}
                    _ if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
                    _ => found.push(path),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
