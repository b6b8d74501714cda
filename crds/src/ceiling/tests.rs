//! Tests of the ceiling: each case through the twins and through the CEL of the admission policies; that no
//! field and no word is forgotten; that what is said stays short.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cel;
mod free;
mod words;

use super::*;
use crate::{Enforcement, MorphPolicy, bounds};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// One row of `cases.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    #[serde(default)]
    policy: Value,
    #[serde(default)]
    spec: Value,
    scale: Option<i32>,
    /// First words of each finding.
    #[serde(default)]
    refused: Vec<String>,
}

fn cases() -> Vec<Case> {
    serde_norway::from_str(include_str!("cases.yaml")).unwrap()
}

/// `over` laid over `base`.
fn laid(mut base: Value, over: &Value) -> Value {
    for (field, value) in over.as_object().into_iter().flatten() {
        base[field] = value.clone();
    }
    base
}

fn policy(over: &Value) -> MorphPolicySpec {
    let base = json!({ "images": { "prefixes": ["registry.example/acme"] } });
    serde_json::from_value(laid(base, over)).unwrap()
}

fn spec(over: &Value) -> MorphSpec {
    serde_json::from_value(laid(json!({ "image": "registry.example/acme/weather:1.0" }), over)).unwrap()
}

impl Case {
    fn policy(&self) -> MorphPolicySpec {
        policy(&self.policy)
    }

    fn spec(&self) -> MorphSpec {
        let spec = spec(&self.spec);
        MorphSpec { replicas: self.scale.unwrap_or(spec.replicas), ..spec }
    }
}

/// The policy as the API server has it.
fn stored(policy: &MorphPolicySpec) -> Value {
    serde_json::to_value(MorphPolicy::new("strict", policy.clone())).unwrap()
}

#[test]
fn each_case_is_answered_as_the_table_says() {
    for case in cases() {
        let found = findings(&case.policy(), &case.spec());
        assert_eq!(found.len(), case.refused.len(), "{}: {found:#?}", case.says);
        for (finding, begins) in found.iter().zip(&case.refused) {
            assert!(finding.starts_with(begins), "{}: {finding}", case.says);
        }
    }
}

#[test]
fn the_admission_policies_find_the_same() {
    for case in cases() {
        let (policy, spec) = (case.policy(), case.spec());
        let found = findings(&policy, &spec);
        let said = (!found.is_empty()).then(|| message("strict", &found));
        let answer = match case.scale {
            None => {
                let stored = (stored(&policy), serde_json::to_value(&spec).unwrap());
                assert_eq!(cel::findings(&stored.0, &stored.1), found, "{}", case.says);
                cel::answer(&ceiling_policy(), &stored.0, &stored.1)
            }
            Some(replicas) => {
                cel::answer(&scale_policy(), &stored(&policy), &json!({ "replicas": replicas }))
            }
        };
        assert_eq!(answer, said, "{}", case.says);
    }
}

#[test]
fn there_are_many_cases_and_each_says_something_of_its_own() {
    let says: std::collections::BTreeSet<_> = cases().into_iter().map(|case| case.says).collect();
    assert_eq!(says.len(), cases().len());
    assert!(says.len() >= 60, "{}", says.len());
}

#[test]
fn a_kind_that_no_vocabulary_knows_is_refused_whatever_the_policy_says() {
    let policy = policy(&json!({ "capabilities": { "logging": {} } }));
    let mut stored = stored(&policy);
    stored["spec"]["capabilities"]["teleport"] = json!({});
    let spec =
        laid(serde_json::to_value(spec(&json!({}))).unwrap(), &json!({ "capabilities": { "teleport": {} } }));
    assert_eq!(cel::findings(&stored, &spec), ["spec.capabilities: teleport (has no word in capabilities)"]);
}

#[test]
fn a_volume_of_a_kind_that_no_vocabulary_knows_is_refused() {
    let kinds = ["EmptyDir", "ConfigMap", "Secret", "DownwardAPI", "PersistentVolumeClaim"];
    let policy = policy(&json!({ "capabilities": { "filesystem": { "volumes": kinds } } }));
    for volume in [
        json!({ "name": "a", "tape": {} }),
        json!({ "name": "a", "projected": { "sources": [{ "tape": {} }] } }),
    ] {
        let spec = laid(serde_json::to_value(spec(&json!({}))).unwrap(), &json!({ "volumes": [volume] }));
        assert_eq!(cel::findings(&stored(&policy), &spec).len(), 1, "{spec}");
    }
}

/// The API server puts them in where nothing is said; were they absent for once, nothing may widen.
#[test]
fn a_morph_without_its_defaults_is_refused_and_not_let_through() {
    let policy = policy(&json!({ "capabilities": { "http": { "hosts": ["*"] } } }));
    let rule = json!({ "host": "api.example.com", "pathPrefixes": ["/"], "scheme": "HTTPS", "ports": [443] });
    let bare = json!({
        "image": "registry.example/acme/a:1", "type": "Auto", "replicas": 1,
        "capabilities": { "http": { "allow": [rule] } },
    });
    assert!(cel::tried(&ceiling_policy(), &stored(&policy), &bare).is_err());
}

#[test]
fn actions_are_what_the_policy_enforces() {
    assert_eq!(actions(Enforcement::Deny), ["Deny", "Audit"]);
    assert_eq!(actions(Enforcement::Warn), ["Warn", "Audit"]);
    assert_eq!(actions(Enforcement::Audit), ["Audit"]);
}

#[test]
fn only_a_change_of_the_spec_is_judged_and_doubt_refuses() {
    for policy in [ceiling_policy(), scale_policy(), unknown_policy()] {
        let spec = policy.spec.unwrap();
        assert_eq!(spec.failure_policy.as_deref(), Some("Fail"));
        let conditions = spec.match_conditions.unwrap();
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].expression, "oldObject == null || object.spec != oldObject.spec");
        let rules = spec.match_constraints.unwrap().resource_rules.unwrap();
        assert_eq!(rules[0].api_versions.as_deref(), Some(&["v1alpha1".to_owned()][..]), "types are checked");
        assert_eq!(rules[0].operations.as_ref().unwrap().len(), 2);
    }
}

#[test]
fn findings_beyond_three_are_counted() {
    let all: Vec<_> = (0..5).map(|i| format!("f{i}")).collect();
    assert_eq!(message("p", &all), "MorphPolicy p does not allow f0; f1; f2; and 2 more");
    assert_eq!(message("p", &all[..3]), "MorphPolicy p does not allow f0; f1; f2");
    assert_eq!(message("p", &all[..1]), "MorphPolicy p does not allow f0");
}

/// The API server drops a message of more than 5 KiB and shows the expression instead.
#[test]
fn the_longest_message_is_one_that_the_api_server_shows() {
    const MESSAGE_BYTES_MAX: usize = 5 * 1024;
    let name =
        |c: &str| format!("{}.{}", c.repeat(63), ["a".repeat(63), "b".repeat(63), "c".repeat(61)].join("."));
    let networks: Vec<_> = (0..8).map(|i| format!("{}{i}/128", "1111:".repeat(7) + "111")).collect();
    let rule = |c: &str| {
        json!({
            "host": name(c), "pathPrefixes": ["/"], "ports": (60_001..60_009).collect::<Vec<_>>(),
            "methods": ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"], "addresses": networks,
            "credential": { "header": "a", "secretKeyRef": { "name": name(c), "key": "k" } },
        })
    };
    let rules: Vec<_> = "abcdefghijklmnopqrstuvwxyz".chars().map(|c| rule(&c.to_string())).collect();
    let image = format!("{}/a:1", name("z"));
    let plug = |c: &str| {
        let name = c.repeat(bounds::PLUG_NAME_CHARS_MAX as usize);
        json!({ "name": name, "image": image, "capabilities": { "http": { "allow": rules } } })
    };
    let spec = spec(&json!({ "plugs": [plug("a"), plug("b"), plug("c")] }));
    let strict = policy(&json!({ "capabilities": { "http": { "hosts": ["*"], "methods": ["GET"] } } }));
    let mut found = findings(&strict, &spec);
    assert!(found.len() >= 4, "{found:#?}");
    found.sort_by_key(|finding| std::cmp::Reverse(finding.len()));
    let longest = message(&"p".repeat(bounds::LABEL_CHARS_MAX as usize), &found);
    assert!(longest.len() <= MESSAGE_BYTES_MAX, "{}", longest.len());
    assert!(longest.len() > MESSAGE_BYTES_MAX / 2, "{}", longest.len());
}

/// One field of a case's policy or spec with its value, by chance.
fn any_of(pick: fn(&Case) -> &Value) -> impl Strategy<Value = Value> {
    let all: Vec<(String, Value)> =
        cases().iter().filter_map(|case| pick(case).as_object().cloned()).flatten().collect();
    let count = all.len();
    prop::sample::subsequence(all, 0..count / 4).prop_shuffle().prop_map(|some| {
        some.into_iter().fold(json!({}), |whole, (field, value)| laid(whole, &json!({ field: value })))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn twins_and_admission_agree_on_what_no_case_brings_together(
        policy_of in any_of(|case| &case.policy),
        spec_of in any_of(|case| &case.spec),
    ) {
        let (policy, spec) = (policy(&policy_of), spec(&spec_of));
        let by_cel = cel::findings(&stored(&policy), &serde_json::to_value(&spec).unwrap());
        prop_assert_eq!(by_cel, findings(&policy, &spec));
    }

    #[test]
    fn what_a_policy_allows_a_policy_with_more_words_allows_too(
        spec_of in any_of(|case| &case.spec),
    ) {
        let registries =
            ["registry.example/", "evil.example/", "registry.example:5000/", "Registry.example/"];
        let all = json!({
            "images": { "prefixes": registries },
            "secretsInGuests": true, "serviceAccounts": ["weather"],
            "maxReplicas": 10_000, "maxConcurrency": 1024,
            "limits": { "memory": "4Gi", "cpuPerCallMillis": 86_400_000, "outputBytesPerSecond": "1Gi" },
            "capabilities": { "logging": {}, "keyvalue": { "maxBytes": "1Gi" } },
        });
        let fewer = findings(&policy(&json!({})), &spec(&spec_of));
        let more = findings(&policy(&all), &spec(&spec_of));
        prop_assert!(more.len() <= fewer.len(), "{:?} {:?}", more, fewer);
    }
}
