//! Compositions of real components: each part has its own rights, also where one does for the other what it is
//! asked for.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_component::{Host, InterfaceId, MAIN, Part, Plan, compose, inspect, plan};
use morph_grant::interfaces::{Lookup, Need, lookup};
use morph_grant::{Access, Ambient, FilesystemGrant, Grants};
use morph_host::{EngineKind, Plug, Preopen, Program, Task, code};
use std::path::Path;
use std::sync::OnceLock;
use support::{Ended, command, engine, guest_bytes, run, with_directory};

/// What the host makes of an import, before anybody asks for rights.
fn host(_: &str, import: &InterfaceId) -> Host {
    match lookup(import) {
        Lookup::Known(row) if row.need == Need::Types => Host::Shares,
        Lookup::Known(_) => Host::Serves,
        Lookup::UnknownVersion | Lookup::Unknown => Host::Unknown,
    }
}

/// The composition of the two guests, compiled once.
fn composition() -> (Program, Plan) {
    static COMPOSITION: OnceLock<(Program, Plan)> = OnceLock::new();
    let made = COMPOSITION.get_or_init(|| {
        let parts = ["part-main", "part-plug"].map(guest_bytes);
        let worlds = parts.each_ref().map(|bytes| inspect(bytes).unwrap());
        let part = |name, world| Part { name, world };
        let plan = plan(part(MAIN, &worlds[0]), &[part("plug", &worlds[1])], &[], host).unwrap();
        let bytes = compose(&plan, &[&parts[0], &parts[1]]).unwrap();
        (Program::from_component(&engine(EngineKind::P2), &bytes).unwrap(), plan)
    });
    made.clone()
}

fn plug() -> Plug {
    Plug { name: "plug".into(), env: Vec::new(), preopens: Vec::new(), grants: Grants::default() }
}

fn composed(mut task: Task, plug: Plug) -> Ended {
    let (program, plan) = composition();
    task.plugs = vec![plug];
    task.labels = plan.labels().collect();
    run(program, task)
}

/// What a part says, or why it doesn't.
fn says(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr).trim_end().to_owned()
}

#[test]
fn parts_call_each_other() {
    assert_eq!(says(&composed(command(&["count"]), plug())), "42");
    assert_eq!(says(&composed(command(&["echo", "the", "same"]), plug())), "the same");
}

#[test]
fn each_part_has_an_environment_of_its_own() {
    let of = |who| {
        let mut task = command(&[who, "env"]);
        task.env = vec![("MAIN".into(), "1".into())];
        let mut plug = plug();
        plug.grants.environment = true;
        plug.env = vec![("PLUG".into(), "2".into())];
        says(&composed(task, plug))
    };
    assert_eq!(of("self"), "MAIN=1");
    assert_eq!(of("plug"), "PLUG=2");
}

#[test]
fn a_part_without_an_environment_has_none_though_another_has() {
    let mut task = command(&["plug", "env"]);
    task.env = vec![("SECRET".into(), "main's".into())];
    assert_eq!(says(&composed(task, plug())), "");
    assert_eq!(says(&composed(command(&["plug", "args"]), plug())), "");
}

/// Each part with a directory at the same path, each with a file of its own.
fn with_files(args: &[&str], main: (&Path, Access), other: (&Path, Access)) -> Ended {
    let mut plug = plug();
    let (path, access) = ("/data".to_owned(), other.1);
    let grant = FilesystemGrant { volume: "other".into(), path: path.clone(), sub_path: None, access };
    plug.grants.filesystem = vec![grant];
    plug.preopens = vec![Preopen { path, directory: other.0.to_owned(), access }];
    composed(with_directory(command(args), main.0, "/data", main.1), plug)
}

#[test]
fn each_part_sees_its_own_directories_under_the_same_path() {
    let (main, plug) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(main.path().join("whose"), "main's").unwrap();
    std::fs::write(plug.path().join("whose"), "the plug's").unwrap();
    let of =
        |args: &[&str]| with_files(args, (main.path(), Access::ReadOnly), (plug.path(), Access::ReadWrite));
    assert_eq!(says(&of(&["self", "read", "/data/whose"])), "main's");
    assert_eq!(says(&of(&["plug", "read", "/data/whose"])), "the plug's");
    assert_eq!(of(&["self", "write", "/data/new", "x"]).code, 1, "main may only read");
    assert_eq!(of(&["plug", "write", "/data/new", "x"]).code, 0, "the plug may write");
    assert!(plug.path().join("new").exists() && !main.path().join("new").exists());
}

#[test]
fn a_part_without_directories_reads_nothing_though_another_can() {
    let main = tempfile::tempdir().unwrap();
    std::fs::write(main.path().join("whose"), "main's").unwrap();
    let of = |who| {
        let task = command(&[who, "read", "/data/whose"]);
        composed(with_directory(task, main.path(), "/data", Access::ReadWrite), plug())
    };
    assert_eq!(says(&of("self")), "main's");
    let denied = of("plug");
    assert!(denied.code == 1 && !says(&denied).contains("main's"), "{denied:?}");
}

#[test]
fn what_is_withheld_from_a_part_keeps_the_whole_from_starting_and_names_it() {
    let mut plug = plug();
    plug.grants.withheld = vec![Ambient::Clocks];
    let ended = composed(command(&["self", "env"]), plug);
    assert_eq!(ended.code, code::IMPORT_DENIED, "{ended:?}");
    assert!(ended.message.contains("of part plug is not granted: withheld by withhold: Clocks"), "{ended:?}");
}

#[test]
fn a_plug_writes_into_the_pods_log() {
    assert_eq!(says(&composed(command(&["plug", "print", "from the plug"]), plug())), "from the plug");
}

#[test]
fn a_fixed_clock_of_one_part_is_not_the_others() {
    let mut plug = plug();
    let clock = morph_grant::Determinism { seed: None, clock_unix_millis: Some(0), clock_step_millis: None };
    plug.grants.determinism = Some(clock);
    assert_eq!(says(&composed(command(&["plug", "year"]), plug.clone())), "1970");
    assert_ne!(says(&composed(command(&["self", "year"]), plug)), "1970");
}

#[test]
fn a_trap_names_the_part_that_it_came_from() {
    for (who, part) in [("self", "main"), ("plug", "plug")] {
        let ended = composed(command(&[who, "trap"]), plug());
        assert_eq!(ended.code, code::TRAP, "{ended:?}");
        assert!(ended.message.contains(&format!("in part {part}")), "{ended:?}");
    }
}

#[test]
fn the_memory_of_all_parts_is_bounded_together() {
    let within = support::with_memory(command(&["plug", "memory", "8"]), 32);
    assert_eq!(says(&composed(within, plug())), (8 << 20).to_string());
    let past = composed(support::with_memory(command(&["plug", "memory", "64"]), 32), plug());
    assert_eq!(past.code, code::LIMIT, "{past:?}");
    assert!(past.message.contains("limit memory"), "{past:?}");
}

#[test]
fn a_plug_that_exits_ends_the_whole_with_its_code() {
    assert_eq!(
        composed(command(&["plug", "exit", "7"]), plug()).code,
        1,
        "0.2 knows success and failure alone"
    );
}
