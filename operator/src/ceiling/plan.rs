//! Which bindings there shall be for the policies that there are. Pure.
//!
//! A namespace without the label is bound by the policy named `default`, if there is one. A namespace whose
//! label names no policy is refused everything: a selector can't ask whether a name exists, so that binding
//! lists the names that do.

use morph_crds::ceiling::{CEILING_POLICY, SCALE_POLICY, UNKNOWN_POLICY, actions};
use morph_crds::{Enforcement, POLICY_DEFAULT, POLICY_LABEL};
use serde_json::{Value, json};

/// Label of the bindings that are ours.
pub const BINDING_LABEL: &str = "hayride.dev/ceiling";

/// Most policies that are bound; namespaces that choose further ones are refused everything, as if they
/// didn't exist. The list of names stands in one object, and each binding is asked at each change of a Morph.
pub const POLICIES_MAX: usize = 256;

/// A MorphPolicy as its bindings need it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// Its name: a DNS label.
    pub name: String,
    /// What is done with what it refuses.
    pub enforcement: Enforcement,
}

/// All bindings for these policies, in the order in which they are written: a policy binds before its name is
/// taken off the list of those that are unknown.
#[must_use]
pub fn wanted(policies: &[Bound]) -> Vec<Value> {
    let mut policies = policies.to_vec();
    policies.sort();
    policies.truncate(POLICIES_MAX);
    let mut bindings = Vec::new();
    for policy in &policies {
        let chosen = json!({ "key": POLICY_LABEL, "operator": "In", "values": [policy.name] });
        bindings.extend(both(policy, &format!("policy-{}", policy.name), &chosen));
        if policy.name == POLICY_DEFAULT {
            let unlabelled = json!({ "key": POLICY_LABEL, "operator": "DoesNotExist" });
            bindings.extend(both(policy, "unlabelled", &unlabelled));
        }
    }
    bindings.push(unknown(&policies));
    bindings
}

/// The two bindings of a policy to namespaces: of Morphs and of their scale.
fn both(policy: &Bound, name: &str, namespaces: &Value) -> [Value; 2] {
    [CEILING_POLICY, SCALE_POLICY].map(|admission| {
        let spec = json!({
            "policyName": admission,
            "paramRef": { "name": policy.name, "parameterNotFoundAction": "Deny" },
            "validationActions": actions(policy.enforcement),
            "matchResources": { "namespaceSelector": { "matchExpressions": [namespaces] } },
        });
        binding(&format!("{name}.{admission}"), &spec)
    })
}

/// Refuses in namespaces whose label has another value than these policies' names.
fn unknown(policies: &[Bound]) -> Value {
    let mut namespaces = vec![json!({ "key": POLICY_LABEL, "operator": "Exists" })];
    if !policies.is_empty() {
        let names: Vec<_> = policies.iter().map(|policy| policy.name.as_str()).collect();
        namespaces.push(json!({ "key": POLICY_LABEL, "operator": "NotIn", "values": names }));
    }
    let spec = json!({
        "policyName": UNKNOWN_POLICY,
        "validationActions": actions(Enforcement::Deny),
        "matchResources": { "namespaceSelector": { "matchExpressions": namespaces } },
    });
    binding(UNKNOWN_POLICY, &spec)
}

fn binding(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name, "labels": { (BINDING_LABEL): "true" } },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests;
