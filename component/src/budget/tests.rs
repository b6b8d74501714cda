//! Tests of the bounds on work: what grows fast from few bytes is refused, what tools make is not.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::inspect;
use crate::samples::text;

#[test]
fn components_nested_too_deep_are_refused() {
    let nested = |levels: usize| text(&format!("{}{}", "(component ".repeat(levels), ")".repeat(levels)));
    assert!(inspect(&nested(usize::try_from(NESTING_LEVELS_MAX).unwrap())).is_ok());
    let error = inspect(&nested(usize::try_from(NESTING_LEVELS_MAX).unwrap() + 2)).unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "levels of nested components", .. }), "{error}");
}

#[test]
fn instance_types_nested_without_end_are_refused_before_they_are_read() {
    // One component type section with one type: instance types inside each other, three bytes a level.
    let levels = 3000;
    let mut body = vec![1];
    for _ in 0..levels {
        body.extend([0x42, 0x01, 0x01]);
    }
    let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut size = body.len();
    while size >= 0x80 {
        bytes.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    bytes.push(u8::try_from(size).unwrap());
    bytes.extend(body);
    let error = inspect(&bytes).unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "nested type declarations", .. }), "{error}");
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
