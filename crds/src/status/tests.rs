//! Tests of the status: how it is spelt, that it fits, and that it is read back as it was written.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::definition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema() -> JSONSchemaProps {
    let mut root = definition().spec.versions.remove(0).schema.unwrap().open_api_v3_schema.unwrap();
    root.properties.as_mut().unwrap().remove("status").unwrap()
}

/// The schema of one field of a list's items.
fn of_item(list: &str, field: &str) -> JSONSchemaProps {
    let list = schema().properties.unwrap().remove(list).unwrap();
    let Some(JSONSchemaPropsOrArray::Schema(items)) = list.items else { unreachable!() };
    items.properties.unwrap().remove(field).unwrap()
}

fn component() -> ComponentStatus {
    ComponentStatus {
        name: "weather".into(),
        image: "registry.example/acme/weather@sha256:00".into(),
        digest: "sha256:00".into(),
        type_: Some(RunType::Server),
    }
}

fn plug() -> ComponentStatus {
    ComponentStatus { name: "clock".into(), type_: None, ..component() }
}

fn import(by: Option<&str>) -> ImportStatus {
    ImportStatus {
        component: "weather".into(),
        interface: "wasi:filesystem/types@0.2.0".into(),
        answer: Answer::Granted,
        by: by.map(str::to_owned),
    }
}

#[test]
fn an_empty_status_is_an_empty_object() {
    assert_eq!(serde_json::to_value(MorphStatus::default()).unwrap(), json!({}));
    assert_eq!(serde_json::from_value::<MorphStatus>(json!({})).unwrap(), MorphStatus::default());
}

#[test]
fn a_status_is_spelt_as_the_documentation_says() {
    let status = MorphStatus {
        observed_generation: Some(3),
        components: vec![component(), plug()],
        imports: vec![import(Some("spec.args")), import(None)],
        links: vec![LinkStatus { from: "weather".into(), interface: "a:b/c".into(), to: "clock".into() }],
        composed: Some("sha256:01".into()),
        replicas: Some(0),
        selector: Some("hayride.dev/morph=weather".into()),
        url: Some("http://weather.default.svc:8080".into()),
        conditions: vec![],
    };
    let id = "wasi:filesystem/types@0.2.0";
    let wanted = json!({
        "observedGeneration": 3,
        "components": [
            {
                "name": "weather", "image": "registry.example/acme/weather@sha256:00", "digest": "sha256:00",
                "type": "Server",
            },
            { "name": "clock", "image": "registry.example/acme/weather@sha256:00", "digest": "sha256:00" },
        ],
        "imports": [
            { "component": "weather", "interface": id, "answer": "Granted", "by": "spec.args" },
            { "component": "weather", "interface": id, "answer": "Granted" },
        ],
        "links": [{ "from": "weather", "interface": "a:b/c", "to": "clock" }],
        "composed": "sha256:01",
        "replicas": 0,
        "selector": "hayride.dev/morph=weather",
        "url": "http://weather.default.svc:8080",
    });
    assert_eq!(serde_json::to_value(&status).unwrap(), wanted);
}

#[test]
fn the_longest_image_of_a_spec_fits_when_it_is_pinned() {
    let digest = format!("@sha256:{}", "a".repeat(64));
    let spec = i64::from(IMAGE_CHARS_MAX);
    let max = of_item("components", "image").max_length.unwrap();
    assert_eq!(max, spec + i64::try_from(digest.len()).unwrap());
    assert_eq!(of_item("components", "digest").max_length.unwrap(), i64::try_from(digest.len()).unwrap() - 1);
}

#[test]
fn the_longest_interface_that_a_component_may_import_fits() {
    assert_eq!(of_item("imports", "interface").max_length, Some(256));
}

#[test]
fn words_of_the_schema_are_those_that_are_written() {
    let words = |schema: JSONSchemaProps| -> Vec<Value> {
        schema.enum_.unwrap().into_iter().map(|word| word.0).collect()
    };
    assert_eq!(words(of_item("components", "type")), ["Command", "Server"]);
    assert_eq!(words(of_item("imports", "answer")), ["Granted", "Ambient", "Plug", "Denied"]);
}

#[test]
fn lists_merge_by_what_names_an_item() {
    let properties = schema().properties.unwrap();
    for (list, keys) in [
        ("components", vec!["name"]),
        ("imports", vec!["component", "interface"]),
        ("links", vec!["from", "interface"]),
        ("conditions", vec!["type"]),
    ] {
        let found = properties[list].x_kubernetes_list_map_keys.clone().unwrap();
        assert_eq!(found, keys, "{list}");
        assert_eq!(properties[list].x_kubernetes_list_type.as_deref(), Some("map"), "{list}");
    }
}

#[test]
fn a_status_of_another_form_is_not_taken_for_one_of_ours() {
    for wrong in [
        json!({ "components": [{ "name": "a" }] }),
        json!({ "components": [{ "name": "a", "image": "i", "digest": "d", "type": "Auto" }] }),
        json!({ "imports": [{ "component": "a", "interface": "i", "answer": "granted" }] }),
        json!({ "imports": [{ "component": "a", "interface": "i" }] }),
        json!({ "links": [{ "from": "a", "interface": "i" }] }),
        json!({ "replicas": "1" }),
        json!({ "conditions": {} }),
        json!([]),
    ] {
        let read = serde_json::from_value::<MorphStatus>(wrong.clone());
        assert!(read.is_err() || wrong == json!([]), "{wrong}: {read:?}");
    }
}

fn any_status() -> impl Strategy<Value = MorphStatus> {
    let word = "[a-z]{1,8}";
    let type_ = prop::option::of(prop::sample::select(vec![RunType::Command, RunType::Server]));
    let answers = vec![Answer::Granted, Answer::Ambient, Answer::Plug, Answer::Denied];
    let component = (word, word, word, type_).prop_map(|(name, image, digest, type_)| ComponentStatus {
        name,
        image,
        digest,
        type_,
    });
    let import = (word, ".{1,20}", prop::sample::select(answers), prop::option::of(word))
        .prop_map(|(component, interface, answer, by)| ImportStatus { component, interface, answer, by });
    let link = (word, word, word).prop_map(|(from, interface, to)| LinkStatus { from, interface, to });
    let lists = (
        prop::collection::vec(component, 0..3),
        prop::collection::vec(import, 0..5),
        prop::collection::vec(link, 0..3),
    );
    let texts = (prop::option::of(word), prop::option::of(word), prop::option::of(word));
    let rest = (any::<Option<i64>>(), any::<Option<i32>>(), texts);
    (lists, rest).prop_map(|((components, imports, links), (observed_generation, replicas, texts))| {
        let ((composed, selector, url), conditions) = (texts, vec![]);
        MorphStatus {
            observed_generation,
            components,
            imports,
            links,
            composed,
            replicas,
            selector,
            url,
            conditions,
        }
    })
}

proptest! {
    #[test]
    fn a_status_is_read_back_as_it_was_written(status in any_status()) {
        let written = serde_json::to_value(&status).unwrap();
        prop_assert!(!written.to_string().contains("null"), "{}", written);
        prop_assert_eq!(serde_json::from_value::<MorphStatus>(written).unwrap(), status);
    }
}
