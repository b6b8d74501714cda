//! Who may report, and of which pod: the API server's answers against what was claimed. Pure.

use super::AUDIENCE;
use crate::morph::{MORPH_UID_LABEL, RUNTIME_CLASS};
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use morph_crds::MORPH_LABEL;
use morph_grant::DenialReport;

/// What a token that is bound to a pod says of its node (KEP-4193).
pub const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// Why a token isn't an agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAgent {
    /// The API server doesn't know it.
    #[error("the token is not valid")]
    Unauthenticated,
    /// It is meant for somebody else.
    #[error("the token is not for audience {AUDIENCE}")]
    Audience,
    /// It is another account's.
    #[error("the token is not of the nodes' agent")]
    Account,
    /// It isn't bound to a pod on a node.
    #[error("the token names no node")]
    NoNode,
}

/// The node whose agent has this token.
///
/// # Errors
/// It is no agent's; which of the four, in this order.
pub fn node(status: &TokenReviewStatus, account: &str) -> Result<String, NoAgent> {
    if status.authenticated != Some(true) {
        return Err(NoAgent::Unauthenticated);
    }
    if !status.audiences.iter().flatten().any(|audience| audience == AUDIENCE) {
        return Err(NoAgent::Audience);
    }
    let user = status.user.as_ref().ok_or(NoAgent::Account)?;
    if user.username.as_deref() != Some(account) {
        return Err(NoAgent::Account);
    }
    match user.extra.as_ref().and_then(|extra| extra.get(NODE_NAME)).map(Vec::as_slice) {
        Some([node]) if !node.is_empty() => Ok(node.clone()),
        _ => Err(NoAgent::NoNode),
    }
}

/// The name by which the API server knows the agents' ServiceAccount.
#[must_use]
pub fn account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Why a report isn't about a pod of ours on that node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoPod {
    /// There is no such pod, or another of its name.
    #[error("there is no such pod")]
    Unknown,
    /// It runs elsewhere.
    #[error("the pod is on another node")]
    Node,
    /// It is no Morph's, or another's.
    #[error("the pod is not that Morph's")]
    Morph,
}

/// The Morph whose pod it is.
///
/// # Errors
/// The pod isn't what the report says.
pub fn morph(pod: &Pod, report: &DenialReport, node: &str) -> Result<ObjectReference, NoPod> {
    if pod.metadata.uid.as_deref() != Some(&report.pod_uid) {
        return Err(NoPod::Unknown);
    }
    let spec = pod.spec.as_ref().ok_or(NoPod::Node)?;
    if spec.node_name.as_deref() != Some(node) {
        return Err(NoPod::Node);
    }
    let label = |name: &str| pod.metadata.labels.as_ref()?.get(name);
    let ours = spec.runtime_class_name.as_deref() == Some(RUNTIME_CLASS);
    let name = label(MORPH_LABEL).filter(|name| !name.is_empty()).ok_or(NoPod::Morph)?;
    if !ours || label(MORPH_UID_LABEL) != Some(&report.morph_uid) {
        return Err(NoPod::Morph);
    }
    Ok(ObjectReference {
        api_version: Some(format!("{}/v1alpha1", morph_crds::GROUP)),
        kind: Some("Morph".to_owned()),
        name: Some(name.clone()),
        namespace: Some(report.namespace.clone()),
        uid: Some(report.morph_uid.clone()),
        ..ObjectReference::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    const ACCOUNT: &str = "system:serviceaccount:morph-node:morph-node";

    fn review() -> Value {
        json!({
            "authenticated": true, "audiences": [AUDIENCE],
            "user": { "username": ACCOUNT, "extra": { (NODE_NAME): ["n1"] } },
        })
    }

    fn judged(change: impl FnOnce(&mut Value)) -> Result<String, NoAgent> {
        let mut value = review();
        change(&mut value);
        node(&serde_json::from_value(value).unwrap(), ACCOUNT)
    }

    #[test]
    fn an_agents_token_names_its_node() {
        assert_eq!(judged(|_| {}), Ok("n1".to_owned()));
        assert_eq!(account("morph-node", "morph-node"), ACCOUNT);
    }

    #[test]
    fn another_token_is_refused_by_what_it_lacks() {
        for (field, value, want) in [
            ("/authenticated", json!(false), NoAgent::Unauthenticated),
            ("/authenticated", json!(null), NoAgent::Unauthenticated),
            ("/audiences", json!(["https://kubernetes.default.svc"]), NoAgent::Audience),
            ("/audiences", json!([]), NoAgent::Audience),
            ("/audiences", json!(null), NoAgent::Audience),
            ("/user", json!(null), NoAgent::Account),
            ("/user/username", json!("system:serviceaccount:demo:morph-node"), NoAgent::Account),
            ("/user/username", json!("system:serviceaccount:morph-node:default"), NoAgent::Account),
            ("/user/username", json!("system:admin"), NoAgent::Account),
            ("/user/extra", json!(null), NoAgent::NoNode),
            ("/user/extra", json!({ NODE_NAME: [] }), NoAgent::NoNode),
            ("/user/extra", json!({ NODE_NAME: [""] }), NoAgent::NoNode),
            ("/user/extra", json!({ NODE_NAME: ["n1", "n2"] }), NoAgent::NoNode),
        ] {
            let found = judged(|review| *review.pointer_mut(field).unwrap() = value.clone());
            assert_eq!(found, Err(want), "{field} = {value}");
        }
    }

    fn report() -> DenialReport {
        DenialReport {
            namespace: "demo".into(),
            pod: "weather-1".into(),
            pod_uid: "pod-uid".into(),
            morph_uid: "morph-uid".into(),
            capability: "http".into(),
            rule: "host".into(),
            detail: String::new(),
        }
    }

    fn pod() -> Value {
        json!({
            "metadata": {
                "name": "weather-1", "namespace": "demo", "uid": "pod-uid",
                "labels": { (MORPH_LABEL): "weather", (MORPH_UID_LABEL): "morph-uid" },
            },
            "spec": { "nodeName": "n1", "runtimeClassName": "morph", "containers": [] },
        })
    }

    #[test]
    fn a_pod_of_ours_leads_to_its_morph() {
        let about = morph(&serde_json::from_value(pod()).unwrap(), &report(), "n1").unwrap();
        assert_eq!(about.name.as_deref(), Some("weather"));
        assert_eq!((about.namespace.as_deref(), about.uid.as_deref()), (Some("demo"), Some("morph-uid")));
        assert_eq!(about.kind.as_deref(), Some("Morph"));
    }

    #[test]
    fn a_pod_that_is_not_what_the_report_says_is_refused() {
        for (field, value, want) in [
            ("/metadata/uid", json!("another"), NoPod::Unknown),
            ("/metadata/uid", json!(null), NoPod::Unknown),
            ("/spec/nodeName", json!("n2"), NoPod::Node),
            ("/spec/nodeName", json!(null), NoPod::Node),
            ("/spec/runtimeClassName", json!(null), NoPod::Morph),
            ("/spec/runtimeClassName", json!("runc"), NoPod::Morph),
            ("/metadata/labels", json!(null), NoPod::Morph),
            ("/metadata/labels", json!({ MORPH_LABEL: "weather" }), NoPod::Morph),
            ("/metadata/labels", json!({ MORPH_UID_LABEL: "morph-uid" }), NoPod::Morph),
            ("/metadata/labels", json!({ MORPH_LABEL: "weather", MORPH_UID_LABEL: "other" }), NoPod::Morph),
        ] {
            let mut changed = pod();
            *changed.pointer_mut(field).unwrap() = value.clone();
            let found = morph(&serde_json::from_value(changed).unwrap(), &report(), "n1");
            assert_eq!(found, Err(want), "{field} = {value}");
        }
    }
}
