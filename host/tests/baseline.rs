//! Guests on code of the baseline compiler: what holds for optimized code holds for it too.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{EngineKind, Program, code};
use support::http::{block_on, get, serve, server};
use support::{command, engine, guest_on, run, start, with_memory};

fn guest(name: &str) -> Program {
    guest_on(name, EngineKind::baseline)
}

#[test]
fn commands_of_both_versions_have_their_arguments_and_codes() {
    for name in ["command", "command-p3"] {
        let ended = run(guest(name), command(&["show", "me"]));
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "arg show\narg me\n"), "{name}: {ended:?}");
        assert_eq!(run(guest(name), command(&["exit", "3"])).code, 3, "{name}");
    }
}

#[test]
fn servers_of_both_versions_and_of_another_language_answer() {
    for name in ["hello", "hello-p3", "javascript"] {
        let (running, address) = serve(guest(name), server(0, 10));
        assert_eq!(block_on(get(address, "/one")).status, 200, "{name}");
        assert_eq!(running.stopped().code, 0, "{name}");
    }
}

#[test]
fn a_guest_that_loops_is_interrupted() {
    let running = start(guest("command"), command(&["loop"]), "");
    assert_eq!(running.stopped().code, code::STOPPED);
}

#[test]
fn a_trap_and_a_memory_limit_have_their_reasons() {
    let ended = run(guest("command"), command(&["trap"]));
    assert_eq!(ended.code, code::TRAP);
    assert!(ended.message.starts_with("the guest trapped: wasm `unreachable`"), "{}", ended.message);
    let ended = run(guest("command"), with_memory(command(&["memory", "64"]), 32));
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(ended.message.contains("limits.memory"), "{}", ended.message);
}

/// A command that calls itself so often, keeping so many values over each call, and then succeeds.
fn recursing(depth: u32, values: u32) -> Vec<u8> {
    let each = |text: &dyn Fn(u32) -> String| (1..=values).map(text).collect::<String>();
    // Each value is loaded anew, so that no compiler can make it again instead of keeping it.
    let keep = each(&|n| {
        let address = 8 * n;
        format!("(local.set {n} (i64.load offset={address} (i32.wrap_i64 (local.get 0))))")
    });
    let used = each(&|n| format!("(i64.store offset={} (i32.const 0) (local.get {n}))", 8 * n));
    let declared = "(local i64)".repeat(values as usize);
    let text = format!(
        r#"(component
            (core module $m
                (memory 2)
                (func $deep (param i64) {declared}
                    {keep}
                    (if (i64.eqz (local.get 0)) (then (return)))
                    (call $deep (i64.sub (local.get 0) (i64.const 1)))
                    {used})
                (func (export "run") (result i32) (call $deep (i64.const {depth})) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.3" (instance $r)))"#
    );
    wat::parse_str(text).unwrap()
}

/// The deepest recursion that succeeds, found by halving.
fn deepest(kind: EngineKind, values: u32) -> u32 {
    let runs = |depth| {
        let program = Program::from_component(&engine(kind), &recursing(depth, values)).unwrap();
        run(program, command(&[])).code == 0
    };
    let (mut good, mut bad) = (1_u32, 60_000);
    while bad - good > 500 {
        let middle = good.midpoint(bad);
        if runs(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

#[test]
fn recursion_that_optimized_code_bears_does_not_trap() {
    for values in [0, 4, 32] {
        let (optimized, baseline) =
            (deepest(EngineKind::P2, values), deepest(EngineKind::P2Baseline, values));
        assert!(baseline >= optimized, "{values} values: {baseline} calls instead of {optimized}");
    }
}
