//! Tests of the bounds on work: what grows fast from few bytes is refused, what tools make is not.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::inspect;
use crate::samples::text;

fn size(max: u64) -> usize {
    usize::try_from(max).unwrap()
}

/// A component of one section: its id, its length and its body.
fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.push(id);
    let mut size = body.len();
    while size >= 0x80 {
        bytes.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    bytes.push(u8::try_from(size).unwrap());
    bytes.extend(body);
    bytes
}

#[test]
fn components_nested_too_deep_are_refused() {
    // The outermost stands on level 0.
    let nested = |levels: usize| text(&format!("{}{}", "(component ".repeat(levels), ")".repeat(levels)));
    assert!(inspect(&nested(size(NESTING_LEVELS_MAX) + 1)).is_ok());
    let error = inspect(&nested(size(NESTING_LEVELS_MAX) + 2)).unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "levels of nested components", .. }), "{error}");
}

#[test]
fn a_module_inside_is_a_level_too() {
    let levels = size(NESTING_LEVELS_MAX);
    let nested =
        |levels: usize| text(&format!("{}(core module){}", "(component ".repeat(levels), ")".repeat(levels)));
    assert!(inspect(&nested(levels)).is_ok());
    assert!(matches!(inspect(&nested(levels + 1)), Err(Error::TooMany { .. })));
}

#[test]
fn components_side_by_side_are_not_nested() {
    let bytes = text(&format!("(component {})", "(component (core module))".repeat(200)));
    assert!(inspect(&bytes).is_ok());
}

#[test]
fn instance_types_nested_without_end_are_refused_before_they_are_read() {
    // One component type section with one type: types inside each other, three bytes a level.
    for kind in [0x41, 0x42] {
        for levels in [size(NESTED_DECLARATIONS_MAX) + 1, 3000, 300_000] {
            let mut body = vec![1];
            body.extend([kind, 0x01, 0x01].repeat(levels));
            let error = inspect(&section(7, &body)).unwrap_err();
            let what = "nested type declarations";
            assert!(
                matches!(error, Error::TooMany { what: found, .. } if found == what),
                "{levels}: {error}"
            );
        }
    }
}

#[test]
fn types_nested_as_deep_as_is_read_are_answered() {
    let mut body = vec![1];
    body.extend([0x42, 0x01, 0x01].repeat(size(NESTED_DECLARATIONS_MAX)));
    let error = inspect(&section(7, &body)).unwrap_err();
    assert!(!matches!(error, Error::TooMany { what: "nested type declarations", .. }), "{error}");
}

#[test]
fn a_count_that_no_section_can_hold_is_refused_by_the_count() {
    for (id, what) in
        [(7, "types"), (8, "canonical functions"), (10, "imports"), (11, "exports"), (6, "aliases")]
    {
        let error = inspect(&section(id, &[0xff, 0xff, 0xff, 0xff, 0x0f])).unwrap_err();
        assert!(matches!(error, Error::TooMany { what: "definitions", .. }), "{what}: {error}");
    }
}

#[test]
fn sections_without_end_are_definitions_too() {
    // Three bytes each: id, length, a name of length 0.
    let sections = |count: usize| {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend([0, 1, 0].repeat(count));
        bytes
    };
    assert!(inspect(&sections(size(DEFINITIONS_MAX))).is_ok());
    let error = inspect(&sections(size(DEFINITIONS_MAX) + 1)).unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "definitions", max: DEFINITIONS_MAX }), "{error}");
}

#[test]
fn a_type_section_counts_by_its_bytes_where_its_count_is_small() {
    // One instance type that declares many types: the section's own count says one.
    let declared = |count: usize| {
        let mut budget = Budget { definitions: DEFINITIONS_MAX - 200, levels: 0 };
        let inner = "(type u8)".repeat(count);
        let bytes = text(&format!("(component (type (instance {inner})))"));
        wasmparser::Parser::new(0)
            .parse_all(&bytes)
            .try_for_each(|payload| budget.count(&payload.unwrap(), &bytes))
    };
    assert!(declared(10).is_ok());
    assert!(matches!(declared(1000), Err(Error::TooMany { what: "definitions", .. })));
}

#[test]
fn types_that_unfold_exponentially_are_read_in_their_folded_form() {
    // Each tuple holds the one before it twice: 60 definitions, 2^60 leaves.
    let mut wat = String::from("(component (type (tuple u8 u8))");
    for level in 0..60 {
        wat.push_str(&format!("(type (tuple {level} {level}))"));
    }
    wat.push(')');
    let read = inspect(&text(&wat));
    assert!(matches!(read, Ok(_) | Err(Error::Invalid { .. })), "{read:?}");
}

#[test]
fn definitions_are_counted_over_all_sections() {
    let mut budget = Budget { definitions: DEFINITIONS_MAX, levels: 0 };
    let bytes = text(r#"(component (import "a:b/c@1.0.0" (instance)))"#);
    let counted = wasmparser::Parser::new(0)
        .parse_all(&bytes)
        .try_for_each(|payload| budget.count(&payload.unwrap(), &bytes));
    assert!(matches!(counted, Err(Error::TooMany { what: "definitions", .. })), "{counted:?}");
}

#[test]
fn levels_go_up_and_down_with_the_nesting() {
    let bytes = text("(component (component) (core module) (component (component)))");
    let mut budget = Budget::default();
    let mut deepest = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        budget.count(&payload.unwrap(), &bytes).unwrap();
        deepest = deepest.max(budget.level());
    }
    assert_eq!((deepest, budget.level()), (2, 0));
}
