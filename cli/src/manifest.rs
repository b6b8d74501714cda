//! Finds the Morph in a YAML file that may hold other objects as well. A field that no Morph has is an error:
//! a misspelt grant would be no grant, a misspelt limit no limit.

mod unknown;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use morph_crds::{FieldErrors, Morph, MorphPolicy, ValidMorph};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;

/// Largest file read, in bytes: what an API server takes of one object.
const FILE_SIZE_BYTES_MAX: u64 = 3 << 20;

/// Reads a file, or standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<String> {
    let reader: Box<dyn std::io::Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| file.display().to_string())?)
    };
    let mut text = String::new();
    let size = reader.take(FILE_SIZE_BYTES_MAX + 1).read_to_string(&mut text);
    size.with_context(|| file.display().to_string())?;
    if text.len() as u64 > FILE_SIZE_BYTES_MAX {
        bail!("{}: has more than {FILE_SIZE_BYTES_MAX} bytes", file.display());
    }
    Ok(text)
}

/// A file as messages name it.
pub(crate) fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// The only Morph of a text, or the one of this name.
pub(crate) fn find(text: &str, name: Option<&str>) -> Result<Morph> {
    parse(object(text, ("Morph", "Morphs"), name)?, "Morph", &morph_crds::definition())
}

/// The only Morph of a file, or the one of this name, once nothing is wrong with any of its fields.
pub(crate) fn checked(file: &Path, name: Option<&str>) -> Result<ValidMorph> {
    let morph = find(&read(file)?, name).with_context(|| shown(file))?;
    let valid = ValidMorph::new(&morph).with_context(|| shown(file))?;
    let findings = morph_operator::morph::findings(valid.spec());
    if !findings.is_empty() {
        return Err(FieldErrors(findings)).with_context(|| shown(file));
    }
    Ok(valid)
}

/// The only MorphPolicy of a text.
pub(crate) fn find_policy(text: &str) -> Result<MorphPolicy> {
    let value = object(text, ("MorphPolicy", "MorphPolicies"), None)?;
    parse(value, "MorphPolicy", &morph_crds::policy_definition())
}

/// The only object of a kind, or the one of this name.
fn object(text: &str, (kind, kinds): (&str, &str), name: Option<&str>) -> Result<Value> {
    let mut morphs = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let value = Value::deserialize(document)?;
        if value["kind"] == kind {
            morphs.push(value);
        }
    }
    let name_of = |value: &Value| value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = morphs.iter().map(name_of).collect();
    if let Some(name) = name {
        morphs.retain(|value| name_of(value) == name);
    }
    match (<[Value; 1]>::try_from(morphs), name) {
        (Ok([morph]), _) => Ok(morph),
        (Err(none), Some(name)) if none.is_empty() => {
            bail!("no {kind} {name}; there are: {}", names.join(", "))
        }
        (Err(none), None) if none.is_empty() => bail!("no object of kind {kind}"),
        (Err(_), Some(name)) => bail!("several {kinds} are named {name}"),
        (Err(_), None) => bail!("several {kinds}: {}; choose with --name", names.join(", ")),
    }
}

fn parse<T: DeserializeOwned>(value: Value, kind: &str, definition: &CustomResourceDefinition) -> Result<T> {
    let wanted = format!("{}/v1alpha1", morph_crds::GROUP);
    if value["apiVersion"] != wanted.as_str() {
        bail!("apiVersion: must be {wanted}");
    }
    let unknown = unknown::fields(&value, definition)?;
    if !unknown.is_empty() {
        bail!("{}: no such field", unknown.join(", "));
    }
    serde_json::from_value(value).with_context(|| format!("not the shape of a {kind}"))
}

#[cfg(test)]
mod tests;
