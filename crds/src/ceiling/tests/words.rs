//! Nothing is forgotten: each field of a Morph has an entry or a reason why it needs none, each word of a
//! policy is asked by an entry, each entry is broken by a case and kept by another.

use super::free::FREE;
use super::{cases, findings};
use crate::ceiling::twin::{MEMORY_DEFAULT, OUTPUT_DEFAULT};
use crate::ceiling::vocabulary::{ENTRIES, Entry, KINDS, Over, VARIABLES};
use crate::{Quantity, bounds, definition, policy_definition};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use std::collections::BTreeSet;

/// Fields whose inside is a credential's or a reference's, judged as a whole by the entry of that field.
fn leaves(definition: &CustomResourceDefinition) -> BTreeSet<String> {
    fn walk(schema: &JSONSchemaProps, path: &str, into: &mut BTreeSet<String>) {
        let items = match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
            _ => None,
        };
        match (&schema.properties, items) {
            (Some(properties), _) if !properties.is_empty() => {
                for (name, property) in properties {
                    walk(property, &format!("{path}.{name}"), into);
                }
            }
            (_, Some(items)) => walk(items, &format!("{path}[]"), into),
            _ => {
                into.insert(path.to_owned());
            }
        }
    }
    let root = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let mut found = BTreeSet::new();
    walk(&root.properties.as_ref().unwrap()["spec"], "spec", &mut found);
    found
}

fn is_below(field: &str, above: &str) -> bool {
    field.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Fields of the vocabulary. Kinds without an inside are judged by the entry of kinds alone; that entry
/// stands for nothing else. What is asked of each part is asked of plugs.
fn covered() -> Vec<String> {
    let field = |at: &str, entry: &Entry| {
        let field = if entry.name == "unknownKinds" { ".capabilities.logging" } else { entry.field };
        format!("{at}{field}")
    };
    let of_plugs = ENTRIES.iter().filter(|entry| entry.over != Over::Whole);
    let of_plugs = of_plugs.map(|entry| field("spec.plugs[]", entry));
    ENTRIES.iter().map(|entry| field("spec", entry)).chain(of_plugs).collect()
}

#[test]
fn each_field_of_a_morph_has_an_entry_or_a_reason_why_it_needs_none() {
    let covered = covered();
    let free = |field: &str| FREE.iter().any(|(free, _)| is_below(field, free));
    let known = |field: &String| {
        let of_main = field.strip_prefix("spec.plugs[].").map(|rest| format!("spec.{rest}"));
        covered.iter().any(|entry| is_below(field, entry))
            || free(field)
            || of_main.is_some_and(|field| free(&field))
    };
    let forgotten: Vec<_> = leaves(&definition()).into_iter().filter(|field| !known(field)).collect();
    assert!(forgotten.is_empty(), "no entry of the ceiling's vocabulary: {forgotten:#?}");
}

#[test]
fn no_entry_and_no_reason_is_about_a_field_that_is_not_there() {
    let leaves = leaves(&definition());
    let all = covered().into_iter().chain(FREE.iter().map(|(free, _)| (*free).to_owned()));
    let gone: Vec<_> = all.filter(|one| !leaves.iter().any(|field| is_below(field, one))).collect();
    assert!(gone.is_empty(), "{gone:#?}");
    assert!(FREE.iter().all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn no_capability_as_a_whole_is_free() {
    for (free, _) in FREE.iter().filter(|(free, _)| free.starts_with("spec.capabilities")) {
        let depth = free.split('.').count();
        assert!(depth > 3, "{free} would let a whole capability through");
    }
}

#[test]
fn each_kind_of_capability_is_known_and_has_a_word() {
    let kinds = |definition: &CustomResourceDefinition| -> BTreeSet<String> {
        let root = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        let spec = &root.properties.as_ref().unwrap()["spec"];
        spec.properties.as_ref().unwrap()["capabilities"]
            .properties
            .as_ref()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let known: BTreeSet<_> = KINDS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    assert_eq!(kinds(&definition()), known);
    assert_eq!(kinds(&policy_definition()), known);
    for entry in ENTRIES {
        if let Over::Kind(kind) = entry.over {
            assert!(known.contains(kind), "{}", entry.name);
            assert!(is_below(entry.field, &format!(".capabilities.{kind}")), "{}", entry.name);
        }
    }
}

#[test]
fn each_word_of_a_policy_is_asked() {
    let mut text: String = VARIABLES.iter().map(|(_, expression)| *expression).collect();
    for entry in ENTRIES {
        text.push_str(entry.values);
        text.push_str(entry.most.map_or("", |most| most.cel));
    }
    // These two say what follows, not what is allowed; a kind without an inside is asked by its name.
    let other = ["spec.enforcement", "spec.onViolation", "spec.capabilities.logging"];
    for word in leaves(&policy_definition()).iter().filter(|word| !other.contains(&word.as_str())) {
        let word = word.trim_end_matches("[]");
        // Inside a list an entry names the item by a letter.
        let (list, inside) = word.split_once("[].").unwrap_or((word, ""));
        assert!(text.contains(&format!("params.{list}")), "nothing asks {list}");
        assert!(inside.is_empty() || text.contains(&format!("c.{inside}")), "nothing asks {word}");
    }
}

#[test]
fn each_entry_is_broken_by_a_case_and_names_the_policys_word() {
    let found: Vec<String> = cases().iter().flat_map(|case| findings(&case.policy(), &case.spec())).collect();
    let told = |at: &str, entry: &Entry| {
        let begins = format!("{at}{}: ", entry.field);
        let rule = format!("({}", entry.rule);
        found.iter().any(|f| f.starts_with(&begins) && f.contains(&rule))
    };
    for entry in ENTRIES {
        assert!(told("spec", entry), "{}", entry.name);
        assert!(entry.over == Over::Whole || told("spec.plugs[clock]", entry), "{} of a plug", entry.name);
    }
}

/// The page's example is one that the code reads, and its answer one that the code gives.
#[test]
fn the_example_of_the_page_is_answered_as_the_page_says() {
    let page = include_str!("../../../../docs/policy.md");
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let policy: crate::MorphPolicy = serde_norway::from_str(example).unwrap();
    let spec = serde_json::json!({
        "image": "registry.example/acme/weather:1", "replicas": 9,
        "capabilities": { "http": { "allow": [{ "host": "evil.example", "pathPrefixes": ["/"] }] } },
    });
    let found = findings(&policy.spec, &serde_json::from_value(spec).unwrap());
    let said = crate::ceiling::message("team", &found);
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&said), "{said}");
}

#[test]
fn no_two_variables_have_one_name() {
    let policy = crate::ceiling::ceiling_policy();
    let names: Vec<_> = policy.spec.unwrap().variables.unwrap().into_iter().map(|v| v.name).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn the_defaults_that_the_ceiling_speaks_of_are_the_hosts() {
    let bytes = |text: &str| Quantity::from(text).bytes().unwrap();
    assert_eq!(bytes(MEMORY_DEFAULT), bounds::MEMORY_BYTES_DEFAULT);
    assert_eq!(bytes(OUTPUT_DEFAULT), bounds::OUTPUT_BYTES_PER_SECOND_DEFAULT);
    let cel: String =
        ENTRIES.iter().map(|entry| entry.values).chain(VARIABLES.iter().map(|(_, e)| *e)).collect();
    for default in [
        format!("'{MEMORY_DEFAULT}'"),
        format!("'{OUTPUT_DEFAULT}'"),
        format!(": {}]", bounds::CPU_PER_CALL_MILLIS_DEFAULT),
        format!(": {}]", bounds::CONCURRENCY_DEFAULT),
        format!(": {}]", bounds::EGRESS_CONCURRENCY_DEFAULT),
    ] {
        assert!(cel.contains(&default), "{default}");
    }
}
