//! Tests of the table: its order, its versions, and that a name alike is nobody's name.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_table_is_sorted_and_has_no_twin() {
    for pair in TABLE.windows(2) {
        assert!((pair[0].interface, pair[0].track) < (pair[1].interface, pair[1].track), "{:?}", pair[1]);
    }
}

#[test]
fn exactly_what_is_served_names_its_file() {
    for row in TABLE {
        assert_eq!(row.served_by.is_empty(), row.need == Ungrantable, "{row:?}");
    }
}

#[test]
fn each_file_that_serves_is_there() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    for file in TABLE.iter().map(|row| row.served_by).filter(|file| !file.is_empty()) {
        assert!(host.join(file).is_file(), "{file}");
    }
}

#[test]
fn each_row_is_found_by_its_name_and_track() {
    for row in TABLE {
        let version = match row.track {
            V0_2 => "@0.2.0".to_owned(),
            V0_3 => "@0.3.0".to_owned(),
            Exact("") => String::new(),
            Exact(version) => format!("@{version}"),
        };
        let id = format!("{}{version}", row.interface).parse().unwrap();
        assert_eq!(lookup(&id), Lookup::Known(row));
    }
}

#[test]
fn a_row_names_an_interface_of_wasi_without_a_version() {
    for row in TABLE {
        let id: InterfaceId = row.interface.parse().unwrap();
        assert_eq!((id.namespace.as_str(), id.version), ("wasi", None), "{row:?}");
    }
}

/// Handles of sockets and requests are made by the types interface itself in 0.3, so that there the whole of
/// it is authority; in 0.2 the types only pass on what a root has made.
#[test]
fn what_reaches_the_network_is_not_among_the_types() {
    let types: BTreeSet<_> = TABLE.iter().filter(|row| row.need == Types).map(|row| row.interface).collect();
    let roots = [
        "wasi:http/client",
        "wasi:http/handler",
        "wasi:http/outgoing-handler",
        "wasi:sockets/instance-network",
        "wasi:sockets/ip-name-lookup",
        "wasi:sockets/tcp-create-socket",
        "wasi:sockets/types",
        "wasi:sockets/udp-create-socket",
    ];
    for name in roots {
        assert!(!types.contains(name), "{name}");
    }
}

#[test]
fn a_version_newer_than_the_host_is_unknown() {
    for (id, want_known) in [
        ("wasi:cli/stdout@0.2.0", true),
        ("wasi:cli/stdout@0.2.12", true),
        ("wasi:cli/stdout@0.2.13", false),
        ("wasi:cli/stdout@0.2.18446744073709551615", false),
        ("wasi:cli/stdout@0.3.0", true),
        ("wasi:cli/stdout@0.3.1", false),
        ("wasi:cli/stdout@0.3.0-rc-2025-09-16", false),
        ("wasi:cli/stdout@1.2.0", false),
        ("wasi:cli/stdout@0.0.2", false),
        ("wasi:cli/stdout", false),
    ] {
        let found = lookup(&id.parse().unwrap());
        assert_eq!(matches!(found, Lookup::Known(_)), want_known, "{id}: {found:?}");
        assert!(want_known || found == Lookup::UnknownVersion, "{id}: {found:?}");
    }
}

#[test]
fn a_name_alike_is_not_the_same() {
    for id in ["evil:cli/stdout@0.2.0", "wasi:cli2/stdout@0.2.0", "wasi:cli/stdout2@0.2.0"] {
        assert_eq!(lookup(&id.parse().unwrap()), Lookup::Unknown, "{id}");
    }
}

#[test]
fn a_capability_is_named_as_the_yaml_has_it() {
    assert_eq!(Filesystem.field(), "capabilities.filesystem");
    assert_eq!(Environment.field(), "args, env and envFrom");
}
