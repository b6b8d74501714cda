//! Tests of the definition: nothing in it is unbounded, undescribed or ambiguous to a merge.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::Value;

fn root() -> JSONSchemaProps {
    let version = definition().spec.versions.remove(0);
    version.schema.unwrap().open_api_v3_schema.unwrap()
}

/// The schemas of all kinds, each with the name of its file.
fn roots() -> Vec<(&'static str, JSONSchemaProps)> {
    let schema = |mut definition: CustomResourceDefinition| {
        definition.spec.versions.remove(0).schema.unwrap().open_api_v3_schema.unwrap()
    };
    definitions().into_iter().map(|(name, definition)| (name, schema(definition))).collect()
}

/// Calls `see` with each schema inside and its path; what Kubernetes itself describes is marked as foreign.
fn visit(
    schema: &JSONSchemaProps,
    path: &str,
    foreign: bool,
    see: &mut impl FnMut(&JSONSchemaProps, &str, bool),
) {
    see(schema, path, foreign);
    for (name, property) in schema.properties.iter().flatten() {
        let names = ["affinity", "tolerations", "topologySpreadConstraints", "conditions"];
        let foreign = foreign || names.contains(&name.as_str());
        visit(property, &format!("{path}.{name}"), foreign, see);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        visit(items, &format!("{path}[]"), foreign, see);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        visit(values, &format!("{path}{{}}"), foreign, see);
    }
}

/// Asserts for each schema below spec and status that `right` holds.
fn check_all(what: &str, right: impl Fn(&JSONSchemaProps, &str, bool) -> bool) {
    let mut wrong = Vec::new();
    for (name, root) in roots() {
        for part in ["spec", "status"] {
            let Some(schema) = root.properties.as_ref().unwrap().get(part) else { continue };
            visit(schema, part, false, &mut |schema, path, foreign| {
                if !right(schema, path, foreign) {
                    wrong.push(format!("{name}: {path}"));
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
}

#[test]
fn every_list_has_a_bound_and_says_how_it_merges() {
    check_all("lists", |schema, _, _| {
        let list = schema.type_.as_deref() == Some("array");
        !list || (schema.max_items.is_some() && schema.x_kubernetes_list_type.is_some())
    });
}

#[test]
fn every_text_has_a_bound() {
    check_all("texts", |schema, _, _| {
        let text =
            schema.type_.as_deref() == Some("string") || schema.x_kubernetes_int_or_string == Some(true);
        let bounded = schema.max_length.is_some() || schema.enum_.is_some() || schema.format.is_some();
        !text || bounded
    });
}

#[test]
fn every_map_has_a_bound() {
    check_all("maps", |schema, _, _| {
        schema.additional_properties.is_none() || schema.max_properties.is_some()
    });
}

#[test]
fn every_number_of_ours_has_a_least_value_and_in_the_spec_a_greatest() {
    check_all("numbers", |schema, path, foreign| {
        let number = schema.type_.as_deref() == Some("integer");
        let generation = path == "status.observedGeneration";
        let greatest = schema.maximum.is_some() || path.starts_with("status");
        !number || foreign || generation || (schema.minimum.is_some() && greatest)
    });
}

#[test]
fn every_field_of_ours_is_described() {
    check_all("descriptions", |schema, path, foreign| {
        let leaf = path.ends_with("[]") || path.ends_with("{}");
        foreign || leaf || schema.description.as_ref().is_some_and(|text| !text.is_empty())
    });
}

#[test]
fn nothing_is_nullable_and_nothing_unknown_is_kept() {
    check_all("null", |schema, _, _| {
        schema.nullable.is_none() && schema.x_kubernetes_preserve_unknown_fields.is_none()
    });
}

#[test]
fn every_rule_has_a_message_that_people_can_act_on() {
    check_all("rules", |schema, _, _| {
        schema.x_kubernetes_validations.iter().flatten().all(|rule| {
            rule.message.as_ref().is_some_and(|message| message.len() > 20 && !message.ends_with('.'))
        })
    });
}

#[test]
fn the_name_is_bounded_in_the_schema() {
    let root = root();
    let name = &root.properties.as_ref().unwrap()["metadata"].properties.as_ref().unwrap()["name"];
    assert_eq!((name.max_length, name.pattern.as_deref()), (Some(52), Some(shape::NAME.pattern)));
}

#[test]
fn status_and_scale_are_sub_resources_and_the_columns_are_there() {
    let version = definition().spec.versions.remove(0);
    let sub = version.subresources.unwrap();
    assert!(sub.status.is_some());
    let scale = sub.scale.unwrap();
    assert_eq!(scale.spec_replicas_path, ".spec.replicas");
    assert_eq!(scale.label_selector_path.as_deref(), Some(".status.selector"));
    let columns: Vec<_> = version.additional_printer_columns.unwrap().into_iter().map(|c| c.name).collect();
    assert_eq!(columns, ["Type", "Ready", "Reason", "Replicas", "Image", "Age"]);
    let names = definition().spec.names;
    assert_eq!(
        (names.short_names.unwrap(), names.categories.unwrap()),
        (vec!["mo".into()], vec!["hayride".into()])
    );
}

#[test]
fn a_policy_is_of_the_whole_cluster_and_its_name_fits_a_label() {
    let definition = policy_definition();
    assert_eq!(definition.metadata.name.as_deref(), Some("morphpolicies.hayride.dev"));
    assert_eq!(definition.spec.scope, "Cluster");
    assert_eq!(definition.spec.names.short_names.unwrap(), ["mop"]);
    let (_, root) = roots().remove(1);
    let name = &root.properties.as_ref().unwrap()["metadata"].properties.as_ref().unwrap()["name"];
    assert_eq!((name.max_length, name.pattern.as_deref()), (Some(63), Some(shape::LABEL.pattern)));
    let spec = &root.properties.as_ref().unwrap()["spec"];
    assert_eq!(spec.required.as_deref(), Some(&["images".to_owned()][..]), "what a policy must say");
    for narrow in ["secretsInGuests", "maxReplicas", "enforcement", "onViolation"] {
        let default = &spec.properties.as_ref().unwrap()[narrow].default.as_ref().unwrap().0;
        let least = [Value::from(false), Value::from(1), Value::from("Deny"), Value::from("Keep")];
        assert!(least.contains(default), "{narrow}: {default}");
    }
}

#[test]
fn replicas_have_a_default_so_that_a_scaler_can_read_them() {
    let root = root();
    let spec = root.properties.as_ref().unwrap()["spec"].properties.as_ref().unwrap().clone();
    assert_eq!(spec["replicas"].default.as_ref().unwrap().0, Value::from(1));
    assert_eq!(spec["type"].default.as_ref().unwrap().0, Value::from("Auto"));
    for optional in ["run", "http", "limits", "resources", "template", "capabilities"] {
        assert!(spec[optional].default.is_none(), "{optional}: absent must stay absent");
    }
}

/// The API server refuses a definition whose rule points nowhere.
#[test]
fn every_rule_points_at_a_field_that_is_there() {
    check_all("field paths", |schema, _, _| {
        schema.x_kubernetes_validations.iter().flatten().all(|rule| {
            let path = rule.field_path.as_deref().unwrap_or_default();
            let mut names = path.split('.').filter(|name| !name.is_empty());
            names.try_fold(schema, |schema, name| schema.properties.as_ref()?.get(name)).is_some()
        })
    });
}

#[test]
fn what_names_an_item_of_a_list_is_required_in_it() {
    check_all("list keys", |schema, _, _| {
        let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items else { return true };
        let keys = schema.x_kubernetes_list_map_keys.iter().flatten();
        keys.clone().all(|key| items.required.iter().flatten().any(|required| required == key))
    });
}

#[test]
fn every_default_keeps_the_bounds_of_its_field() {
    check_all("defaults", |schema, _, _| {
        let Some(default) = schema.default.as_ref().map(|default| &default.0) else { return true };
        let number = default.as_f64();
        let fits = number.is_none_or(|number| {
            schema.minimum.is_none_or(|min| min <= number) && schema.maximum.is_none_or(|max| number <= max)
        });
        let known = schema.enum_.as_ref().is_none_or(|words| words.iter().any(|word| word.0 == *default));
        fits && known && !default.is_null()
    });
}

#[test]
fn least_and_greatest_leave_something_between_them() {
    check_all("ranges", |schema, _, _| {
        let ordered = |least: Option<f64>, most: Option<f64>| {
            least.is_none_or(|least| most.is_none_or(|most| least < most))
        };
        let counts = [(schema.min_length, schema.max_length), (schema.min_items, schema.max_items)];
        ordered(schema.minimum, schema.maximum)
            && counts.into_iter().all(|(least, most)| least.is_none_or(|l| most.is_none_or(|m| l < m)))
    });
}

#[test]
fn what_a_morph_must_say_is_its_image_alone() {
    let root = root();
    let spec = &root.properties.as_ref().unwrap()["spec"];
    assert_eq!(spec.required.as_deref(), Some(&["image".to_owned()][..]));
    assert_eq!(root.required.as_deref(), Some(&["spec".to_owned()][..]));
}

/// `kubectl apply` keeps the whole object in an annotation, and all annotations share 256 KiB.
#[test]
fn the_definition_can_be_applied_by_kubectl() {
    let bytes = serde_json::to_vec(&definition()).unwrap().len();
    assert!(bytes < 200 << 10, "{bytes}");
}

#[test]
fn the_definition_is_the_same_each_time() {
    let text = || serde_json::to_string(&definition()).unwrap();
    assert_eq!(text(), text());
}

#[test]
fn a_version_is_served_and_stored_and_there_is_one() {
    let definition = definition();
    assert_eq!(
        (definition.spec.group.as_str(), definition.spec.scope.as_str()),
        (crate::GROUP, "Namespaced")
    );
    let versions: Vec<_> =
        definition.spec.versions.iter().map(|v| (v.name.as_str(), v.served, v.storage)).collect();
    assert_eq!(versions, [("v1alpha1", true, true)]);
    assert_eq!(definition.metadata.name.as_deref(), Some("morphs.hayride.dev"));
}
