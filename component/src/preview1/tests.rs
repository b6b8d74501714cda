//! Tests of commands of WASI preview 1: what becomes a component, of which world, and what doesn't.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::samples::{command, text};
use crate::{FEATURES, Kind, Preview, inspect};

/// A command that imports these functions, by name and type in the text format.
fn importing(functions: &[(&str, &str)]) -> Vec<u8> {
    let imports: String = functions
        .iter()
        .map(|(name, type_)| format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func {type_}))\n"))
        .collect();
    text(&format!("(module {imports} (memory (export \"memory\") 1) (func (export \"_start\")))"))
}

const FD_WRITE: (&str, &str) = ("fd_write", "(param i32 i32 i32 i32) (result i32)");
const PROC_EXIT: (&str, &str) = ("proc_exit", "(param i32)");
const ARGS_GET: (&str, &str) = ("args_get", "(param i32 i32) (result i32)");
const RANDOM_GET: (&str, &str) = ("random_get", "(param i32 i32) (result i32)");
const CLOCK_TIME_GET: (&str, &str) = ("clock_time_get", "(param i32 i64 i32) (result i32)");
const PATH_OPEN: (&str, &str) = ("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)");

fn imports(bytes: &[u8]) -> Vec<String> {
    inspect(bytes).unwrap().imports.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_refused(module: &str, wanted: &Problem) {
    let bytes = text(module);
    for error in [inspect(&bytes).unwrap_err(), adapt(&bytes).unwrap_err()] {
        assert!(matches!(&error, Error::Preview1(problem) if problem == wanted), "{error}");
        assert!(
            error.to_string().starts_with("this is a core WebAssembly module of WASI preview 1"),
            "{error}"
        );
    }
}

#[test]
fn a_command_of_preview_1_runs_as_a_command_of_0_2() {
    let world = inspect(&importing(&[FD_WRITE])).unwrap();
    let run = world.run().unwrap();
    assert_eq!((run.kind, run.preview), (Kind::Command, Preview::P2));
    assert!(world.exports.iter().all(|export| export.is("wasi", "cli", "run")), "{:?}", world.exports);
}

#[test]
fn what_the_module_does_not_import_the_component_does_not_either() {
    let has = |functions: &[_], interface: &str| {
        imports(&importing(functions)).iter().any(|import| import.starts_with(interface))
    };
    for (function, interface) in [
        (PROC_EXIT, "wasi:cli/exit@0.2."),
        (ARGS_GET, "wasi:cli/environment@0.2."),
        (RANDOM_GET, "wasi:random/random@0.2."),
        (CLOCK_TIME_GET, "wasi:clocks/wall-clock@0.2."),
        (FD_WRITE, "wasi:cli/stdout@0.2."),
        (PATH_OPEN, "wasi:filesystem/preopens@0.2."),
    ] {
        assert!(has(&[function], interface), "{interface}: {:?}", imports(&importing(&[function])));
        assert!(!has(&[], interface), "{interface} without any import");
    }
    assert!(!has(&[FD_WRITE], "wasi:random/"), "{:?}", imports(&importing(&[FD_WRITE])));
}

#[test]
fn the_world_is_that_of_the_component_that_is_compiled() {
    for functions in [
        &[][..],
        &[FD_WRITE],
        &[PATH_OPEN, ARGS_GET],
        &[FD_WRITE, FD_WRITE],
        &[FD_WRITE, PROC_EXIT, ARGS_GET, RANDOM_GET, CLOCK_TIME_GET, PATH_OPEN],
    ] {
        let module = importing(functions);
        let component = adapt(&module).unwrap();
        assert_eq!(inspect(&component).unwrap(), inspect(&module).unwrap(), "{functions:?}");
    }
}

#[test]
fn every_function_of_the_adapter_may_be_imported() {
    assert!(FUNCTIONS.len() >= 45, "{:?}", FUNCTIONS.keys());
    let all: Vec<Import> = FUNCTIONS.iter().map(|(name, type_)| (name.clone(), type_.clone())).collect();
    let functions: Vec<Import> = all.into_iter().filter(|(name, _)| !is_the_components(name)).collect();
    let world = inspect(&module(&functions)).unwrap();
    assert_eq!(world.run().unwrap().kind, Kind::Command);
    for import in &world.imports {
        assert_eq!(
            (import.namespace.as_str(), import.version.as_ref().unwrap().minor),
            ("wasi", 2),
            "{import}"
        );
    }
}

/// What it exports to the component round it: its entry, and what allocates.
fn is_the_components(name: &str) -> bool {
    name.contains('#') || name.starts_with("cabi_")
}

#[test]
fn the_same_module_gives_the_same_component_always() {
    let module = importing(&[FD_WRITE, ARGS_GET]);
    assert_eq!(adapt(&module).unwrap(), adapt(&module).unwrap());
}

#[test]
fn a_component_stays_as_it_is() {
    let component = command();
    assert!(matches!(adapt(&component).unwrap(), Cow::Borrowed(same) if same == component));
}

#[test]
fn what_a_language_puts_round_its_program_does_not_matter() {
    let module = text(
        r#"(module (@custom "name" "\00\02\01m") (@custom "producers" "\00")
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2 16)
            (table (export "__indirect_function_table") 1 funcref) (elem (i32.const 0) $start)
            (global (export "__stack_pointer") (mut i32) (i32.const 65536))
            (data (i32.const 8) "text")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
            (func $start (export "_start") i32.const 1 i32.const 0 i32.const 0 i32.const 0 call $write drop))"#,
    );
    assert_eq!(inspect(&module).unwrap(), inspect(&importing(&[FD_WRITE])).unwrap());
    assert_eq!(inspect(&adapt(&module).unwrap()).unwrap(), inspect(&module).unwrap());
}

#[test]
fn a_module_that_is_no_command_is_told_why() {
    let write = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    let memory = r#"(memory (export "memory") 1)"#;
    let start = r#"(func (export "_start"))"#;
    check_refused(&format!("(module {write} {memory})"), &Problem::NoStart);
    check_refused(&format!("(module {write} {memory} (func (export \"_initialize\")))"), &Problem::Reactor);
    check_refused(&format!("(module {write} {start})"), &Problem::NoMemory);
    check_refused(&format!("(module {write} {start} (memory 1))"), &Problem::NoMemory);
    check_refused(
        &format!("(module {write} {memory} (func (export \"_start\") (param i32)))"),
        &Problem::StartType,
    );
    check_refused(
        &format!("(module {memory} (global (export \"_start\") i32 (i32.const 0)))"),
        &Problem::StartType,
    );
    check_refused(
        &format!("(module (@custom \"component-type:own\" \"x\") {write} {memory} {start})"),
        &Problem::Half { section: "component-type:own".into() },
    );
}

#[test]
fn an_import_of_anybody_else_is_named() {
    for (module, name, type_) in [
        ("env", "abort", "(func)"),
        ("wasi_unstable", "fd_write", "(func (param i32 i32 i32 i32) (result i32))"),
        ("wasi_snapshot_preview1", "fd_fly", "(func)"),
        ("wasi_snapshot_preview1", "fd_write", "(func (param i32))"),
        ("wasi_snapshot_preview1", "fd_write", "(global i32)"),
        ("wasi", "thread-spawn", "(func (param i32) (result i32))"),
        ("wasi:cli/exit@0.2.0", "exit", "(func (param i32))"),
        ("__main_module__", "_start", "(func)"),
        ("env", "memory", "(memory 1)"),
    ] {
        let import = format!("(import \"{module}\" \"{name}\" {type_})");
        let memory = if type_.starts_with("(memory") {
            "(export \"memory\" (memory 0))"
        } else {
            "(memory (export \"memory\") 1)"
        };
        check_refused(
            &format!("(module {import} {memory} (func (export \"_start\")))"),
            &Problem::Import { name: format!("{module}.{name}") },
        );
    }
}

#[test]
fn a_name_in_an_error_is_bounded() {
    let name = "x".repeat(10_000);
    let module = format!(
        "(module (import \"{name}\" \"{name}\" (func)) (memory (export \"memory\") 1) (func (export \"_start\")))"
    );
    assert!(inspect(&text(&module)).unwrap_err().to_string().len() < 400);
}

#[test]
fn a_module_without_preview_1_is_a_core_module_and_nothing_more() {
    for module in ["(module)", "(module (func (export \"run\")))", "(module (import \"env\" \"x\" (func)))"] {
        assert!(matches!(inspect(&text(module)).unwrap_err(), Error::CoreModule), "{module}");
        assert!(matches!(adapt(&text(module)).unwrap_err(), Error::CoreModule), "{module}");
    }
}

#[test]
fn a_module_is_validated_like_a_component() {
    let invalid = text(
        "(module (memory (export \"memory\") 1) (func (export \"_start\")) (func (result i32) i64.const 0))",
    );
    assert!(matches!(inspect(&invalid).unwrap_err(), Error::Invalid { .. }));
    assert!(matches!(adapt(&invalid).unwrap_err(), Error::Invalid { .. }));
    let memory64 = text("(module (memory (export \"memory\") i64 1) (func (export \"_start\")))");
    assert!(matches!(inspect(&memory64).unwrap_err(), Error::Invalid { .. }));
    let whole = importing(&[FD_WRITE]);
    assert!(matches!(inspect(&whole[..whole.len() - 3]).unwrap_err(), Error::Truncated { .. }));
}

#[test]
fn more_imports_than_are_looked_at_are_refused() {
    let many = |count| importing(&vec![RANDOM_GET; count]);
    assert!(inspect(&many(IMPORTS_MAX)).is_ok());
    let error = inspect(&many(IMPORTS_MAX + 1)).unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "imports", .. }), "{error}");
}

#[test]
fn the_adapter_needs_nothing_that_the_engines_have_off() {
    wasmparser::Validator::new_with_features(FEATURES).validate_all(preview1_adapter()).unwrap();
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_it(at in 8usize..400, byte: u8) {
        let mut module = importing(&[FD_WRITE, ARGS_GET]);
        let at = at % module.len();
        module[at] = byte;
        if let Ok(component) = adapt(&module) {
            // What was adapted is what was looked at.
            proptest::prop_assert_eq!(inspect(&component).ok(), inspect(&module).ok());
        }
    }
}
