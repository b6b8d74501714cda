//! What a NetworkPolicy lets through, read as a network plugin would: each case a grant and some packets.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{command, morph, seen, seen_whole, server, world};
use crate::morph::validate;
use morph_component::World;
use serde_json::{Value, json};

fn policy(fields: &str, world: World) -> Value {
    policy_with(fields, world, &Fence::default())
}

fn policy_with(fields: &str, world: World, fence: &Fence) -> Value {
    let valid = validate(&seen(morph(&format!("image: r.test/hello:1\n{fields}\n")), world)).unwrap();
    serde_json::to_value(network_policy(&valid, fence)).unwrap()["spec"].clone()
}

fn egress_of(fields: &str) -> Value {
    policy(fields, command())["egress"].clone()
}

fn http(rules: &str) -> String {
    format!("capabilities: {{http: {{allow: [{rules}]}}}}")
}

fn sockets(fields: &str) -> String {
    format!("capabilities: {{sockets: {{{fields}}}}}")
}

fn dns_rule() -> Value {
    json!({
        "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }],
        "to": [{
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
            "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
        }],
    })
}

fn tcp(port: u16) -> Value {
    json!({ "protocol": "TCP", "port": port })
}

fn block(cidr: &str) -> Value {
    json!({ "ipBlock": { "cidr": cidr } })
}

/// Whether an address outside passes a rule on a port, by blocks alone.
fn passes(egress: &Value, address: &str, port: u16) -> bool {
    let address: std::net::IpAddr = address.parse().unwrap();
    let within = |text: &Value| text.as_str().unwrap().parse::<IpNet>().unwrap().contains(&address);
    let peer = |peer: &Value| {
        let block = &peer["ipBlock"];
        !block.is_null()
            && within(&block["cidr"])
            && !block["except"].as_array().into_iter().flatten().any(within)
    };
    egress.as_array().into_iter().flatten().any(|rule| {
        let open = rule["ports"].as_array().is_none_or(|ports| ports.iter().any(|p| p["port"] == port));
        open && rule["to"].as_array().unwrap().iter().any(peer)
    })
}

#[test]
fn without_a_network_grant_nothing_goes_out_and_not_even_a_look_up() {
    for fields in ["", "capabilities: {logging: {}}", &sockets("listen: [{port: 99}]")] {
        let policy = policy(fields, command());
        assert_eq!(policy["egress"], Value::Null, "{fields}");
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "{fields}");
    }
}

#[test]
fn it_is_about_the_morphs_pods_alone() {
    let selector = json!({ "matchLabels": { "hayride.dev/morph": "hello" } });
    assert_eq!(policy("", server())["podSelector"], selector);
}

#[test]
fn a_server_is_reached_on_its_port_and_a_command_on_none() {
    let served = json!([{ "ports": [{ "protocol": "TCP", "port": "http" }] }]);
    assert_eq!(policy("", server())["ingress"], served);
    assert_eq!(policy("", command())["ingress"], Value::Null);
    let listens = sockets("listen: [{port: 99, protocol: UDP}, {port: 98}]");
    let ports = json!([{ "ports": [tcp(98), { "protocol": "UDP", "port": 99 }] }]);
    assert_eq!(policy(&listens, command())["ingress"], ports);
}

#[test]
fn a_public_name_opens_its_ports_to_public_addresses_alone() {
    let egress = egress_of(&http("{host: api.weather.example, ports: [443, 8443], pathPrefixes: [/]}"));
    assert_eq!(egress[0], dns_rule());
    for address in ["93.184.216.34", "2606:4700::1111"] {
        assert!(passes(&egress, address, 443) && passes(&egress, address, 8443), "{address}");
        assert!(!passes(&egress, address, 80), "{address}");
    }
    for address in ["10.0.0.1", "169.254.169.254", "127.0.0.1", "192.168.1.1", "fd00::1", "::1", "fe80::1"] {
        assert!(!passes(&egress, address, 443), "{address}");
    }
}

#[test]
fn addresses_that_are_granted_are_let_through_on_the_rules_ports() {
    let rule = "{host: db.weather.example, ports: [443], addresses: [10.1.0.0/16], pathPrefixes: [/]}";
    let egress = egress_of(&http(rule));
    assert!(passes(&egress, "10.1.2.3", 443));
    assert!(!passes(&egress, "10.1.2.3", 80) && !passes(&egress, "10.2.0.1", 443));
}

#[test]
fn a_service_opens_its_namespace_on_every_port() {
    let namespace = |name: &str| json!({ "matchLabels": { "kubernetes.io/metadata.name": name } });
    for (host, want) in [
        ("db.demo.svc", namespace("demo")),
        ("db.demo.svc.cluster.local", namespace("demo")),
        ("\"*.demo.svc\"", namespace("demo")),
        ("db-0.db.demo.svc", namespace("demo")),
        ("\"*.svc.cluster.local\"", json!({})),
    ] {
        let egress = egress_of(&sockets(&format!("connect: [{{host: {host}, ports: [5432]}}]")));
        assert_eq!(egress, json!([dns_rule(), { "to": [{ "namespaceSelector": want }] }]), "{host}");
    }
}

#[test]
fn a_network_and_an_address_need_no_look_up() {
    let egress = egress_of(&sockets(
        "connect: [{cidr: 10.0.0.0/8, ports: [5432]}, {host: 192.0.2.7, ports: [5432]}, \
         {host: \"[2001:db8::1]\", ports: [5432]}]",
    ));
    let to = [block("10.0.0.0/8"), block("192.0.2.7/32"), block("2001:db8::1/128")];
    assert_eq!(egress, json!([{ "ports": [tcp(5432)], "to": to }]));
}

#[test]
fn a_look_up_alone_opens_dns_alone() {
    assert_eq!(egress_of(&sockets("lookup: [db.weather.example]")), json!([dns_rule()]));
}

#[test]
fn where_dns_is_is_a_setting() {
    let mut fence = Fence::default();
    fence.dns.addresses = vec!["169.254.20.10/32".parse().unwrap()];
    fence.dns.port = 5353;
    fence.dns.namespace = "dns".to_owned();
    let lookup = sockets("lookup: [db.weather.example]");
    let rule = &policy_with(&lookup, command(), &fence)["egress"][0];
    assert_eq!(rule["ports"], json!([{ "protocol": "UDP", "port": 5353 }, tcp(5353)]));
    assert_eq!(rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "dns");
    assert_eq!(rule["to"][1], block("169.254.20.10/32"));
}

#[test]
fn the_order_of_rules_changes_nothing() {
    let [one, other] = [
        "{host: a.weather.example, pathPrefixes: [/]}",
        "{host: b.weather.example, ports: [80], scheme: HTTP, pathPrefixes: [/]}",
    ];
    assert_eq!(egress_of(&http(&format!("{one}, {other}"))), egress_of(&http(&format!("{other}, {one}"))));
}

#[test]
fn what_any_part_may_reach_the_pod_may() {
    let plugs = "plugs: [{name: clock, image: \"r.test/clock:1\", capabilities: \
                 {sockets: {connect: [{cidr: 10.1.0.0/16, ports: [5432]}], listen: [{port: 99}]}}}]";
    let own = "capabilities: {sockets: {connect: [{cidr: 10.2.0.0/16, ports: [6379]}]}}";
    let id = "acme:clock/now@0.1.0";
    let worlds = [("clock", world(&[], &[id]))];
    let text = format!("image: r.test/hello:1\n{plugs}\n{own}\n");
    let seen = seen_whole(morph(&text), world(&[id], &["wasi:cli/run@0.2.3"]), &worlds);
    let policy = network_policy(&validate(&seen).unwrap(), &Fence::default());
    let spec = serde_json::to_value(policy).unwrap()["spec"].clone();
    for (address, port, passed) in [
        ("10.1.0.1", 5432, true),
        ("10.2.0.1", 6379, true),
        ("10.1.0.1", 6379, false),
        ("10.2.0.1", 5432, false),
        ("10.3.0.1", 5432, false),
    ] {
        assert_eq!(passes(&spec["egress"], address, port), passed, "{address}:{port}");
    }
    assert_eq!(spec["ingress"], json!([{ "ports": [tcp(99)] }]));
}
