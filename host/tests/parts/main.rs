//! Compositions of real components: each part has its own rights, also where one does for the other what it
//! is asked for.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod asking;
mod between;
mod granted;
mod handles;
mod mixed;
#[path = "../../src/egress/client/server.rs"]
#[allow(dead_code, unreachable_pub)]
mod server;
mod serving;
#[path = "../support/mod.rs"]
mod support;

use morph_component::{
    Choice, Host, InterfaceId, MAIN, Part, Plan, PlanErrors, Target, compose, inspect, plan,
};
use morph_grant::{Access, Ambient, FilesystemGrant, Grants};
use morph_host::{EngineKind, Plug, Preopen, Program, Task, code};
use std::path::Path;
use support::{Ended, command, guest_bytes, program_of, run, with_directory, with_memory};

/// What the host makes of an import, before anybody asks for rights.
fn host(_: &str, import: &InterfaceId) -> Host {
    morph_grant::host(import, &Grants::of_each_capability())
}

/// A plan for components, each with its part's name, the main one first; and links, as a Morph spells them.
fn planned(parts: &[(&str, &[u8])], links: &[(&str, &str, &str)]) -> Result<Plan, PlanErrors> {
    let worlds: Vec<_> = parts.iter().map(|(_, bytes)| inspect(bytes).unwrap()).collect();
    let parts: Vec<_> = parts.iter().zip(&worlds).map(|((name, _), world)| Part { name, world }).collect();
    let links: Vec<_> =
        links.iter().map(|(from, interface, to)| (*from, interface.parse().unwrap(), *to)).collect();
    let choices: Vec<_> =
        links.iter().map(|(from, interface, to)| Choice { from, interface, to: Target::of(to) }).collect();
    plan(parts[0], &parts[1..], &choices, host)
}

/// A composition of guests, each with its part's name, the main component first, on the engine that fits.
fn composition(parts: &[(&str, &str)], links: &[(&str, &str, &str)]) -> (Program, Plan) {
    composition_on(parts, links, |kind| kind)
}

/// The same on an engine that is chosen by the one that fits.
fn composition_on(
    parts: &[(&str, &str)],
    links: &[(&str, &str, &str)],
    engine_of: impl FnOnce(EngineKind) -> EngineKind,
) -> (Program, Plan) {
    let bytes: Vec<Vec<u8>> = parts.iter().map(|(_, guest)| guest_bytes(guest)).collect();
    let bytes: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
    let named: Vec<_> = parts.iter().zip(&bytes).map(|((name, _), bytes)| (*name, *bytes)).collect();
    let plan = planned(&named, links).unwrap();
    let worlds: Vec<_> = bytes.iter().map(|bytes| inspect(bytes).unwrap()).collect();
    let kind = engine_of(EngineKind::of_parts(&worlds));
    (program_of(&compose(&plan, &bytes).unwrap(), kind), plan)
}

/// A plug without any right.
fn plug() -> Plug {
    Plug { name: "plug".into(), env: Vec::new(), preopens: Vec::new(), grants: Grants::default() }
}

/// Runs a composition; plugs by name.
fn run_composed((program, plan): (Program, Plan), mut task: Task, plugs: Vec<Plug>) -> Ended {
    task.plugs = plugs;
    task.labels = plan.labels().collect();
    run(program, task)
}

/// The two guests that need no grant.
fn composed(task: Task, plug: Plug) -> Ended {
    run_composed(composition(&[(MAIN, "part-main"), ("plug", "part-plug")], &[]), task, vec![plug])
}

/// What a part says, or why it doesn't.
fn says(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr).trim_end().to_owned()
}

/// With a directory at `/data`.
fn plug_with(directory: &Path, access: Access) -> Plug {
    let mut plug = plug();
    let path = "/data".to_owned();
    let grant = FilesystemGrant { volume: "other".into(), path: path.clone(), sub_path: None, access };
    plug.grants.filesystem = vec![grant];
    plug.preopens = vec![Preopen { path, directory: directory.to_owned(), access }];
    plug
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
    let task = with_directory(command(args), main.0, "/data", main.1);
    composed(task, plug_with(other.0, other.1))
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
    for who in ["self", "plug"] {
        let within = composed(with_memory(command(&[who, "memory", "20"]), 32), plug());
        assert_eq!(says(&within), (20 << 20).to_string());
    }
    for (args, part) in [(["plug", "memory", "40"], "plug"), (["both", "memory", "20"], "plug")] {
        let past = composed(with_memory(command(&args), 32), plug());
        assert_eq!(past.code, code::LIMIT, "{past:?}");
        assert!(past.message.starts_with("limits.memory: "), "{past:?}");
        assert!(past.message.contains(&format!(", in part {part}")), "{past:?}");
    }
}

#[test]
fn a_plug_that_exits_ends_the_whole_with_its_code() {
    assert_eq!(
        composed(command(&["plug", "exit", "7"]), plug()).code,
        1,
        "0.2 knows success and failure alone"
    );
}
