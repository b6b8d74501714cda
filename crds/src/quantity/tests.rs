//! Tests of quantities: values, refusals, and that any text at all is answered.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn milli(text: &str) -> Result<u128, QuantityError> {
    Quantity::from(text).milli()
}

#[test]
fn each_suffix_counts_as_kubernetes_does() {
    for (text, want) in [
        ("0", 0),
        ("1", 1000),
        ("1m", 1),
        ("1.5", 1500),
        ("0.001", 1),
        ("1.5m", 2), // rounded up
        ("2k", 2_000_000),
        ("64Ki", 65_536_000),
        ("1.5Mi", 1_572_864_000),
        ("1G", 1_000_000_000_000),
        ("1Gi", 1_073_741_824_000),
        ("7Ei", (7 << 60) * 1000),
    ] {
        assert_eq!(milli(text), Ok(want), "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_named_and_refused() {
    for text in
        ["", "Mi", "-1", "+1", "1e3", "1.", ".5", "1.2345", "1.2.3", "1MB", "1 Mi", "１", "0x10", "1mi"]
    {
        assert!(matches!(milli(text), Err(QuantityError::Malformed(_))), "{text}: {:?}", milli(text));
    }
    assert_eq!(
        milli("1MB").unwrap_err().to_string(),
        "\"1MB\" is not a quantity; write digits and perhaps one of m, k, M, G, T, Ki, Mi, Gi, Ti"
    );
}

#[test]
fn what_can_not_be_counted_is_too_large() {
    for text in ["8Ei", "9999999E", "9223372036854775808", "9999999999999999999"] {
        assert!(matches!(milli(text), Err(QuantityError::TooLarge(_))), "{text}: {:?}", milli(text));
    }
    assert_eq!(milli("9223372036854775807"), Ok(MILLI_MAX));
}

#[test]
fn bytes_are_rounded_down() {
    assert_eq!(Quantity::from("1.5").bytes(), Ok(1));
    assert_eq!(Quantity::from("4Gi").bytes(), Ok(4 << 30));
}

#[test]
fn a_number_is_a_quantity_and_stays_a_text() {
    let quantity: Quantity = serde_json::from_str("5").unwrap();
    assert_eq!(serde_json::to_string(&quantity).unwrap(), "\"5\"");
    assert!(serde_json::from_str::<Quantity>("1.5").is_err());
    assert!(serde_json::from_str::<Quantity>("true").is_err());
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,40}") {
        let _answer = milli(&text);
    }

    #[test]
    fn whole_numbers_are_read_exactly(value in 0_u64..=i64::MAX as u64) {
        prop_assert_eq!(Quantity(value.to_string()).bytes(), Ok(value));
    }

    #[test]
    fn a_shape_that_the_schema_takes_is_read_or_too_large(
        text in r"[0-9]{1,8}(\.[0-9]{1,3})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"
    ) {
        prop_assert!(!matches!(milli(&text), Err(QuantityError::Malformed(_))), "{}", text);
    }
}
