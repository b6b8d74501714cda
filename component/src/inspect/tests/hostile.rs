//! Bytes made to hurt: names that lie, sections that repeat, sizes at their bounds, features that are off.

use super::*;
use wasm_encoder::{ComponentSectionId, Encode as _};

/// The head of a component.
const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component with one more section behind it.
fn with_section(component: &[u8], id: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.push(id);
    body.encode(&mut bytes);
    bytes
}

/// Where each top-level section of a component starts, and its end.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![HEAD.len()];
    let mut at = HEAD.len();
    while at < bytes.len() {
        let (mut size, mut shift, mut next) = (0_usize, 0, at + 1);
        loop {
            size |= usize::from(bytes[next] & 0x7f) << shift;
            shift += 7;
            next += 1;
            if bytes[next - 1] & 0x80 == 0 {
                break;
            }
        }
        at = next + size;
        ends.push(at);
    }
    ends
}

#[test]
fn a_name_that_stands_there_twice_is_refused() {
    for twice in [
        r#"(import "a:b/c@0.1.0" (instance)) (import "a:b/c@0.1.0" (instance))"#,
        r#"(instance) (export "a:b/c@0.1.0" (instance 0)) (export "a:b/c@0.1.0" (instance 0))"#,
        r#"(instance) (export "go" (instance 0)) (export "go" (instance 0))"#,
        r#"(instance) (export "go" (instance 0)) (export "GO" (instance 0))"#,
    ] {
        let error = inspect(&text(&format!("(component {twice})"))).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{twice}: {error}");
    }
}

#[test]
fn an_import_that_is_not_an_instance_is_refused_whatever_its_name() {
    for import in [
        r#"(import "go" (func))"#,
        r#"(import "m" (core module))"#,
        r#"(import "c" (component))"#,
        r#"(import "t" (type (sub resource)))"#,
        r#"(import "wasi:cli/run@0.2.3" (func))"#,
        r#"(import "wasi:cli/run@0.2.3" (component))"#,
        r#"(import "url=<https://a.example/b.wasm>" (instance))"#,
        r#"(import "unlocked-dep=<wasi:cli>" (instance))"#,
        r#"(import "locked-dep=<wasi:cli@0.2.0>" (component))"#,
        r#"(import "integrity=<sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=>" (component))"#,
    ] {
        let error = inspect(&text(&format!("(component {import})"))).unwrap_err();
        assert!(matches!(error, Error::PlainImport { .. } | Error::Invalid { .. }), "{import}: {error}");
    }
}

#[test]
fn an_import_may_not_hide_behind_a_nested_component() {
    let outer = text(
        r#"(component
            (import "acme:db/store@1.0.0" (instance $db))
            (component $inner (import "acme:db/store@1.0.0" (instance)))
            (instance (instantiate $inner (with "acme:db/store@1.0.0" (instance $db))))
        )"#,
    );
    assert_eq!(ids(&inspect(&outer).unwrap().imports), ["acme:db/store@1.0.0"]);
}

#[test]
fn an_import_behind_other_sections_is_found_too() {
    let late = text(
        r#"(component (core module) (type u8) (instance) (export "go" (instance 0))
            (import "acme:late/import@1.0.0" (instance)))"#,
    );
    let world = inspect(&late).unwrap();
    assert_eq!(
        (ids(&world.imports), world.plain_exports),
        (vec!["acme:late/import@1.0.0".into()], vec!["go".into()])
    );
}

#[test]
fn a_function_named_as_an_interface_makes_no_type() {
    let run = text(
        r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func (canon lift (core func $i "f"))) (export "run" (func 0)))"#,
    );
    let world = inspect(&run).unwrap();
    assert_eq!(world.plain_exports, ["run"]);
    assert!(matches!(world.run(), Err(Error::NoKnownExport { .. })));
}

#[test]
fn the_largest_component_passes_and_one_byte_more_does_not() {
    let max = usize::try_from(COMPONENT_SIZE_BYTES_MAX).unwrap();
    let bare = command();
    // A custom section: its id, five bytes of length, and a name of length 0.
    let padded = |size: usize| {
        let body = size - bare.len() - 5;
        with_section(&bare, 0, &vec![0; body])
    };
    let largest = padded(max);
    assert_eq!(largest.len(), max);
    assert_eq!(inspect(&largest).unwrap(), inspect(&bare).unwrap());
    assert!(matches!(inspect(&padded(max + 1)), Err(Error::TooLarge { .. })));
}

#[test]
fn as_many_exports_as_can_be_listed_pass() {
    let exports = |count: usize| {
        let lines = (0..count).map(|i| match i % 2 {
            0 => format!(r#"(export "e{i}" (instance 0))"#),
            _ => format!(r#"(export "acme:a/i{i}@0.1.0" (instance 0))"#),
        });
        text(&format!("(component (instance) {})", lines.collect::<String>()))
    };
    let world = inspect(&exports(EXPORTS_MAX)).unwrap();
    assert_eq!((world.exports.len(), world.plain_exports.len()), (EXPORTS_MAX / 2, EXPORTS_MAX / 2));
    check_refused(&exports(EXPORTS_MAX + 1), "more than 256 exports");
}

#[test]
fn what_the_engines_have_turned_on_is_valid() {
    for (feature, module) in [
        ("simd", "(func (result v128) v128.const i64x2 1 2)"),
        (
            "relaxed simd",
            "(func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle)",
        ),
        ("tail calls", "(func $f return_call $f)"),
        ("multi-memory", "(memory 1) (memory 1)"),
        ("extended constants", "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
        ("bulk memory", "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))"),
        ("several results", "(func (result i32 i64) i32.const 1 i64.const 2)"),
        ("references", "(table 1 funcref) (func (result funcref) ref.null func)"),
        ("sign extension", "(func (param i32) (result i32) local.get 0 i32.extend8_s)"),
    ] {
        let bytes = text(&format!("(component (core module {module}))"));
        assert!(inspect(&bytes).is_ok(), "{feature}: {:?}", inspect(&bytes));
    }
}

#[test]
fn what_is_not_yet_stable_is_not_valid() {
    for (feature, module) in [
        ("64-bit tables", "(table i64 1 funcref)"),
        ("function references", "(type $t (func)) (func (param (ref $t)) local.get 0 call_ref $t)"),
        ("exception handling", "(func try_table end)"),
        ("page sizes", "(memory 1 (pagesize 1))"),
        (
            "wide arithmetic",
            "(func (param i64 i64 i64 i64) (result i64 i64) local.get 0 local.get 1 \
          local.get 2 local.get 3 i64.add128)",
        ),
        ("i31", "(func (param i31ref))"),
        ("stack switching", "(type $f (func)) (type (cont $f))"),
        ("atomics", "(memory 1) (func (result i32) i32.const 0 i32.atomic.load)"),
    ] {
        let bytes = text(&format!("(component (core module {module}))"));
        assert!(matches!(inspect(&bytes), Err(Error::Invalid { .. })), "{feature}: {:?}", inspect(&bytes));
    }
}

#[test]
fn what_stands_behind_a_component_is_refused() {
    for tail in [&b"\0"[..], b"\0asm", b"\xff\xff", b"rest"] {
        assert!(inspect(&[&command(), tail].concat()).is_err(), "{tail:?}");
    }
    assert!(inspect(&[command(), command()].concat()).is_err());
    assert!(inspect(&[&command()[..], &text("(module)")].concat()).is_err());
}

#[test]
fn a_section_that_nobody_knows_is_refused() {
    for id in [12, 13, 14, 64, 127, 128, 255] {
        assert!(inspect(&with_section(HEAD, id, &[0])).is_err(), "section {id}");
    }
}

#[test]
fn a_length_beyond_the_end_is_a_cut_and_not_a_crash() {
    for size in [&[0x01][..], &[0x7f], &[0xff, 0x7f], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let bytes = [HEAD, &[ComponentSectionId::Type.into()], size].concat();
        assert!(matches!(inspect(&bytes), Err(Error::Truncated { .. })), "{size:?}");
    }
    // Six bytes are no number of 32 bits.
    let long = [HEAD, &[7, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat();
    assert!(matches!(inspect(&long), Err(Error::Invalid { .. })));
}

#[test]
fn a_name_that_is_no_text_is_refused() {
    let import = [1, 0, 2, 0xff, 0xfe, 5, 0];
    let error = inspect(&with_section(HEAD, ComponentSectionId::Import.into(), &import)).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}

#[test]
fn locals_without_end_are_refused() {
    let module = format!("(core module (func {}))", "(local i64)".repeat(50_001));
    check_refused(&text(&format!("(component {module})")), "not valid");
}

#[test]
fn blocks_nested_deep_are_answered() {
    let blocks = 20_000;
    // A module of one function: type, function and code sections by hand, since the text format recurses.
    let mut code: Vec<u8> = vec![0];
    code.extend([0x02, 0x40].repeat(blocks));
    code.extend([0x0b].repeat(blocks + 1));
    let mut body: Vec<u8> = vec![1];
    code.as_slice().encode(&mut body);
    let module = [&b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a"[..], &{
        let mut sized = Vec::new();
        body.as_slice().encode(&mut sized);
        sized
    }]
    .concat();
    let component = with_section(HEAD, ComponentSectionId::CoreModule.into(), &module);
    assert!(inspect(&component).is_ok(), "{:?}", inspect(&component));
}

#[test]
fn a_cut_at_the_end_of_a_section_never_tells_more_than_the_whole() {
    for whole in [command(), server()] {
        let all = inspect(&whole).unwrap();
        let ends = boundaries(&whole);
        assert_eq!((ends.last(), ends.len() > 5), (Some(&whole.len()), true));
        for end in ends {
            match inspect(&whole[..end]) {
                Ok(world) => {
                    assert!(world.imports.iter().all(|id| all.imports.contains(id)), "cut at {end}");
                    assert!(world.exports.iter().all(|id| all.exports.contains(id)), "cut at {end}");
                }
                Err(error) => assert!(error.to_string().contains("component"), "cut at {end}: {error}"),
            }
        }
    }
}

#[test]
fn sections_left_out_one_at_a_time_are_answered() {
    for whole in [command(), server()] {
        let ends = boundaries(&whole);
        for pair in ends.windows(2) {
            let without = [&whole[..pair[0]], &whole[pair[1]..]].concat();
            if let Ok(world) = inspect(&without) {
                assert!(world.imports.len() <= inspect(&whole).unwrap().imports.len());
            }
            let twice = [&whole[..pair[1]], &whole[pair[0]..]].concat();
            drop(inspect(&twice));
        }
    }
}

/// Errors end in a condition's message: one line, not without end, no full stop, and what was found.
#[test]
fn every_refusal_is_a_short_line() {
    let long = "a".repeat(5000);
    for bytes in [
        text("(module)"),
        b"hello".to_vec(),
        text(&format!(r#"(component (import "{long}" (func)))"#)),
        with_section(HEAD, 99, &[1]),
        command()[..20].to_vec(),
    ] {
        let error = inspect(&bytes).unwrap_err().to_string();
        assert!(error.len() < 400 && !error.contains('\n') && !error.ends_with('.'), "{error}");
        assert!(error.starts_with("th"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_sections_are_answered(
        sections in prop::collection::vec((0_u8..14, prop::collection::vec(any::<u8>(), 0..40)), 0..12)
    ) {
        let mut bytes = HEAD.to_vec();
        for (id, body) in &sections {
            bytes = with_section(&bytes, *id, body);
        }
        if let Ok(world) = inspect(&bytes) {
            prop_assert!(world.imports.len() <= IMPORTS_MAX);
        }
    }

    #[test]
    fn sections_in_any_order_are_answered(order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let whole = server();
        let ends = boundaries(&whole);
        let mut bytes = HEAD.to_vec();
        for index in order.into_iter().filter(|index| index + 1 < ends.len()) {
            bytes.extend(&whole[ends[index]..ends[index + 1]]);
        }
        if let Ok(world) = inspect(&bytes) {
            prop_assert_eq!(world, inspect(&whole).unwrap());
        }
    }

    #[test]
    fn any_import_name_is_an_interface_or_refused(name in "[a-z:/@.0-9<>=-]{1,40}") {
        let bytes = wat::parse_str(format!(r#"(component (import "{name}" (instance)))"#)).unwrap();
        match inspect(&bytes) {
            Ok(world) => prop_assert_eq!(ids(&world.imports), [name]),
            Err(error) => {
                let refused = matches!(error, Error::PlainImport { .. } | Error::Invalid { .. });
                prop_assert!(refused, "{}", error);
            }
        }
    }
}
