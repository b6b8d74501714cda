//! Tests of linking, made from the table: each row without its grant, with every other grant, and with its
//! own. The components import the whole interface, every function of it, as the pinned WIT has it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod composed;

use super::*;
use crate::{Engine, EngineKind, Run, engine};
use morph_grant::interfaces::{Capability, Need, PATCH_MAX_0_2, TABLE, Track};
use morph_grant::{
    Access, Ambient, ConfigEntry, FilesystemGrant, HttpGrant, HttpLimits, KeyvalueGrant, SocketsGrant,
};
use std::path::Path;
use std::sync::OnceLock;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// The pinned WIT of a row, and the version that it is of.
fn pinned(row: &Entry) -> (&'static str, String) {
    match (row.interface.split_once('/').unwrap().0, row.track) {
        (_, Track::V0_2) => ("wasi-0.2.12", format!("@0.2.{PATCH_MAX_0_2}")),
        (_, Track::V0_3) => ("wasi-0.3.0", "@0.3.0".into()),
        ("wasi:config", Track::Exact(version)) => ("wasi-config-0.2.0-rc.1", format!("@{version}")),
        ("wasi:keyvalue", Track::Exact(version)) => ("wasi-keyvalue-0.2.0-draft", format!("@{version}")),
        ("wasi:logging", Track::Exact("")) => ("wasi-logging", String::new()),
        ("wasi:logging", Track::Exact(version)) => ("wasi-logging-0.1.0-draft", format!("@{version}")),
        other => panic!("no WIT is pinned for {other:?}"),
    }
}

/// A component that imports this row's interface, whole.
fn importing(row: &Entry) -> Program {
    Program::from_component(&an_engine(), &with_world(row, "")).unwrap()
}

/// The bytes of a component that imports this row's interface, whole, and has these items in its world
/// beside it.
fn with_world(row: &Entry, items: &str) -> Vec<u8> {
    with_packages(row, items, "")
}

/// The same, where the items may name interfaces of these packages.
fn with_packages(row: &Entry, items: &str, packages: &str) -> Vec<u8> {
    let (pinned, version) = pinned(row);
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit").join(pinned).canonicalize().unwrap();
    // What a package needs is looked for in its directory `deps`: files of a package each, or directories.
    let own = tempfile::tempdir().unwrap();
    let world = format!(
        "package test:row;\ninterface used {{ use-it: func(); }}\n\
         world row {{ import {}{version}; {items} }}\n{packages}\n",
        row.interface
    );
    std::fs::write(own.path().join("row.wit"), world).unwrap();
    let deps = own.path().join("deps");
    let link = match row.track {
        Track::Exact(_) => {
            std::fs::create_dir(&deps).unwrap();
            deps.join("pinned")
        }
        Track::V0_2 | Track::V0_3 => deps,
    };
    std::os::unix::fs::symlink(wit, link).unwrap();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(own.path()).unwrap();
    let world = resolve.select_world(&[package], Some("row")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

fn with_grants(grants: &Grants) -> Task {
    Task { grants: grants.clone(), ..Task::ungranted("row", Run::Command) }
}

fn an_engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| engine(EngineKind::P3).unwrap()).clone()
}

/// Grants the capability and nothing else.
fn grant(grants: &mut Grants, capability: Capability) {
    match capability {
        Capability::Http => {
            let limits =
                HttpLimits { concurrency: 1, timeout_millis: 1, request_bytes: 1, response_bytes: 1 };
            grants.http = Some(HttpGrant { allow: vec![], ca_bundle: None, limits });
        }
        Capability::Filesystem => grants.filesystem.push(FilesystemGrant {
            volume: "data".into(),
            path: "/data".into(),
            sub_path: None,
            access: Access::ReadOnly,
        }),
        Capability::Sockets => grants.sockets = Some(SocketsGrant::default()),
        Capability::Keyvalue => {
            grants.keyvalue.push(KeyvalueGrant { bucket: "cache".into(), max_bytes: 1024 });
        }
        Capability::Logging => grants.logging = true,
        Capability::Config => {
            grants.config.push(ConfigEntry { key: "k".into(), value: Some("v".into()), file: None });
        }
        Capability::Environment => grants.environment = true,
    }
}

/// What the table says that it takes; the interfaces that its types come from take nothing.
fn needed(row: &Entry) -> Option<Capability> {
    match row.need {
        Need::Grant(capability) | Need::EmptyWithout(capability) => Some(capability),
        Need::Types | Need::Ambient(_) | Need::Ungrantable => None,
    }
}

fn with_all_but(capability: Option<Capability>) -> Grants {
    let mut grants = Grants::default();
    for other in Capability::ALL.into_iter().filter(|other| Some(*other) != capability) {
        grant(&mut grants, other);
    }
    grants
}

/// What is wrong where this should be linked.
fn linked(row: &Entry, program: &Program, grants: &Grants) -> Option<String> {
    link(program, &with_grants(grants)).err().map(|outcome| format!("{row:?} is not linked: {outcome:?}"))
}

/// What is wrong where this should be refused, by the row's own name and for this reason.
fn refused(row: &Entry, program: &Program, grants: &Grants, reason: &str) -> Option<String> {
    let Err(outcome) = link(program, &with_grants(grants)) else {
        return Some(format!("{row:?} is linked with {grants:?}"));
    };
    let message = outcome.message.unwrap_or_default();
    let right = outcome.code == code::IMPORT_DENIED
        && message.contains(&format!("import {}", row.interface))
        && message.contains(reason);
    (!right).then(|| format!("{row:?} is refused with {}: {message}", outcome.code))
}

/// What is wrong with a row: without a grant, with all others, with its own.
fn wrong(row: &Entry) -> Vec<String> {
    let program = importing(row);
    let capability = needed(row);
    let (none, others) = (Grants::default(), with_all_but(capability));
    let mut own = Grants::default();
    capability.into_iter().for_each(|capability| grant(&mut own, capability));
    let found = match row.need {
        Need::Grant(capability) => {
            let reason = format!("no {}", capability.field());
            let refused = |grants| refused(row, &program, grants, &reason);
            [refused(&none), refused(&others), linked(row, &program, &own)]
        }
        Need::EmptyWithout(_) | Need::Types | Need::Ambient(_) => {
            [&none, &others, &own].map(|grants| linked(row, &program, grants))
        }
        Need::Ungrantable => {
            let reason = "no field of this version grants it";
            [&none, &others, &own].map(|grants| refused(row, &program, grants, reason))
        }
    };
    found.into_iter().flatten().collect()
}

#[test]
fn each_row_is_linked_with_its_own_grant_and_refused_with_none_or_all_others() {
    let wrong: Vec<String> = TABLE.iter().flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The ambient rights that a program's imports need: interfaces of types alone bring others along.
fn ambient(program: &Program) -> Vec<Ambient> {
    let needs = rows(&program.world.imports).filter_map(|row| match row.need {
        Need::Ambient(ambient) => Some(ambient),
        _ => None,
    });
    needs.collect()
}

#[test]
fn each_ambient_row_is_refused_when_it_is_withheld_and_types_never_are() {
    for row in TABLE {
        let program = importing(row);
        let needed = ambient(&program);
        let others = Ambient::ALL.into_iter().filter(|other| !needed.contains(other)).collect();
        let others = Grants { withheld: others, ..Grants::default() };
        let wrong = match row.need {
            Need::Ambient(ambient) => {
                let withheld = Grants { withheld: vec![ambient], ..with_all_but(None) };
                let reason = format!("withheld by withhold: {ambient:?}");
                refused(row, &program, &withheld, &reason).or(linked(row, &program, &others))
            }
            Need::Types => linked(row, &program, &others),
            Need::Grant(_) | Need::EmptyWithout(_) | Need::Ungrantable => None,
        };
        assert_eq!(wrong, None);
    }
}
