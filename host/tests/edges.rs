//! Components at the edges, written by hand: limits at the start, deep stacks, loops, things that can't run.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{EngineKind, LoadError, Program, code};
use support::{command, engine, guest, run, start, with_memory, with_run};

#[test]
fn what_run_returns_is_the_exit_code_in_both_generations() {
    for version in ["0.2.0", "0.2.12", "0.3.0"] {
        assert_eq!(run(with_run(version, "i32.const 0", ""), command(&[])).code, 0, "{version}");
        assert_eq!(run(with_run(version, "i32.const 1", ""), command(&[])).code, 1, "{version}");
    }
}

#[test]
fn a_loop_without_a_call_is_interrupted_in_both_generations() {
    for version in ["0.2.0", "0.3.0"] {
        let endless = with_run(version, "(loop $l br $l) unreachable", "");
        let ended = start(endless, command(&[]), "").stopped();
        assert_eq!(ended.code, code::STOPPED, "{version}: {ended:?}");
    }
}

#[test]
fn recursion_without_an_end_is_a_trap_that_says_so() {
    for version in ["0.2.0", "0.3.0"] {
        let deep = with_run(version, "call $deep i32.const 0", "(func $deep call $deep call $deep)");
        let ended = run(deep, command(&[]));
        assert_eq!(ended.code, code::TRAP, "{version}: {ended:?}");
        assert!(ended.message.contains("call stack exhausted"), "{version}: {}", ended.message);
        assert!(ended.message.len() < 8_000, "{} bytes of backtrace", ended.message.len());
    }
}

#[test]
fn names_of_functions_cannot_act_on_whoever_reads_the_message() {
    let name = format!("\u{1b}[2J{}", "x".repeat(10_000));
    let items = format!("(func (@name \"{}\") (export \"f\") unreachable)", name.replace('\u{1b}', "\\1b"));
    let ended = run(with_run("0.2.0", "call 0 i32.const 0", &items), command(&[]));
    assert_eq!(ended.code, code::TRAP, "{ended:?}");
    assert!(ended.message.starts_with("the guest trapped: wasm `unreachable`"), "{}", ended.message);
    assert!(ended.message.contains("\\u{1b}[2Jxxx") && ended.message.len() <= 4096, "{}", ended.message);
}

#[test]
fn more_memory_at_the_start_than_the_limit_is_that_limit() {
    let program = with_run("0.2.0", "i32.const 0", "(memory 48)");
    let ended = run(program.clone(), with_memory(command(&[]), 2));
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(ended.message.starts_with("limits.memory: the guest wanted 3145728 bytes"), "{}", ended.message);
    assert_eq!(run(program, with_memory(command(&[]), 3)).code, 0);
}

#[test]
fn a_growth_that_is_refused_and_borne_is_no_failure() {
    let grow = "(drop (memory.grow (i32.const 1000))) i32.const 0";
    let ended = run(with_run("0.2.0", grow, "(memory 1)"), with_memory(command(&[]), 1));
    assert_eq!((ended.code, ended.message.as_str()), (0, ""));
}

#[test]
fn a_growth_that_is_refused_and_trapped_on_is_that_limit() {
    let grow = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)) i32.const 0";
    let ended = run(with_run("0.2.0", grow, "(memory 1)"), with_memory(command(&[]), 1));
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(ended.message.contains("wasm backtrace"), "{}", ended.message);
}

#[test]
fn a_trap_that_no_limit_explains_is_a_trap_whatever_was_refused_before() {
    let divide = "(drop (memory.grow (i32.const 1000))) (i32.div_u (i32.const 1) (i32.const 0))";
    let ended = run(with_run("0.2.0", divide, "(memory 1)"), with_memory(command(&[]), 1));
    assert_eq!(ended.code, code::TRAP, "{ended:?}");
    assert!(ended.message.contains("integer divide by zero"), "{}", ended.message);
}

#[test]
fn a_table_past_the_bound_is_a_limit() {
    let grow =
        "(if (i32.eq (table.grow 0 (ref.null func) (i32.const 70000)) (i32.const -1)) (then unreachable))
        i32.const 0";
    let ended = run(with_run("0.2.0", grow, "(table 1 funcref)"), command(&[]));
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(ended.message.contains("a table of 70001 elements"), "{}", ended.message);
}

#[test]
fn a_memory_of_four_gibibytes_fits_where_it_is_granted() {
    let grow = "(i32.eq (memory.grow (i32.const 65535)) (i32.const -1))";
    let program = with_run("0.2.0", grow, "(memory 1)");
    assert_eq!(run(program.clone(), with_memory(command(&[]), 4096)).code, 0);
    assert_eq!(run(program, with_memory(command(&[]), 4095)).code, 1);
}

#[test]
fn a_library_is_no_command_and_says_what_it_exports() {
    let ended = run(guest("library"), command(&[]));
    assert_eq!(ended.code, code::BAD_COMPONENT);
    assert!(ended.message.contains("Command"), "{}", ended.message);
}

#[test]
fn a_file_that_is_not_our_code_is_not_loaded() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let p2 = morph_host::compile(&wat::parse_str("(component)").unwrap(), EngineKind::P2).unwrap();
    for (what, bytes) in
        [("empty", &[][..]), ("text", b"hello"), ("half", &p2[..p2.len() / 2]), ("p2's", &p2)]
    {
        std::fs::write(file.path(), bytes).unwrap();
        let error = Program::load(&engine(EngineKind::P3), file.path()).unwrap_err();
        assert!(matches!(error, LoadError::Code { .. }), "{what}: {error}");
        assert!(error.to_string().contains("no code of the p3 engine"), "{what}: {error}");
    }
    assert!(Program::load(&engine(EngineKind::P2), file.path()).is_ok());
}

#[test]
fn bytes_that_are_no_component_are_not_compiled() {
    let core = wat::parse_str("(module)").unwrap();
    for (bytes, why) in [
        (&b""[..], "it is empty"),
        (b"(component)", "it looks like the text format"),
        (&core, "core WebAssembly module"),
    ] {
        for kind in EngineKind::ALL {
            let error = morph_host::compile(bytes, kind).unwrap_err();
            assert!(error.to_string().contains(why), "{why}: {error}");
        }
    }
}
