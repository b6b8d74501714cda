//! What is suggested for which imports.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::interfaces::{Capability, TABLE};
use crate::{Ambient, Answer, check};

fn ids(texts: &[&str]) -> Vec<InterfaceId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn check_yaml(imports: &[&str], want: &str) {
    let found = suggest(&ids(imports), &Grants::default());
    assert_eq!(found.yaml, want, "{imports:?}");
}

#[test]
fn what_needs_nothing_is_suggested_nothing() {
    let imports = ["wasi:io/streams@0.2.3", "wasi:cli/stdout@0.2.3", "wasi:clocks/types@0.3.0"];
    assert_eq!(suggest(&ids(&imports), &Grants::default()), Suggestion::default());
}

#[test]
fn each_capability_has_its_least() {
    let http = "spec:\n  capabilities:\n    http:\n      allow:\n      - { host: HOST, pathPrefixes: [/] }\n";
    check_yaml(&["wasi:http/outgoing-handler@0.2.3"], http);
    check_yaml(&["wasi:http/client@0.3.0"], http);
    check_yaml(&["wasi:config/store@0.2.0-rc.1"], "spec:\n  config:\n  - { key: KEY, value: VALUE }\n");
    check_yaml(&["wasi:logging/logging"], "spec:\n  capabilities:\n    logging: {}\n");
    check_yaml(
        &["wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/batch@0.2.0-draft"],
        "spec:\n  capabilities:\n    keyvalue:\n    - { bucket: BUCKET, memory: { maxBytes: 1Mi } }\n",
    );
}

#[test]
fn sockets_are_suggested_as_far_as_they_are_imported() {
    let of = |lines: &str| format!("spec:\n  capabilities:\n    sockets:\n{lines}");
    let tcp = "      - { host: HOST, ports: [PORT] }\n";
    let udp = "      - { host: HOST, ports: [PORT], protocol: UDP }\n";
    let connect = "      connect:\n";
    check_yaml(&["wasi:sockets/tcp-create-socket@0.2.0"], &of(&format!("{connect}{tcp}")));
    check_yaml(&["wasi:sockets/udp-create-socket@0.2.0"], &of(&format!("{connect}{udp}")));
    check_yaml(&["wasi:sockets/types@0.3.0"], &of(&format!("{connect}{tcp}")));
    check_yaml(
        &["wasi:sockets/udp-create-socket@0.2.0", "wasi:sockets/tcp-create-socket@0.2.0"],
        &of(&format!("{connect}{tcp}{udp}")),
    );
    check_yaml(&["wasi:sockets/ip-name-lookup@0.2.0"], &of("      lookup: [HOST]\n"));
}

#[test]
fn what_is_granted_is_not_suggested_again() {
    let imports = ids(&["wasi:http/outgoing-handler@0.2.3", "wasi:logging/logging"]);
    let grants = Grants { logging: true, ..Grants::default() };
    let found = suggest(&imports, &grants).yaml;
    assert!(found.contains("http:") && !found.contains("logging"), "{found}");
    assert_eq!(suggest(&imports, &Grants::of_each_capability()), Suggestion::default());
}

#[test]
fn what_no_field_adds_is_a_note() {
    let grants = Grants { withheld: vec![Ambient::Random], ..Grants::default() };
    let imports = [
        "wasi:random/random@0.2.3",
        "wasi:cli/environment@0.2.3",
        "acme:own/thing@1.0.0",
        "wasi:http/types@0.9.0",
        "wasi:http/handler@0.3.0",
    ];
    let found = suggest(&ids(&imports), &grants);
    assert_eq!(found.yaml, "");
    let wants =
        ["spec.withhold", "spec.args, .env or .envFrom", "nothing grants", "nothing grants", "nothing"];
    assert_eq!(found.notes.len(), wants.len(), "{:?}", found.notes);
    for ((note, import), want) in found.notes.iter().zip(imports).zip(wants) {
        assert!(note.starts_with(import) && note.contains(want), "{note}");
    }
}

/// Every row of the table that a grant opens gets a suggestion, and nothing that is denied is passed over.
#[test]
fn nothing_that_is_denied_is_passed_over() {
    for row in TABLE {
        let id: InterfaceId = match row.track {
            crate::interfaces::Track::Exact("") => row.interface.to_owned(),
            crate::interfaces::Track::Exact(version) => format!("{}@{version}", row.interface),
            crate::interfaces::Track::V0_2 => format!("{}@0.2.0", row.interface),
            crate::interfaces::Track::V0_3 => format!("{}@0.3.0", row.interface),
        }
        .parse()
        .unwrap();
        let denied = check(std::slice::from_ref(&id), &Grants::default())[0].answer == Answer::Denied;
        let found = suggest(&[id], &Grants::default());
        let says = !found.yaml.is_empty() || found.notes.iter().any(|note| note.contains("nothing grants"));
        assert_eq!(denied, says, "{}: {found:?}", row.interface);
    }
}

#[test]
fn something_of_each_capability_is_something_of_each() {
    let grants = Grants::of_each_capability();
    for capability in Capability::ALL {
        assert!(capability.is_in(&grants) && !capability.is_in(&Grants::default()), "{capability:?}");
    }
}
