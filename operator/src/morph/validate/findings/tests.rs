//! Each finding: its field, and what it says.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{command, morph, seen};
use crate::morph::validate;
use morph_crds::Reason;

/// Checks that exactly these fields are found, each with its words; and that a Morph with one is refused.
fn check(fields: &str, want: &[(&str, &str)]) {
    let morph = morph(&format!("image: r.test/hello:1\n{fields}\n"));
    let found = findings(&morph.spec);
    let listed: Vec<_> = found.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(listed, want.iter().map(|(field, _)| *field).collect::<Vec<_>>(), "{fields}: {found:?}");
    for (error, (_, words)) in found.iter().zip(want) {
        assert!(error.message.contains(words), "{words}: {}", error.message);
    }
    let refused = validate(&seen(morph, command())).err();
    assert_eq!(
        refused.as_ref().map(|refusal| refusal.reason),
        (!want.is_empty()).then_some(Reason::SpecInvalid)
    );
    if let (Some(refusal), Some((field, _))) = (refused, want.first()) {
        assert!(refusal.message.contains(field), "{}", refusal.message);
    }
}

fn http(rules: &[&str]) -> String {
    format!("http: {{allow: [{}]}}", rules.join(", "))
}

fn capabilities(parts: &[String]) -> String {
    format!("capabilities: {{{}}}", parts.join(", "))
}

fn check_host(host: &str, words: Option<&str>) {
    let rule = format!("{{host: \"{host}\", pathPrefixes: [/]}}");
    let field = "spec.capabilities.http.allow[0].host";
    check(
        &capabilities(&[http(&[&rule])]),
        &words.map(|words| (field, words)).into_iter().collect::<Vec<_>>(),
    );
    let connect = format!("sockets: {{connect: [{{host: \"{host}\", ports: [99]}}], lookup: [\"{host}\"]}}");
    let fields = ["spec.capabilities.sockets.connect[0].host", "spec.capabilities.sockets.lookup[0]"];
    let want: Vec<_> = words.iter().flat_map(|words| fields.map(|field| (field, *words))).collect();
    check(&capabilities(&[connect]), &want);
}

#[test]
fn a_public_suffix_is_refused_and_what_lies_below_it_is_not() {
    for host in ["*.co.uk", "*.github.io", "*.s3.amazonaws.com", "*.xn--55qx5d.cn"] {
        check_host(host, Some("everybody may have a name"));
    }
    for host in
        ["*.weather.co.uk", "*.me.github.io", "*.weather.example", "co.uk", "*.demo.svc.cluster.local"]
    {
        check_host(host, None);
    }
}

#[test]
fn an_address_has_one_spelling() {
    for (host, words) in [
        ("[::1]", None),
        ("[2001:db8::1]", None),
        ("192.0.2.1", None),
        ("[2001:db8:0::1]", Some("must be written [2001:db8::1]")),
        ("[::ffff:10.0.0.1]", Some("must be written 10.0.0.1")),
        ("[::ffff:a00:1]", Some("must be written 10.0.0.1")),
        ("[1.2.3.4]", Some("is no address")),
        ("[:::]", Some("is no address")),
    ] {
        check_host(host, words);
    }
}

#[test]
fn a_network_has_one_spelling() {
    for (network, words) in [
        ("10.0.0.0/8", None),
        ("2001:db8::/32", None),
        ("0.0.0.0/0", None),
        ("10.0.0.1/32", None),
        ("10.0.0.1/8", Some("must be written 10.0.0.0/8")),
        ("2001:db8:0::/32", Some("must be written 2001:db8::/32")),
        ("::ffff:10.0.0.0/104", Some("must be written 10.0.0.0/8")),
        ("1::2::3/64", Some("is no network")),
    ] {
        let connect = format!("sockets: {{connect: [{{cidr: \"{network}\", ports: [99]}}]}}");
        let of = |field| words.map(|words| (field, words)).into_iter().collect::<Vec<_>>();
        check(&capabilities(&[connect]), &of("spec.capabilities.sockets.connect[0].cidr"));
        let addresses = format!("addresses: [\"{network}\"]");
        let connect = format!("sockets: {{connect: [{{host: a.example, ports: [99], {addresses}}}]}}");
        check(&capabilities(&[connect]), &of("spec.capabilities.sockets.connect[0].addresses[0]"));
        let rule = format!("{{host: a.example, pathPrefixes: [/], {addresses}}}");
        check(&capabilities(&[http(&[&rule])]), &of("spec.capabilities.http.allow[0].addresses[0]"));
    }
}

#[test]
fn a_day_that_there_is_not_is_refused() {
    for (clock, exists) in [
        ("2026-02-28T00:00:00Z", true),
        ("2024-02-29T23:59:59.999Z", true),
        ("2026-02-29T00:00:00Z", false),
        ("2026-02-30T00:00:00Z", false),
        ("2026-04-31T00:00:00Z", false),
    ] {
        let want = [("spec.determinism.clock", "no time that there is")];
        check(&format!("determinism: {{clock: \"{clock}\"}}"), if exists { &[] } else { &want });
    }
}

#[test]
fn a_rule_that_stands_there_twice_is_refused() {
    let one = "{host: a.example, ports: [443, 80], methods: [GET, PUT], pathPrefixes: [/a, /b]}";
    let same = "{host: a.example, ports: [80, 443], methods: [PUT, GET], pathPrefixes: [/b, /a], \
                credential: {header: x, secretKeyRef: {name: s, key: k}}}";
    let other = "{host: a.example, ports: [443, 80], methods: [GET], pathPrefixes: [/a, /b]}";
    let twice = "says the same as spec.capabilities.http.allow[0]";
    check(&capabilities(&[http(&[one, other])]), &[]);
    check(&capabilities(&[http(&[one, other, same])]), &[("spec.capabilities.http.allow[2]", twice)]);
    check(
        "capabilities: {sockets: {connect: [{host: a.example, ports: [1, 2]}, \
         {host: a.example, ports: [2, 1]}, {host: a.example, ports: [2, 1], protocol: UDP}], \
         listen: [{port: 1}, {port: 1, protocol: UDP}, {port: 1}]}}",
        &[
            ("spec.capabilities.sockets.connect[1]", "the same as spec.capabilities.sockets.connect[0]"),
            ("spec.capabilities.sockets.listen[2]", "the same as spec.capabilities.sockets.listen[0]"),
        ],
    );
}

#[test]
fn a_socket_that_would_lead_round_a_rule_is_refused() {
    let rules = http(&[
        "{host: b.weather.example, ports: [80], scheme: HTTP, pathPrefixes: [/]}",
        "{host: api.weather.example, pathPrefixes: [/v1]}",
    ]);
    for (peer, ports, round) in [
        ("host: api.weather.example", "[443]", true),
        ("host: \"*.weather.example\"", "[1, 443]", true),
        ("cidr: 192.0.2.0/24", "[443]", true),
        ("host: 192.0.2.1", "[443]", true),
        ("host: db.weather.example", "[443]", false),
        ("host: api.weather.example", "[5432]", false),
        ("cidr: 192.0.2.0/24", "[5432]", false),
    ] {
        let connect = format!("sockets: {{connect: [{{{peer}, ports: {ports}}}]}}");
        let want = [("spec.capabilities.sockets.connect[0]", "round spec.capabilities.http.allow[1]")];
        check(&capabilities(&[rules.clone(), connect]), if round { &want } else { &[] });
    }
}

#[test]
fn what_a_plug_asks_for_is_held_against_the_same_rules() {
    let plug =
        |fields: &str| format!("plugs: [{{name: a, image: \"r.test/a:1\", capabilities: {{{fields}}}}}]");
    let field = |rest: &str| format!("spec.plugs[0].capabilities.{rest}");
    check(
        &plug(
            "http: {allow: [{host: \"*.co.uk\", pathPrefixes: [/]}]}, sockets: {lookup: [\"*.github.io\"]}",
        ),
        &[
            (&field("http.allow[0].host"), "everybody may have a name"),
            (&field("sockets.lookup[0]"), "everybody may have a name"),
        ],
    );
    let round = "http: {allow: [{host: a.example, pathPrefixes: [/v1]}]}, \
                 sockets: {connect: [{host: a.example, ports: [443]}]}";
    check(&plug(round), &[(&field("sockets.connect[0]"), "spec.plugs[0].capabilities.http.allow[0]")]);
}
