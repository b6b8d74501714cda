//! The NetworkPolicy of a Morph, from the same list as its grant. An outer fence, outside of our code: it
//! knows no host names, and whether it holds is the network plugin's business.

use super::{names, pod};
use crate::morph::fence::{Dns, Fence};
use crate::morph::validate::Valid;
use core::net::IpAddr;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use morph_crds::RunType;
use morph_grant::{Document, Grants, Peer, Protocol};
use morph_oci::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The label that every namespace has of its name.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Ends of the names of a cluster's Services.
const SERVICE_SUFFIXES: [&str; 2] = [".svc.cluster.local", ".svc"];

/// Both directions: what no rule allows is refused, and of a direction without a rule that is all.
pub(super) fn network_policy(valid: &Valid, fence: &Fence) -> NetworkPolicy {
    NetworkPolicy {
        metadata: names::metadata(&valid.identity, &valid.identity.name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(names::selector(&valid.identity.name)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: ingress(valid),
            egress: egress(&valid.document, fence),
        }),
    }
}

/// From anywhere, to the ports that are served.
fn ingress(valid: &Valid) -> Option<Vec<NetworkPolicyIngressRule>> {
    let mut ports = Vec::new();
    if valid.found.runs == RunType::Server {
        // By name, as the Service: pods of two ports answer while a change of the port rolls out.
        let name = IntOrString::String(pod::PORT.to_owned());
        ports.push(NetworkPolicyPort { port: Some(name), ..port(Protocol::Tcp, 0) });
    }
    let listens: BTreeSet<_> = grants(&valid.document)
        .filter_map(|grants| grants.sockets.as_ref())
        .flat_map(|sockets| sockets.listen.iter().map(|listen| (listen.protocol, listen.port)))
        .collect();
    ports.extend(listens.into_iter().map(|(protocol, number)| port(protocol, number)));
    let rule = |ports| NetworkPolicyIngressRule { ports: Some(ports), from: None };
    (!ports.is_empty()).then(|| vec![rule(ports)])
}

fn egress(document: &Document, fence: &Fence) -> Option<Vec<NetworkPolicyEgressRule>> {
    let mut reach = Reach::default();
    for grants in grants(document) {
        reach.add(grants);
    }
    let dns = reach.looks_up.then(|| dns(&fence.dns));
    let rules: Vec<_> = dns.into_iter().chain(reach.rules()).collect();
    (!rules.is_empty()).then_some(rules)
}

fn grants(document: &Document) -> impl Iterator<Item = &Grants> {
    document.components.iter().map(|component| &component.grants)
}

/// Where a rule's host is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Somewhere outside.
    Public,
    /// In this network.
    Network(IpNet),
    /// A Service of this namespace; of any without one.
    Cluster(Option<String>),
}

type Ports = BTreeSet<(Protocol, u16)>;

/// All that is granted, by place.
#[derive(Default)]
struct Reach {
    looks_up: bool,
    places: BTreeMap<Place, Ports>,
}

impl Reach {
    fn add(&mut self, grants: &Grants) {
        for rule in grants.http.iter().flat_map(|http| &http.allow) {
            self.host(&rule.host, Protocol::Tcp, &rule.ports, &rule.addresses);
        }
        let Some(sockets) = &grants.sockets else { return };
        self.looks_up |= !sockets.lookup.is_empty();
        for rule in &sockets.connect {
            match &rule.peer {
                Peer::Host(host) => self.host(host, rule.protocol, &rule.ports, &rule.addresses),
                Peer::Cidr(network) => self.network(network, rule.protocol, &rule.ports),
            }
        }
    }

    fn host(&mut self, host: &str, protocol: Protocol, ports: &[u16], addresses: &[String]) {
        let place = place(host);
        self.looks_up |= !matches!(place, Some(Place::Network(_)));
        if let Some(place) = place {
            self.place(place, protocol, ports);
        }
        for network in addresses {
            self.network(network, protocol, ports);
        }
    }

    /// A text that is no network was refused before; nothing is allowed for one.
    fn network(&mut self, network: &str, protocol: Protocol, ports: &[u16]) {
        if let Ok(network) = network.parse() {
            self.place(Place::Network(network), protocol, ports);
        }
    }

    fn place(&mut self, place: Place, protocol: Protocol, ports: &[u16]) {
        // A Service's port is not its pods', and most plugins see the pods': of a namespace every port is
        // open, or the granted one would be shut.
        let ports = if matches!(place, Place::Cluster(_)) { &[] } else { ports };
        self.places.entry(place).or_default().extend(ports.iter().map(|port| (protocol, *port)));
    }

    /// One rule for all places with the same ports.
    fn rules(self) -> Vec<NetworkPolicyEgressRule> {
        let mut by_ports: BTreeMap<Ports, Vec<NetworkPolicyPeer>> = BTreeMap::new();
        for (place, ports) in self.places {
            by_ports.entry(ports).or_default().extend(peers(&place));
        }
        let rule = |(ports, peers): (Ports, Vec<NetworkPolicyPeer>)| NetworkPolicyEgressRule {
            ports: (!ports.is_empty())
                .then(|| ports.into_iter().map(|(p, number)| port(p, number)).collect()),
            to: Some(peers),
        };
        by_ports.into_iter().map(rule).collect()
    }
}

/// None for an address that doesn't parse, which was refused before.
fn place(host: &str) -> Option<Place> {
    if morph_grant::is_address(host) {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        return address.ok().map(|address: IpAddr| Place::Network(address.into()));
    }
    let service = SERVICE_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix));
    Some(match service.map(|service| service.rsplit_once('.')) {
        // *.svc.cluster.local: any Service there is.
        Some(None) => Place::Cluster(None),
        Some(Some((_, namespace))) => Place::Cluster(Some(namespace.to_owned())),
        None => Place::Public,
    })
}

fn peers(place: &Place) -> Vec<NetworkPolicyPeer> {
    match place {
        Place::Network(network) => vec![network_peer(*network, &[])],
        Place::Public => {
            let public = morph_grant::special::public_networks();
            public.into_iter().map(|(network, except)| network_peer(network, &except)).collect()
        }
        Place::Cluster(namespace) => vec![namespace_peer(namespace.as_deref(), None)],
    }
}

fn network_peer(network: IpNet, except: &[IpNet]) -> NetworkPolicyPeer {
    let except = except.iter().map(ToString::to_string).collect::<Vec<_>>();
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: network.to_string(), except: (!except.is_empty()).then_some(except) }),
        ..NetworkPolicyPeer::default()
    }
}

fn namespace_peer(namespace: Option<&str>, pods: Option<LabelSelector>) -> NetworkPolicyPeer {
    let labels = namespace.map(|name| [(NAMESPACE_LABEL.to_owned(), name.to_owned())].into());
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector { match_labels: labels, match_expressions: None }),
        pod_selector: pods,
        ip_block: None,
    }
}

fn dns(dns: &Dns) -> NetworkPolicyEgressRule {
    let pods = LabelSelector { match_labels: Some(dns.labels.clone()), match_expressions: None };
    let mut to = vec![namespace_peer(Some(&dns.namespace), Some(pods))];
    to.extend(dns.addresses.iter().map(|network| network_peer(*network, &[])));
    NetworkPolicyEgressRule {
        ports: Some([Protocol::Udp, Protocol::Tcp].map(|protocol| port(protocol, dns.port)).into()),
        to: Some(to),
    }
}

fn port(protocol: Protocol, number: u16) -> NetworkPolicyPort {
    let protocol = match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(number))),
        end_port: None,
    }
}

#[cfg(test)]
mod tests;
