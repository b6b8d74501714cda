//! Tests of `engine`.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::compile;
use morph_component::inspect;
use wasmtime::component::Component;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn bytes(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// Whether what reads components, and then each of the engines, take these bytes.
fn taken(text: &str) -> (bool, [bool; 4]) {
    let bytes = bytes(text);
    let by = |kind| compiling_engine(kind).unwrap().inner.precompile_component(&bytes).is_ok();
    (inspect(&bytes).is_ok(), EngineKind::ALL.map(by))
}

#[test]
fn code_of_the_compiling_engine_loads_into_the_running_one() {
    for kind in EngineKind::ALL {
        assert_eq!(engine_hash(kind).unwrap(), hash(&engine(kind).unwrap()), "{kind}");
        let code = compile(&bytes("(component)"), kind).unwrap();
        for running in [engine(kind).unwrap(), running_engine(kind).unwrap()] {
            // SAFETY: made by `compile` a line above.
            #[allow(unsafe_code)]
            let loaded = unsafe { Component::deserialize(&running.inner, &code) };
            assert!(loaded.is_ok(), "{kind}: {:?}", loaded.err());
        }
    }
}

#[test]
fn a_nodes_engines_cannot_compile() {
    for kind in EngineKind::OPTIMIZED {
        let engine = running_engine(kind).unwrap();
        assert!(engine.inner.precompile_component(&bytes("(component)")).is_err(), "{kind}");
    }
}

#[test]
fn no_two_engines_share_code() {
    let hashes: std::collections::BTreeSet<_> =
        EngineKind::ALL.map(|kind| engine_hash(kind).unwrap()).into_iter().collect();
    assert_eq!(hashes.len(), EngineKind::ALL.len());
}

#[test]
fn code_of_the_baseline_compiler_is_refused_by_the_engine_of_the_other() {
    let code = compile(&bytes("(component)"), EngineKind::P2Baseline).unwrap();
    // SAFETY: made by `compile` a line above.
    #[allow(unsafe_code)]
    let loaded = unsafe { Component::deserialize(&engine(EngineKind::P2).unwrap().inner, &code) };
    assert!(loaded.is_err());
}

#[test]
fn the_hash_is_the_same_in_every_process() {
    // One of another process would be read from a cache; within one, two engines must agree.
    for kind in EngineKind::ALL {
        let hash = engine_hash(kind).unwrap();
        assert_eq!(hash, engine_hash(kind).unwrap());
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    }
}

#[test]
fn making_engines_starts_no_thread() {
    let before = threads();
    let _engines = EngineKind::ALL.map(|kind| running_engine(kind).unwrap());
    assert_eq!(threads(), before);
}

#[test]
fn an_engine_keeps_no_descriptor_that_a_fork_would_get_wrong() {
    let _engines = EngineKind::ALL.map(|kind| running_engine(kind).unwrap());
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let open: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).collect();
    assert!(open.iter().all(|path| !path.ends_with("pagemap")), "{open:?}");
}

#[test]
fn what_is_off_is_off_in_the_reader_and_in_each_engine() {
    for (what, module) in [
        ("64-bit memory", "(memory i64 1)"),
        ("shared memory", "(memory 1 1 shared)"),
        ("exceptions", "(tag $t) (func throw $t)"),
        ("garbage collection", "(type (struct (field i32)))"),
        ("typed function references", "(type $f (func)) (func (param (ref $f)))"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
        ("wide arithmetic", "(func (param i64 i64) (result i64 i64) local.get 0 local.get 1 i64.mul_wide_s)"),
    ] {
        let text = format!("(component (core module {module}))");
        assert_eq!(taken(&text), (false, [false; 4]), "{what}");
    }
}

#[test]
fn what_is_on_is_on_in_the_reader_and_in_each_engine() {
    for (what, module) in [
        ("nothing", ""),
        ("several memories", "(memory 1) (memory 1)"),
        ("SIMD", "(func (result v128) v128.const i64x2 0 0)"),
        ("bulk memory", "(memory 1) (func i32.const 0 i32.const 0 i32.const 0 memory.fill)"),
        ("extended constants", "(global i32 i32.const 1 i32.const 2 i32.add)"),
        ("reference types", "(table 1 funcref) (func (result funcref) i32.const 0 table.get 0)"),
    ] {
        let text = format!("(component (core module {module}))");
        assert_eq!(taken(&text), (true, [true; 4]), "{what}");
    }
}

#[test]
fn what_the_baseline_compiler_lacks_is_on_in_the_reader_and_in_the_optimizing_engines() {
    for (what, module) in [
        ("tail calls", "(func $f return_call $f)"),
        (
            "relaxed SIMD",
            "(func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle)",
        ),
    ] {
        let text = format!("(component (core module {module}))");
        assert_eq!(taken(&text), (true, [true, true, false, false]), "{what}");
    }
}

#[test]
fn asynchronous_components_are_for_the_engine_of_0_3() {
    assert_eq!(taken("(component (type (stream u8)))"), (true, [false, true, false, true]));
}

#[test]
fn the_engine_is_chosen_by_the_versions_of_wasi() {
    for (imports, exports, want) in [
        (&["wasi:cli/stdout@0.2.3"][..], &["wasi:cli/run@0.2.0"][..], EngineKind::P2),
        (&[], &["wasi:http/handler@0.3.0"], EngineKind::P3),
        (&["wasi:cli/stdout@0.2.3", "wasi:clocks/types@0.3.0"], &["wasi:cli/run@0.2.0"], EngineKind::P3),
        (&["acme:own/thing@0.3.0"], &["wasi:cli/run@0.2.0"], EngineKind::P2),
        (&[], &[], EngineKind::P2),
    ] {
        let parse = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect();
        let world = World { imports: parse(imports), exports: parse(exports), ..World::default() };
        assert_eq!(EngineKind::of(&world), want, "{imports:?} {exports:?}");
    }
}

#[test]
fn one_part_of_wasi_0_3_has_the_whole_on_its_engine() {
    let world = |export: &str| World { exports: vec![export.parse().unwrap()], ..World::default() };
    let (old, new) = (world("wasi:cli/run@0.2.0"), world("wasi:http/handler@0.3.0"));
    assert_eq!(EngineKind::of_parts([&old, &old]), EngineKind::P2);
    for mixed in [[&old, &new], [&new, &old], [&new, &new]] {
        assert_eq!(EngineKind::of_parts(mixed), EngineKind::P3);
    }
}
