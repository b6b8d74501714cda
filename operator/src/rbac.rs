//! What the operator may ask of the API server: one table; the chart's rules are made from it. A test plays
//! the operator's whole life against a server that refuses everything else, and wants each line used.

use crate::signing::CONFIG_MAP;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde::Serialize;

/// Where a right holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace.
    Cluster,
    /// In the operator's own namespace.
    Own,
    /// In the namespace of the nodes' agents.
    Node,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Resource, with its subresource after a slash.
    pub resource: &'static str,
    /// What is done with it.
    pub verbs: &'static [&'static str],
    /// To objects of these names alone; empty for all.
    pub names: &'static [&'static str],
    /// Where.
    pub scope: Scope,
    /// Why.
    pub reason: &'static str,
}

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    reason: &'static str,
) -> Right {
    Right { group, resource, verbs, names: &[], scope: Scope::Cluster, reason }
}

/// What is done with objects of ours. An apply that makes an object takes both patch and create.
const OWNED: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// The same of what is found by label alone, since its name holds a hash.
const FOUND: &[&str] = &["list", "watch", "create", "patch", "delete"];

/// Every right. There is no Secret in it, and none is asked for by any other name.
pub const TABLE: &[Right] = &[
    right("hayride.dev", "morphs", &["get", "list", "watch"], "what people write"),
    right("hayride.dev", "morphpolicies", &["get", "list", "watch"], "the ceilings of namespaces"),
    right("hayride.dev", "morphs/status", &["patch"], "what was found and done"),
    right(
        "hayride.dev",
        "morphs/finalizers",
        &["update"],
        "blockOwnerDeletion, where the API server asks for it (OwnerReferencesPermissionEnforcement)",
    ),
    right("", "serviceaccounts", OWNED, "the pods' own account"),
    right("networking.k8s.io", "networkpolicies", OWNED, "whom the pods reach and who reaches them"),
    right("", "services", OWNED, "where a Server answers"),
    right("apps", "deployments", OWNED, "a Server's pods"),
    right("batch", "jobs", FOUND, "a Command's run"),
    right("batch", "cronjobs", OWNED, "a Command's runs by the clock"),
    right("apps", "replicasets", &["list", "delete"], "the sweep: what lost its Morph"),
    right(
        "",
        "pods",
        &["get", "list", "create", "patch", "delete"],
        "looking at images that only a node can pull; the sweep: what lost its Morph; whose pod a denial is of",
    ),
    right("authentication.k8s.io", "tokenreviews", &["create"], "which node's agent reports a denial"),
    right("events.k8s.io", "events", &["create"], "changes of conditions, and denials"),
    right(
        "",
        "namespaces",
        &["get", "list", "watch"],
        "their labels choose ceilings; kube-system's uid tells clusters apart in grant documents",
    ),
    right(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        &["list", "create", "patch", "delete"],
        "bind each ceiling to the namespaces that choose it",
    ),
    Right {
        scope: Scope::Own,
        ..right("coordination.k8s.io", "leases", &["get", "create", "update"], "leader election")
    },
    Right {
        scope: Scope::Node,
        names: &[CONFIG_MAP],
        ..right("", "configmaps", &["get", "create", "patch"], "public keys, for the nodes")
    },
];

/// Rights that no call of ours uses: the API server asks for them on its own.
pub const NEVER_CALLED: &[(&str, &str)] = &[("morphs/finalizers", "update")];

/// The rules as the chart's file has them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Of the operator's ClusterRole.
    pub rules: Vec<PolicyRule>,
    /// Of its Role in its own namespace.
    pub own_namespace_rules: Vec<PolicyRule>,
    /// Of its Role in the namespace of the nodes' agents.
    pub node_namespace_rules: Vec<PolicyRule>,
}

/// What `charts/morph/files/rbac-rules.yaml` is made from.
#[must_use]
pub fn file() -> Rules {
    Rules {
        rules: rules(),
        own_namespace_rules: own_namespace_rules(),
        node_namespace_rules: node_namespace_rules(),
    }
}

/// The rules of the operator's ClusterRole.
#[must_use]
pub fn rules() -> Vec<PolicyRule> {
    of(Scope::Cluster)
}

/// The rules of the operator's Role in its own namespace.
#[must_use]
pub fn own_namespace_rules() -> Vec<PolicyRule> {
    of(Scope::Own)
}

/// The rules of the operator's Role in the namespace of the nodes' agents.
#[must_use]
pub fn node_namespace_rules() -> Vec<PolicyRule> {
    of(Scope::Node)
}

fn of(scope: Scope) -> Vec<PolicyRule> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let rule = |right: &Right| PolicyRule {
        api_groups: Some(vec![right.group.to_owned()]),
        resources: Some(vec![right.resource.to_owned()]),
        resource_names: (!right.names.is_empty()).then(|| owned(right.names)),
        verbs: owned(right.verbs),
        ..PolicyRule::default()
    };
    TABLE.iter().filter(|right| right.scope == scope).map(rule).collect()
}

/// Whether a call is within the table.
#[must_use]
pub fn allows(scope: Scope, group: &str, resource: &str, verb: &str, name: Option<&str>) -> bool {
    TABLE.iter().any(|right| {
        (right.scope == Scope::Cluster || right.scope == scope)
            && right.group == group
            && right.resource == resource
            && right.verbs.contains(&verb)
            && (right.names.is_empty() || name.is_some_and(|name| right.names.contains(&name)))
    })
}

#[cfg(test)]
mod tests;
