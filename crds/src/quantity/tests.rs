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

#[test]
fn the_longest_text_is_read_and_one_more_character_is_not() {
    let long = |chars: u32| format!("{:0>width$}", 1, width = chars as usize);
    assert_eq!(milli(&long(QUANTITY_CHARS_MAX)), Ok(1000));
    assert!(matches!(milli(&long(QUANTITY_CHARS_MAX + 1)), Err(QuantityError::Malformed(_))));
}

#[test]
fn an_error_shows_no_more_than_a_glance() {
    let error = milli(&"x".repeat(10_000)).unwrap_err().to_string();
    assert!(error.len() < 200, "{}", error.len());
}

#[test]
fn a_quantity_is_handed_on_to_kubernetes_as_it_was_written() {
    for text in ["1", "0.5", "100m", "1.50Gi", "007"] {
        let quantity = Quantity::from(text);
        let handed = k8s_openapi::apimachinery::pkg::api::resource::Quantity::from(&quantity);
        assert_eq!((handed.0.as_str(), quantity.to_string().as_str()), (text, text));
    }
}

proptest! {
    #[test]
    fn a_larger_number_is_more_in_every_unit(number in 0_u64..1_000_000, unit in 0_usize..SUFFIXES.len()) {
        let suffix = SUFFIXES[unit].0;
        let of = |number: u64| milli(&format!("{number}{suffix}"));
        if let (Ok(less), Ok(more)) = (of(number), of(number + 1)) {
            prop_assert!(less < more);
        }
    }

    #[test]
    fn a_thousand_of_one_unit_is_one_of_the_next(number in 1_u64..1000) {
        for (small, large) in [("m", ""), ("", "k"), ("k", "M"), ("M", "G"), ("G", "T")] {
            let found = milli(&format!("{}{small}", number * 1000));
            prop_assert_eq!(found, milli(&format!("{number}{large}")));
        }
        for (small, large) in [("", "Ki"), ("Ki", "Mi"), ("Mi", "Gi"), ("Gi", "Ti")] {
            let found = milli(&format!("{}{small}", number * 1024));
            prop_assert_eq!(found, milli(&format!("{number}{large}")));
        }
    }

    #[test]
    fn bytes_are_never_more_than_was_written(text in r"[0-9]{1,6}(\.[0-9]{1,3})?(m|k|M|Ki|Mi)?") {
        let quantity = Quantity(text.clone());
        let (bytes, milli) = (u128::from(quantity.bytes().unwrap()), quantity.milli().unwrap());
        prop_assert!(bytes * 1000 <= milli && milli < (bytes + 1) * 1000, "{}", text);
    }
}
