//! Tests of digests: one text for each, and nothing else is taken.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn the_digest_of_nothing_is_the_known_one() {
    assert_eq!(Digest::of(b"").to_string(), EMPTY);
    assert_eq!(EMPTY.parse::<Digest>().unwrap(), Digest::of(b""));
    assert_eq!(serde_json::to_string(&Digest::of(b"")).unwrap(), format!("\"{EMPTY}\""));
    assert_eq!(format!("{:?}", Digest::of(b"")), EMPTY);
    assert_eq!(Digest::of(b"").hex(), EMPTY[7..]);
}

#[test]
fn any_other_spelling_is_refused() {
    let wrong = [
        "",
        "sha256:",
        &EMPTY[7..],
        &EMPTY[..70],
        &format!("{EMPTY}0"),
        &format!("{EMPTY}\n"),
        &format!(" {EMPTY}"),
        &format!("sha256:{EMPTY}"),
        &EMPTY.to_uppercase(),
        &EMPTY.replace("e3", "E3"),
        &EMPTY.replace("sha256", "sha512"),
        &EMPTY.replace(':', "-"),
        &EMPTY.replace("e3", "+3"),
        &EMPTY.replace("e3", "é"),
        &EMPTY.replace("e3", "ｅ3"),
    ];
    for text in wrong {
        assert!(text.parse::<Digest>().is_err(), "{text}");
        assert!(serde_json::from_value::<Digest>(serde_json::json!(text)).is_err(), "{text}");
    }
}

#[test]
fn only_a_text_is_a_digest_in_json() {
    for json in ["null", "1", "[]", "{}", "true", "[227,176,196,66]"] {
        assert!(serde_json::from_str::<Digest>(json).is_err(), "{json}");
    }
}

#[test]
fn a_refusal_shows_the_text_but_not_all_of_it() {
    let error = "latest".parse::<Digest>().unwrap_err().to_string();
    assert!(error.starts_with("\"latest\" is not a digest; write sha256: followed by"), "{error}");
    assert!("x".repeat(1 << 20).parse::<Digest>().unwrap_err().to_string().len() < 250);
}

proptest! {
    #[test]
    fn a_digest_is_read_back_from_its_text(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let digest = Digest::of(&bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest.clone());
        prop_assert_eq!(String::from(digest.clone()), digest.to_string());
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn a_changed_digit_is_another_digest_or_none(
        bytes in any::<[u8; 8]>(), at in 0_usize..71, with in any::<char>()
    ) {
        let digest = Digest::of(&bytes);
        let text: String = digest.to_string().chars().enumerate()
            .map(|(index, c)| if index == at { with } else { c }).collect();
        prop_assume!(text != digest.to_string());
        prop_assert!(text.parse::<Digest>().ok() != Some(digest));
    }

    #[test]
    fn digests_sort_as_their_texts_do(one in any::<[u8; 4]>(), other in any::<[u8; 4]>()) {
        let (one, other) = (Digest::of(&one), Digest::of(&other));
        prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
    }
}
