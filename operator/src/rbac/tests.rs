//! Tests of the table of rights: what must never be in it, and that nothing outside of it is allowed.

use super::*;
use morph_crds::GROUP;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn no_secret_can_be_asked_for() {
    for right in TABLE {
        let words = [right.resource, right.group].into_iter().chain(right.verbs.iter().copied());
        for word in words {
            assert!(!word.contains('*') && word != "secrets", "{right:?}");
        }
    }
    for verb in ["get", "list", "watch"] {
        for scope in [Scope::Own, Scope::Node, Scope::Cluster] {
            assert!(!allows(scope, "", "secrets", verb, None));
            assert!(!allows(scope, "", "secrets", verb, Some("morph-signing-keys")));
        }
    }
}

#[test]
fn no_right_lets_rights_grow() {
    for right in TABLE {
        assert!(!right.group.contains("rbac"), "{right:?}");
        // Bindings alone: what they bind is the chart's.
        let admission = right.group.contains("admission");
        assert!(!admission || right.resource == "validatingadmissionpolicybindings", "{right:?}");
        for verb in ["escalate", "bind", "impersonate", "deletecollection"] {
            assert!(!right.verbs.contains(&verb), "{right:?}");
        }
        assert!(!["pods/exec", "serviceaccounts/token", "nodes"].contains(&right.resource), "{right:?}");
    }
}

#[test]
fn each_resource_stands_there_once_and_says_why() {
    let all: BTreeSet<_> = TABLE.iter().map(|right| (right.group, right.resource)).collect();
    assert_eq!(all.len(), TABLE.len());
    assert!(TABLE.iter().all(|right| !right.reason.is_empty() && !right.verbs.is_empty()));
}

#[test]
fn the_lease_is_in_the_own_namespace_alone() {
    assert!(allows(Scope::Own, "coordination.k8s.io", "leases", "update", Some("morph-operator")));
    assert!(!allows(Scope::Cluster, "coordination.k8s.io", "leases", "update", Some("morph-operator")));
    assert_eq!(own_namespace_rules().len(), 1);
    assert_eq!(rules().len(), TABLE.len() - 2);
}

#[test]
fn one_map_in_the_agents_namespace_is_written_and_no_other() {
    for verb in ["get", "create", "patch"] {
        assert!(allows(Scope::Node, "", "configmaps", verb, Some("morph-trusted-keys")));
        assert!(!allows(Scope::Node, "", "configmaps", verb, Some("other")));
        assert!(!allows(Scope::Node, "", "configmaps", verb, None));
        for scope in [Scope::Own, Scope::Cluster] {
            assert!(!allows(scope, "", "configmaps", verb, Some("morph-trusted-keys")));
        }
    }
    assert_eq!(node_namespace_rules().len(), 1);
}

#[test]
fn a_ceiling_can_be_read_and_not_written() {
    for (group, resource) in [("", "namespaces"), (GROUP, "morphpolicies")] {
        for verb in ["get", "list", "watch"] {
            assert!(allows(Scope::Cluster, group, resource, verb, Some("default")), "{verb} {resource}");
        }
        for verb in ["create", "update", "patch", "delete"] {
            assert!(!allows(Scope::Own, group, resource, verb, Some("default")), "{verb} {resource}");
        }
    }
}

/// Whether a call is within the rules as the chart has them, read as the API server reads them.
fn rules_allow(rules: &[PolicyRule], group: &str, resource: &str, verb: &str, name: Option<&str>) -> bool {
    let has = |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|one| one == word);
    rules.iter().any(|rule| {
        has(&rule.api_groups, group)
            && has(&rule.resources, resource)
            && rule.verbs.iter().any(|one| one == verb)
            && rule
                .resource_names
                .as_ref()
                .is_none_or(|names| name.is_some_and(|name| names.iter().any(|one| one == name)))
    })
}

const VERBS: [&str; 10] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "*"];

fn any_call() -> impl Strategy<Value = (&'static str, &'static str, &'static str, Option<&'static str>)> {
    let mut groups: Vec<_> = TABLE.iter().map(|right| right.group).collect();
    groups.extend(["rbac.authorization.k8s.io", "*", "node.k8s.io"]);
    let mut resources: Vec<_> = TABLE.iter().map(|right| right.resource).collect();
    resources.extend(["secrets", "nodes", "pods/exec", "pods/log", "*", "clusterroles", "morphs/scale"]);
    let names = vec![None, Some("kube-system"), Some("default"), Some("hello"), Some("morph-trusted-keys")];
    (
        prop::sample::select(groups),
        prop::sample::select(resources),
        prop::sample::select(VERBS.to_vec()),
        prop::sample::select(names),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_chart_allows_exactly_what_the_table_does((group, resource, verb, name) in any_call()) {
        let cluster = rules_allow(&rules(), group, resource, verb, name);
        prop_assert_eq!(cluster, allows(Scope::Cluster, group, resource, verb, name));
        let node = cluster || rules_allow(&node_namespace_rules(), group, resource, verb, name);
        prop_assert_eq!(node, allows(Scope::Node, group, resource, verb, name));
        let own = cluster || rules_allow(&own_namespace_rules(), group, resource, verb, name);
        prop_assert_eq!(own, allows(Scope::Own, group, resource, verb, name));
    }
}

#[test]
fn a_rule_of_the_chart_has_no_wildcard_and_no_path() {
    for rule in rules().iter().chain(&own_namespace_rules()).chain(&node_namespace_rules()) {
        assert_eq!(rule.non_resource_urls, None);
        let words = [&rule.api_groups, &rule.resources].into_iter().flatten().flatten().chain(&rule.verbs);
        assert!(words.clone().all(|word| !word.contains('*')), "{rule:?}");
        assert!(!rule.verbs.is_empty(), "{rule:?}");
    }
}

#[test]
fn what_people_write_is_never_written_by_the_operator() {
    for verb in ["create", "update", "patch", "delete", "deletecollection"] {
        for resource in ["morphs", "morphs/scale"] {
            assert!(!allows(Scope::Own, GROUP, resource, verb, Some("hello")), "{verb} {resource}");
        }
        for resource in ["configmaps", "secrets", "persistentvolumeclaims", "namespaces"] {
            assert!(!allows(Scope::Own, "", resource, verb, Some("hello")), "{verb} {resource}");
        }
    }
}
