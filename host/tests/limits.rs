//! Limits of whole components: what has too many parts isn't loaded, what takes too much ends and says why.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{
    COMPONENT_HANDLES_MAX, CORE_INSTANCES_MAX, EngineKind, HOST_COPY_BYTES_MAX, MEMORIES_MAX, Program,
    TABLES_MAX, code,
};
use support::http::{block_on, get, serve, server};
use support::{command, engine, proxy, run, with_memory};

/// A command of so many core instances with these items each, beside one with `run`.
fn parts(count: u32, items: &str) -> Vec<u8> {
    let instances = "(core instance (instantiate $part))".repeat(count as usize);
    let text = format!(
        r#"(component
            (core module $part {items})
            {instances}
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn as_many_parts_as_are_allowed_run_and_one_more_is_not_loaded() {
    for (what, items, allowed) in [
        ("coreInstances", "", CORE_INSTANCES_MAX - 1), // one has `run`
        ("memories", "(memory 1)", MEMORIES_MAX),
    ] {
        for kind in EngineKind::ALL {
            let load = |count| Program::from_component(&engine(kind), &parts(count, items));
            let ended = run(load(allowed).unwrap(), command(&[]));
            assert_eq!(ended.code, 0, "{allowed} {what}, {kind}: {ended:?}");
            let error = load(allowed + 1).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("limit {what}: the component has more than may be"),
                "{kind}"
            );
        }
    }
}

#[test]
fn a_core_instance_has_one_table_and_all_may_have_theirs() {
    let load = |count, items| Program::from_component(&engine(EngineKind::P2), &parts(count, items));
    assert!(load(TABLES_MAX - 1, "(table 1 funcref)").is_ok());
    let error = load(1, "(table 1 funcref) (table 1 funcref)").unwrap_err();
    assert_eq!(error.to_string(), "limit tables: the component has more than may be");
}

#[test]
fn a_table_that_begins_too_large_is_not_loaded() {
    let load = |items| Program::from_component(&engine(EngineKind::P2), &parts(1, items));
    assert!(load("(table 65536 funcref)").is_ok());
    let error = load("(table 65537 funcref)").unwrap_err();
    assert_eq!(error.to_string(), "limit tableElements: the component has more than may be");
}

#[test]
fn memories_of_all_parts_count_together() {
    let program = Program::from_component(&engine(EngineKind::P2), &parts(8, "(memory 16)")).unwrap();
    assert_eq!(run(program.clone(), with_memory(command(&[]), 8)).code, 0);
    let ended = run(program, with_memory(command(&[]), 7));
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(ended.message.contains("wanted 8388608 bytes of memory, 7340032 are allowed"), "{ended:?}");
}

/// The status that a guest's answer has, and what is said of it.
fn asked(handle: &str) -> (u16, String) {
    let (running, address) = serve(proxy(handle), server(0, 10));
    let status = block_on(get(address, "/")).status;
    let ended = running.stopped();
    assert_eq!(ended.code, 0, "{ended:?}");
    (status, ended.stderr)
}

#[test]
fn a_guest_that_takes_handles_without_an_end_fails_at_the_bound() {
    let make = |count: usize| {
        format!(
            "(loop $more
                (drop (call $fields))
                (local.set $other (i32.add (local.get $other) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $other) (i32.const {count}))))
            (call $finish (call $answer (local.get $out)) (i32.const 0) (i32.const 0) (i32.const 1024))"
        )
    };
    // Some are for the request and the answer.
    let (status, words) = asked(&make(COMPONENT_HANDLES_MAX - 10));
    assert_eq!((status, words.as_str()), (200, ""));
    let (status, words) = asked(&make(COMPONENT_HANDLES_MAX + 1));
    assert_eq!(status, 500, "{words}");
    assert!(words.starts_with("morph: limit handles: the guest wanted more than the 10000"), "{words}");
}

#[test]
fn a_guest_that_hands_too_much_to_one_call_fails_and_the_host_copies_none_of_it() {
    let write = |bytes: usize| {
        format!(
            "(drop (memory.grow (i32.const 300)))
            (call $append (call $fields) (i32.const 4096) (i32.const 5) (i32.const 65536) (i32.const {bytes})
                (i32.const 1024))
            (call $finish (call $answer (local.get $out)) (i32.const 0) (i32.const 0) (i32.const 1024))"
        )
    };
    let (status, words) = asked(&write(HOST_COPY_BYTES_MAX + 1));
    assert_eq!(status, 500, "{words}");
    assert!(words.starts_with("morph: limit hostCopyBytes: the guest handed more than 16777216"), "{words}");
    let (status, words) = asked(&write(1000));
    assert_eq!((status, words.as_str()), (200, ""));
}
