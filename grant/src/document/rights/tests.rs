//! One line for each word that can't be meant, and for what may be.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::samples::{document, http, sockets};
use crate::{Access, Determinism, FilesystemGrant, KeyvalueGrant, ListenRule, Mount, Protocol};
use proptest::prelude::*;

/// The sample with something of each right.
fn granted() -> Document {
    let mut document = document();
    document.mounts.push(Mount {
        volume: "files".into(),
        kind: VolumeKind::Projected,
        destination: "/.morph/files".into(),
        read_only: true,
        used_for: MountUse::Files,
    });
    let mut rule = http().allow[0].clone();
    rule.credential = Some(Credential {
        header: "Authorization".into(),
        prefix: "Bearer ".into(),
        file: "credential-0".into(),
        plain_http: false,
    });
    rule.addresses = vec!["10.0.0.0/8".into(), "fd00::/8".into()];
    let grants = &mut document.components[0].grants;
    grants.http = Some(HttpGrant { allow: vec![rule], ca_bundle: Some("ca-bundle".into()), ..http() });
    grants.sockets = Some(sockets());
    let listen = ListenRule { port: 53, protocol: Protocol::Udp };
    grants.sockets.as_mut().unwrap().listen.push(listen);
    grants.sockets.as_mut().unwrap().lookup.push("*.demo.svc".into());
    let entry = |key: &str, value: Option<&str>, file: Option<&str>| ConfigEntry {
        key: key.into(),
        value: value.map(Into::into),
        file: file.map(Into::into),
    };
    grants.config = vec![entry("region", None, Some("config-0")), entry("units", Some(""), None)];
    grants.keyvalue = vec![KeyvalueGrant { bucket: "cache".into(), max_bytes: 1 << 20 }];
    grants.determinism =
        Some(Determinism { seed: Some(7), clock_unix_millis: Some(-1), clock_step_millis: Some(1) });
    document
}

fn grants(document: &mut Document) -> &mut Grants {
    &mut document.components[0].grants
}

fn rule(document: &mut Document) -> &mut HttpRule {
    &mut grants(document).http.as_mut().unwrap().allow[0]
}

fn credential(document: &mut Document) -> &mut Credential {
    rule(document).credential.as_mut().unwrap()
}

fn connect(document: &mut Document) -> &mut ConnectRule {
    &mut grants(document).sockets.as_mut().unwrap().connect[0]
}

fn checked(change: impl FnOnce(&mut Document)) -> Result<(), String> {
    let mut document = granted();
    change(&mut document);
    document.check().map_err(|error| error.to_string())
}

#[track_caller]
fn check_passes(change: impl FnOnce(&mut Document)) {
    assert_eq!(checked(change), Ok(()));
}

#[track_caller]
fn check_refused(wanted: &str, change: impl FnOnce(&mut Document)) {
    let error = checked(change).unwrap_err();
    assert!(error.contains(wanted), "{wanted} is not in: {error}");
}

#[test]
fn a_document_with_every_right_passes() {
    check_passes(|_| {});
}

#[test]
fn a_file_has_a_name_that_climbs_nowhere() {
    for name in ["", ".", "..", "a/b", "../a", "A", "a.b", "a_b", "é", &"a".repeat(64)] {
        let wanted = "is not 1 to 63 lower-case letters";
        check_refused(wanted, |d| credential(d).file = name.into());
        check_refused(wanted, |d| grants(d).http.as_mut().unwrap().ca_bundle = Some(name.into()));
        check_refused(wanted, |d| grants(d).config[0].file = Some(name.into()));
    }
    for name in ["a", "-", "0-a", &"a".repeat(63)] {
        check_passes(|d| credential(d).file = name.into());
    }
}

#[test]
fn a_file_comes_from_a_mount_of_files() {
    let without = |d: &mut Document| d.mounts.retain(|mount| mount.used_for != MountUse::Files);
    check_refused("grants.http.caBundle: file: \"ca-bundle\" has no mount of files", without);
    check_refused("grants.http.allow[0].credential: file: \"credential-0\" has no mount", |d| {
        without(d);
        grants(d).http.as_mut().unwrap().ca_bundle = None;
    });
    check_refused("grants.config: region: file: \"config-0\" has no mount", |d| {
        without(d);
        grants(d).http = None;
    });
    check_passes(|d| {
        without(d);
        grants(d).http = None;
        grants(d).config.remove(0);
    });
}

#[test]
fn the_mount_of_files_is_one_and_no_guests() {
    check_refused("mounts: \"files\" is not the only mount of files", |d| {
        let (volume, destination) = ("more".into(), "/.morph/more".into());
        d.mounts.push(Mount { volume, destination, ..d.mounts[1].clone() });
    });
    check_refused("mounts: \"files\" has files that the host alone reads, and must be read-only", |d| {
        d.mounts[1].read_only = false;
    });
    for kind in [VolumeKind::EmptyDir, VolumeKind::PersistentVolumeClaim, VolumeKind::DownwardApi] {
        check_refused("must be of Secrets and ConfigMaps", |d| d.mounts[1].kind = kind);
    }
    for path in ["/f", "/data/files"] {
        let path = path.into();
        check_refused("\"files\" is a volume that no guest sees", |d| {
            let grant =
                FilesystemGrant { volume: "files".into(), path, sub_path: None, access: Access::ReadOnly };
            grants(d).filesystem.push(grant);
        });
    }
}

#[test]
fn ports_are_there_and_not_zero() {
    for ports in [vec![], vec![0], vec![443, 0]] {
        let (one, two) = (ports.clone(), ports);
        check_refused("grants.http.allow[0]: ports: needs ports from 1", |d| rule(d).ports = one);
        check_refused("grants.sockets.connect[0]: ports: needs ports from 1", |d| connect(d).ports = two);
    }
    check_refused("grants.sockets.listen: ports", |d| {
        grants(d).sockets.as_mut().unwrap().listen[0].port = 0;
    });
}

#[test]
fn an_http_grant_grants_something() {
    check_refused("grants.http: \"allow\" is empty", |d| grants(d).http.as_mut().unwrap().allow.clear());
    check_refused("needs methods and pathPrefixes", |d| rule(d).methods.clear());
    check_refused("needs methods and pathPrefixes", |d| rule(d).path_prefixes.clear());
    for method in ["get", "CONNECT", "TRACE", "", "GET "] {
        check_refused("is not a method that is sent", |d| rule(d).methods.push(method.into()));
    }
    for path in ["", "v1", " /", "/a\n"] {
        check_refused("does not begin with \"/\"", |d| rule(d).path_prefixes.push(path.into()));
    }
    check_passes(|d| rule(d).methods = METHODS.map(Into::into).to_vec());
}

#[test]
fn a_host_is_a_name_a_suffix_or_an_address() {
    for host in [
        "a.example",
        "*.b.example",
        "1.2.3.4",
        "[::1]",
        "[::ffff:1.2.3.4]",
        "xn--bcher-kva.example",
        "db.demo.svc",
        "1a.b-c.example",
    ] {
        check_passes(|d| rule(d).host = host.into());
        check_passes(|d| connect(d).peer = Peer::Host(host.into()));
        check_passes(|d| grants(d).sockets.as_mut().unwrap().lookup.push(host.into()));
    }
    let long = format!("{}.example", ["a".repeat(63).as_str(); 4].join("."));
    for host in [
        "",
        "*",
        "*.example",
        "**.b.example",
        "a.*.example",
        "localhost",
        "A.example",
        "a.example.",
        ".example",
        "a..example",
        "-a.example",
        "a-.example",
        "bücher.example",
        "a.example:443",
        "user@a.example",
        "a.example/x",
        " a.example",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "0x7f.1",
        "127.1",
        "::1",
        "[::1",
        "[1.2.3.4]",
        "[fe80::1%eth0]",
        "*.1.2.3.4",
        long.as_str(),
        &format!("{}.example", "a".repeat(64)),
    ] {
        let wanted = "is not a host, *. and a suffix, or an address";
        check_refused(wanted, |d| rule(d).host = host.into());
        check_refused(wanted, |d| connect(d).peer = Peer::Host(host.into()));
        check_refused(wanted, |d| grants(d).sockets.as_mut().unwrap().lookup.push(host.into()));
    }
}

#[test]
fn a_network_is_a_cidr() {
    for network in ["", "10.0.0.1", "10.0.0.0/33", "fd00::/129", "a.example/8", "10.0/8"] {
        let wanted = "is not a network as CIDR";
        check_refused(wanted, |d| rule(d).addresses.push(network.into()));
        check_refused(wanted, |d| connect(d).addresses.push(network.into()));
        check_refused(wanted, |d| connect(d).peer = Peer::Cidr(network.into()));
    }
    check_passes(|d| connect(d).peer = Peer::Cidr("0.0.0.0/0".into()));
}

#[test]
fn a_credential_goes_over_tls_but_to_a_host_of_the_cluster_whose_rule_says_so() {
    for (host, plain_http, passes) in [
        ("api.demo.svc", true, true),
        ("api.demo.svc.cluster.local", true, true),
        ("api.demo.svc", false, false),
        ("api.example", true, false),
        ("api.svc.example", true, false),
        ("apisvc.examplesvc", true, false),
        ("10.0.0.1", true, false),
    ] {
        let found = checked(|d| {
            rule(d).scheme = HttpScheme::Http;
            rule(d).host = host.into();
            credential(d).plain_http = plain_http;
        });
        assert_eq!(found.is_ok(), passes, "{host}: {found:?}");
        assert!(passes || found.unwrap_err().contains("is spoken to without TLS"));
    }
    check_passes(|d| {
        rule(d).scheme = HttpScheme::Http;
        rule(d).credential = None;
    });
}

#[test]
fn what_is_put_into_a_header_can_stand_there() {
    for header in ["", "A B", "A:", "A\r\nB", "é"] {
        check_refused("is not a header's name", |d| credential(d).header = header.into());
    }
    for prefix in ["a\n", "\0", "\r\nHost: b"] {
        check_refused("can't stand in a header", |d| credential(d).prefix = prefix.into());
    }
}

#[test]
fn a_configuration_has_each_key_once_and_one_source_for_it() {
    check_refused("grants.config: \"units\" stands there twice", |d| {
        grants(d).config[0].key = "units".into()
    });
    let wanted = "grants.config: units: needs exactly one of value and file";
    check_refused(wanted, |d| grants(d).config[1].value = None);
    check_refused(wanted, |d| grants(d).config[1].file = Some("config-0".into()));
}

#[test]
fn a_bucket_stands_there_once() {
    check_refused("grants.keyvalue: \"cache\" stands there twice", |d| {
        let bucket = grants(d).keyvalue[0].clone();
        grants(d).keyvalue.push(bucket);
    });
}

#[test]
fn a_step_needs_a_clock() {
    check_refused("clockUnixMillis", |d| {
        grants(d).determinism.as_mut().unwrap().clock_unix_millis = None;
    });
    check_passes(|d| grants(d).determinism.as_mut().unwrap().clock_step_millis = None);
}

#[test]
fn a_sub_path_stays_below_its_volume() {
    for path in ["a", "a/b", ".a", "..a", "a b", "é/x"] {
        check_passes(|d| grants(d).filesystem[0].sub_path = Some(path.into()));
    }
    for path in ["", ".", "..", "/", "/a", "a/", "a//b", "a/..", "../a", "a/./b", "a\0", "a\n/b"] {
        check_refused("is not a relative path without \"..\"", |d| {
            grants(d).filesystem[0].sub_path = Some(path.into());
        });
    }
}

#[test]
fn a_second_components_rights_are_looked_at_as_the_firsts() {
    check_refused("grants.http: \"allow\" is empty", |d| {
        let limits = crate::Limits::default();
        let mut plug = Component { name: "clock".into(), limits, ..d.components[0].clone() };
        plug.grants.http.as_mut().unwrap().allow.clear();
        d.components.push(plug);
    });
}

proptest! {
    /// The host decides by these words; none that passes may hold what means something in a URL.
    #[test]
    fn a_host_that_passes_is_nothing_else(host in "[a-z0-9.*:/@%\\[\\]-]{1,24}") {
        if is_host(&host) {
            let bracketed = host.starts_with('[') && host.ends_with(']');
            prop_assert!(bracketed || !host.contains([':', '[', ']']), "{}", host);
            prop_assert!(!host.contains(['/', '@', '%']), "{}", host);
            prop_assert!(!host.contains('*') || host.rfind('*') == Some(0), "{}", host);
        }
    }
}
