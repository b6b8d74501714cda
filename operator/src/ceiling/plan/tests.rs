//! Tests of which bindings there shall be: for each namespace, whatever its label, exactly what its policy
//! says.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn bound(name: &str, enforcement: Enforcement) -> Bound {
    Bound { name: name.into(), enforcement }
}

/// Whether a namespace with this label is selected, as Kubernetes reads a selector: `NotIn` holds of those
/// without the label, too.
fn selects(binding: &Value, label: Option<&str>) -> bool {
    let selector = &binding["spec"]["matchResources"]["namespaceSelector"];
    assert_eq!(selector.as_object().unwrap().len(), 1, "{selector}");
    selector["matchExpressions"].as_array().unwrap().iter().all(|term| {
        assert_eq!(term["key"], POLICY_LABEL);
        let among = |label: &str| term["values"].as_array().unwrap().iter().any(|value| value == label);
        match term["operator"].as_str().unwrap() {
            "In" => label.is_some_and(among),
            "NotIn" => !label.is_some_and(among),
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            other => panic!("{other}"),
        }
    })
}

/// Which admission policy holds a namespace against which MorphPolicy, and with what end.
fn answers(policies: &[Bound], label: Option<&str>) -> Vec<(String, Option<String>, String)> {
    let all = wanted(policies);
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let mut found: Vec<_> = all
        .iter()
        .filter(|binding| selects(binding, label))
        .map(|binding| {
            let spec = &binding["spec"];
            let first = text(&spec["validationActions"][0]).unwrap();
            (text(&spec["policyName"]).unwrap(), text(&spec["paramRef"]["name"]), first)
        })
        .collect();
    found.sort();
    found
}

/// Both admission policies hold it against this one.
fn both_by(name: &str, action: &str) -> Vec<(String, Option<String>, String)> {
    let by = |policy: &str| (policy.to_owned(), Some(name.to_owned()), action.to_owned());
    vec![by(SCALE_POLICY), by(CEILING_POLICY)]
}

fn refused() -> Vec<(String, Option<String>, String)> {
    vec![(UNKNOWN_POLICY.to_owned(), None, "Deny".to_owned())]
}

#[test]
fn before_any_policy_is_known_every_label_is_refused_and_no_label_is_free() {
    assert_eq!(answers(&[], Some("strict")), refused());
    assert_eq!(answers(&[], Some("")), refused());
    assert_eq!(answers(&[], None), []);
}

#[test]
fn a_label_chooses_its_policy_and_an_unknown_one_is_refused() {
    let policies = [bound("strict", Enforcement::Deny), bound("loose", Enforcement::Warn)];
    assert_eq!(answers(&policies, Some("strict")), both_by("strict", "Deny"));
    assert_eq!(answers(&policies, Some("loose")), both_by("loose", "Warn"));
    assert_eq!(answers(&policies, Some("other")), refused());
    assert_eq!(answers(&policies, None), []);
}

#[test]
fn the_default_policy_is_that_of_namespaces_without_the_label() {
    let policies = [bound("default", Enforcement::Audit), bound("strict", Enforcement::Deny)];
    assert_eq!(answers(&policies, None), both_by("default", "Audit"));
    assert_eq!(answers(&policies, Some("default")), both_by("default", "Audit"));
    assert_eq!(answers(&policies, Some("strict")), both_by("strict", "Deny"));
}

#[test]
fn a_policy_that_is_gone_while_its_binding_is_not_refuses() {
    for binding in wanted(&[bound("default", Enforcement::Deny)]) {
        let reference = &binding["spec"]["paramRef"];
        assert!(reference.is_null() || reference["parameterNotFoundAction"] == "Deny", "{binding:#}");
    }
}

#[test]
fn no_policys_name_makes_the_name_of_another_binding() {
    let names = ["default", "unknown", "unlabelled", "ceiling", "policy", "policy-default", "ceiling-scale"];
    let policies: Vec<_> = names.iter().map(|name| bound(name, Enforcement::Deny)).collect();
    let all = wanted(&policies);
    let distinct: BTreeSet<_> = all.iter().map(|binding| binding["metadata"]["name"].to_string()).collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(all.len(), names.len() * 2 + 2 + 1);
    assert!(all.iter().all(|binding| binding["metadata"]["labels"][BINDING_LABEL] == "true"));
}

#[test]
fn a_policy_binds_before_its_name_is_taken_off_the_list_of_the_unknown() {
    let all = wanted(&[bound("a", Enforcement::Deny), bound("default", Enforcement::Deny)]);
    assert_eq!(all.last().unwrap()["metadata"]["name"], UNKNOWN_POLICY);
}

#[test]
fn policies_beyond_the_most_are_as_good_as_unknown() {
    let policies: Vec<_> =
        (0..=POLICIES_MAX).map(|i| bound(&format!("p{i:03}"), Enforcement::Warn)).collect();
    assert_eq!(wanted(&policies).len(), POLICIES_MAX * 2 + 1);
    assert_eq!(answers(&policies, Some(&policies[POLICIES_MAX].name)), refused());
    assert_eq!(answers(&policies, Some(&policies[0].name)), both_by("p000", "Warn"));
}

fn any_policies() -> impl Strategy<Value = BTreeMap<String, Enforcement>> {
    let words = prop::sample::select(vec![Enforcement::Deny, Enforcement::Warn, Enforcement::Audit]);
    prop::collection::btree_map("default|[a-d]", words, 0..5)
}

proptest! {
    #[test]
    fn each_namespace_has_one_answer(
        policies in any_policies(),
        label in prop::option::of("default|[a-e]"),
    ) {
        let list: Vec<_> = policies.iter().map(|(name, word)| bound(name, *word)).collect();
        let found = answers(&list, label.as_deref());
        let name = label.clone().unwrap_or_else(|| POLICY_DEFAULT.to_owned());
        match (policies.get(&name), label) {
            (Some(word), _) => prop_assert_eq!(found, both_by(&name, &actions(*word)[0])),
            (None, Some(_)) => prop_assert_eq!(found, refused()),
            (None, None) => prop_assert_eq!(found, vec![]),
        }
    }

    #[test]
    fn the_order_of_policies_changes_nothing(policies in any_policies()) {
        let list: Vec<_> = policies.iter().map(|(name, word)| bound(name, *word)).collect();
        let turned: Vec<_> = list.iter().rev().cloned().collect();
        prop_assert_eq!(wanted(&list), wanted(&turned));
    }
}
