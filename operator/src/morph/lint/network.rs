//! What holds of every NetworkPolicy: it is about the Morph's pods in both directions, and opens nothing that
//! isn't named. That each workload has one is asked here as well.

use super::super::plan::{WORKLOADS, grant, names};
use super::super::{ChildKind, Identity, Object, Plan, Seen};
use super::{Broken, failed};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use morph_grant::{Grants, Peer};
use morph_oci::IpNet;
use std::collections::BTreeSet;

pub(super) fn problems(identity: &Identity, seen: &Seen, policy: &NetworkPolicy) -> Vec<String> {
    let spec = policy.spec.clone().unwrap_or_default();
    let (ingress, egress) = (spec.ingress.unwrap_or_default(), spec.egress.unwrap_or_default());
    let whole = &seen.morph.spec;
    // A pod has one network: what any part may reach, the pod may.
    let parts: Vec<_> = whole.parts().map(|part| grant::part_grants(whole, &part)).collect();
    let network = parts.iter().any(|grants| {
        let sockets = grants.sockets.as_ref();
        grants.http.is_some()
            || sockets.is_some_and(|sockets| !(sockets.connect.is_empty() && sockets.lookup.is_empty()))
    });
    let granted = parts.iter().flat_map(networks).collect();
    let both = spec.policy_types.as_deref() == Some(&["Ingress".to_owned(), "Egress".to_owned()]);
    let named = |ports: &Option<Vec<NetworkPolicyPort>>| {
        ports.as_ref().is_none_or(|ports| !ports.is_empty() && ports.iter().all(is_named))
    };
    let whom = |to: &Option<Vec<NetworkPolicyPeer>>| {
        to.as_ref().is_some_and(|to| !to.is_empty() && to.iter().all(|peer| is_somebody(peer, &granted)))
    };
    let open = |ports: &Option<Vec<NetworkPolicyPort>>, to: &Option<Vec<NetworkPolicyPeer>>| {
        ports.is_none() && to.iter().flatten().any(|peer| !is_service(peer))
    };
    failed(&[
        (spec.pod_selector == Some(names::selector(&identity.name)), "is about other pods than the Morph's"),
        (both, "leaves a direction open"),
        (ingress.iter().all(|rule| rule.ports.is_some() && named(&rule.ports)), "lets in on every port"),
        (network || egress.is_empty(), "lets out though nothing of the network is granted"),
        (egress.iter().all(|rule| whom(&rule.to)), "lets out to everybody"),
        (egress.iter().all(|rule| named(&rule.ports)), "lets out on ports that it doesn't name"),
        (egress.iter().all(|rule| !open(&rule.ports, &rule.to)), "lets out to addresses on every port"),
    ])
}

fn is_named(port: &NetworkPolicyPort) -> bool {
    port.port.is_some() && port.protocol.is_some() && port.end_port.is_none()
}

/// Networks that are granted in so many words.
fn networks(grants: &Grants) -> BTreeSet<&str> {
    let connect = grants.sockets.iter().flat_map(|sockets| &sockets.connect);
    let whole = connect.clone().filter_map(|rule| match &rule.peer {
        Peer::Cidr(network) => Some(network),
        Peer::Host(_) => None,
    });
    let rules = grants.http.iter().flat_map(|http| &http.allow);
    let addresses = rules.flat_map(|rule| &rule.addresses).chain(connect.flat_map(|rule| &rule.addresses));
    whole.chain(addresses).map(String::as_str).collect()
}

/// A network, or pods: an empty peer would be nobody for one plugin and everybody for another. The whole
/// internet is let out to without what in it isn't public, unless that is granted.
fn is_somebody(peer: &NetworkPolicyPeer, granted: &BTreeSet<&str>) -> bool {
    let block = peer.ip_block.as_ref();
    let bounded = block.is_none_or(|block| {
        let network = block.cidr.parse::<IpNet>().ok();
        let public =
            morph_grant::special::public_networks().into_iter().find(|(public, _)| Some(*public) == network);
        let excepts = block.except.as_ref().map_or(0, Vec::len);
        granted.contains(block.cidr.as_str())
            || network.is_some() && public.is_none_or(|(_, except)| except.len() == excepts)
    });
    bounded && block.is_some() != peer.namespace_selector.is_some()
}

/// Services' pods, of which the port isn't known.
fn is_service(peer: &NetworkPolicyPeer) -> bool {
    peer.namespace_selector.is_some() && peer.pod_selector.is_none()
}

/// Workloads of a plan without their fence.
pub(super) fn unfenced(plan: &Plan, seen: &Seen) -> Vec<Broken> {
    let position = |wanted: &dyn Fn(&Object) -> bool| plan.apply.iter().position(wanted);
    let policy = position(&|object| object.kind() == ChildKind::NetworkPolicy);
    let workload = position(&|object| WORKLOADS.contains(&object.kind()));
    let (Some(workload), Some(_)) = (workload, &seen.fence) else { return Vec::new() };
    if policy.is_some_and(|policy| policy < workload) {
        return Vec::new();
    }
    let object = &plan.apply[workload];
    let object = format!("{} {}", object.kind().as_str(), object.name());
    vec![Broken { object, problem: "is applied without or before its NetworkPolicy".to_owned() }]
}
