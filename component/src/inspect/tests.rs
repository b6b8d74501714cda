//! Tests of reading bytes: real components, and every kind of bytes that is none.
#![allow(clippy::unwrap_used, clippy::panic)]

mod hostile;

use super::*;
use crate::samples::{command, component, server, text};
use proptest::prelude::*;

fn ids<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_refused(bytes: &[u8], wanted: &str) {
    let error = inspect(bytes).unwrap_err().to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn a_command_tells_its_imports_and_exports() {
    let world = inspect(&command()).unwrap();
    assert_eq!(ids(&world.imports), ["wasi:cli/stdout@0.2.3"]);
    assert_eq!(ids(&world.exports), ["wasi:cli/run@0.2.3"]);
    assert_eq!(world.plain_exports, Vec::<String>::new());
}

#[test]
fn imports_are_sorted_and_those_that_types_need_are_among_them() {
    let world = inspect(&server()).unwrap();
    assert_eq!(
        ids(&world.imports),
        ["wasi:filesystem/preopens@0.2.3", "wasi:filesystem/types@0.2.3", "wasi:http/outgoing-handler@0.2.3"]
    );
}

#[test]
fn one_interface_of_two_versions_is_two_imports() {
    let world =
        component("import wasi:cli/stdout@0.2.3; import wasi:cli/stdout@0.3.0; export wasi:cli/run@0.2.3;");
    assert_eq!(ids(&inspect(&world).unwrap().imports), ["wasi:cli/stdout@0.2.3", "wasi:cli/stdout@0.3.0"]);
}

#[test]
fn what_a_nested_component_imports_is_its_own_affair() {
    let nested = text(
        r#"(component
            (component (import "acme:clock/now@0.1.0" (instance)) (export "x" (instance 0)))
        )"#,
    );
    assert_eq!(inspect(&nested).unwrap(), World::default());
}

#[test]
fn exports_by_a_bare_name_are_kept_apart() {
    let world = inspect(&component("export go: func();")).unwrap();
    assert_eq!((ids(&world.exports).len(), world.plain_exports), (0, vec!["go".to_owned()]));
}

#[test]
fn a_core_module_is_told_apart_and_what_to_do() {
    check_refused(&text("(module)"), "this is a core WebAssembly module, not a component");
    assert!(matches!(inspect(&text("(module (func))")).unwrap_err(), Error::CoreModule));
}

#[test]
fn what_is_no_webassembly_is_named_by_its_looks() {
    for (bytes, wanted) in [
        (&b""[..], "it is empty"),
        (b"\x1f\x8b\x08rest", "compressed with gzip"),
        (b"\x28\xb5\x2f\xfdrest", "compressed with zstd"),
        (b"\x7fELFrest", "a native program"),
        (b"(component)", "the text format"),
        (b"#!/bin/sh", "a script"),
        (b"hello", "does not start with \\0asm"),
        (b"\0as", "does not start with \\0asm"),
    ] {
        check_refused(bytes, wanted);
        assert!(matches!(inspect(bytes).unwrap_err(), Error::NotWasm { .. }), "{wanted}");
    }
}

#[test]
fn a_component_that_was_cut_off_says_so() {
    let whole = command();
    for kept in [9, 10, 11, whole.len() - 1] {
        let error = inspect(&whole[..kept]).unwrap_err();
        assert!(matches!(error, Error::Truncated { size_bytes, .. } if size_bytes == kept as u64), "{error}");
    }
}

#[test]
fn an_unknown_version_of_the_format_is_not_valid() {
    check_refused(b"\0asm\x99\0\x01\0", "not valid at byte");
}

#[test]
fn a_component_beyond_the_size_is_refused_before_it_is_read() {
    let bytes = vec![0; usize::try_from(COMPONENT_SIZE_BYTES_MAX).unwrap() + 1];
    check_refused(&bytes, "the component has 83886081 bytes; the most is 83886080");
}

#[test]
fn a_plain_import_is_refused_by_name() {
    for (what, bytes) in [
        ("function", component("import go: func(); export wasi:cli/run@0.2.3;")),
        ("instance", text(r#"(component (import "db" (instance)))"#)),
        ("resource", text(r#"(component (import "db" (type (sub resource))))"#)),
    ] {
        let error = inspect(&bytes).unwrap_err();
        assert!(matches!(&error, Error::PlainImport { .. }), "{what}: {error}");
    }
    let long = format!(r#"(component (import "{}" (func)))"#, "a".repeat(500));
    let shown = inspect(&text(&long)).unwrap_err().to_string();
    assert!(shown.len() < 300, "{shown}");
}

#[test]
fn more_imports_than_status_can_hold_are_refused() {
    let imports = |count: usize| {
        let lines = (0..count).map(|i| format!(r#"(import "acme:a/i{i}@0.1.0" (instance))"#));
        text(&format!("(component {})", lines.collect::<String>()))
    };
    assert_eq!(inspect(&imports(IMPORTS_MAX)).unwrap().imports.len(), IMPORTS_MAX);
    check_refused(&imports(IMPORTS_MAX + 1), "more than 256 imports");
}

#[test]
fn more_exports_than_can_be_listed_are_refused() {
    let lines = (0..=EXPORTS_MAX).map(|i| format!(r#"(export "e{i}" (instance 0))"#));
    let bytes = text(&format!("(component (instance) {})", lines.collect::<String>()));
    check_refused(&bytes, "more than 256 exports");
}

#[test]
fn what_no_engine_here_has_turned_on_is_not_valid() {
    for (feature, module) in [
        ("garbage collection", "(type (struct))"),
        ("threads", "(memory 1 1 shared)"),
        ("exceptions", "(tag)"),
        ("64-bit memory", "(memory i64 1)"),
    ] {
        let bytes = text(&format!("(component (core module {module}))"));
        assert!(matches!(inspect(&bytes).unwrap_err(), Error::Invalid { .. }), "{feature}");
    }
}

#[test]
fn functions_are_validated_too() {
    let bytes = text("(component (core module (func (result i32) i64.const 1)))");
    check_refused(&bytes, "type mismatch");
}

/// The bytes of a sample with some of them changed, some cut out and some put in, by a seed.
fn mutated(sample: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below.max(1) as u64)).unwrap()
    };
    let mut bytes = sample.to_vec();
    for _ in 0..=next(4) {
        let at = next(bytes.len());
        match next(4) {
            0 => bytes[at] ^= 1 << next(8),
            1 => bytes[at] = u8::try_from(next(256)).unwrap(),
            2 => drop(bytes.drain(at..(at + next(9)).min(bytes.len()))),
            _ => {
                let from = next(bytes.len());
                let piece = bytes[from..(from + next(33)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn ten_thousand_mutations_of_real_components_are_answered() {
    let samples = [command(), server(), component("import acme:clock/now@0.1.0; export go: func();")];
    let mut refused = 0;
    for seed in 0..10_000 {
        for sample in &samples {
            match inspect(&mutated(sample, seed)) {
                Ok(world) => drop(world.run()),
                Err(error) => {
                    assert!(error.to_string().len() < 4096, "seed {seed}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 10_000, "mutations must hurt, only {refused} were refused");
}

#[test]
fn a_truncated_component_passes_only_where_a_section_ends_and_never_with_more() {
    let whole = server();
    let all = inspect(&whole).unwrap();
    let sections = Parser::new(0).parse_all(&whole).count();
    let mut passed = 0;
    for kept in 0..whole.len() {
        if let Ok(world) = inspect(&whole[..kept]) {
            assert!(
                world.imports.iter().all(|id| all.imports.contains(id)),
                "the first {kept} bytes: {world:?}"
            );
            passed += 1;
        }
    }
    assert!(passed < sections, "{passed} of {} prefixes pass", whole.len());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(inspect(&bytes).is_err());
    }

    #[test]
    fn any_bytes_behind_a_components_head_are_answered(tail in prop::collection::vec(any::<u8>(), 0..512)) {
        let bytes = [&b"\0asm\x0d\0\x01\0"[..], &tail].concat();
        let _answer = inspect(&bytes);
    }

    #[test]
    fn a_valid_component_round_trips(
        imports in prop::sample::subsequence(
            vec!["wasi:cli/stdout@0.2.3", "wasi:cli/stdout@0.3.0", "acme:clock/now@0.1.0", "acme:run/run",
                 "wasi:http/outgoing-handler@0.2.3"], 0..5),
        exports in prop::sample::subsequence(
            vec!["wasi:cli/run@0.2.3", "wasi:http/incoming-handler@0.2.3", "acme:clock/now@0.1.0"], 0..3),
    ) {
        let mut items = String::new();
        imports.iter().for_each(|id| items.push_str(&format!("import {id};\n")));
        exports.iter().for_each(|id| items.push_str(&format!("export {id};\n")));
        let world = inspect(&component(&items)).unwrap();
        let mut wanted = imports.clone();
        wanted.sort_unstable();
        prop_assert_eq!(ids(&world.imports), wanted);
        let mut wanted = exports.clone();
        wanted.sort_unstable();
        prop_assert_eq!(ids(&world.exports), wanted);
    }
}
