//! What a signature is over, whose it is, and that there is exactly one.

use super::*;
use crate::envelope::{key_id_of, signed_text};
use crate::{KeyId, TrustedKeys};
use serde_json::{Value, json};

/// The sample's envelope with its signatures changed.
fn with(change: impl FnOnce(&mut Value)) -> String {
    let text = seal(&document()).unwrap();
    let (start, signatures) = text.split_once("\"signatures\":").unwrap();
    let mut signatures: Value = serde_json::from_str(&signatures[..signatures.len() - 1]).unwrap();
    change(&mut signatures);
    format!("{start}\"signatures\":{signatures}}}")
}

/// The sample's envelope with another text as its signature.
fn signature(sig: &str) -> String {
    with(|signatures| signatures[0]["sig"] = json!(sig))
}

fn other_document() -> Document {
    Document { args: vec!["other".into()], ..document() }
}

fn sig_of(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()["signatures"][0].clone()
}

#[test]
fn the_text_that_is_signed_is_dsses_own_example() {
    let signed = signed_text("http://example.com/HelloWorld", b"hello world");
    assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_ne!(signed_text("a", b"b 1 c"), signed_text("a 1 b", b"c"));
}

#[test]
fn the_same_document_and_key_give_the_same_text_and_another_key_another() {
    assert_eq!(seal(&document()).unwrap(), crate::seal(&document(), &key(1)).unwrap());
    let other = crate::seal(&document(), &key(2)).unwrap();
    assert_ne!(other, seal(&document()).unwrap());
    let both: TrustedKeys = [key(1).public(), key(2).public()].into_iter().collect();
    for text in [seal(&document()).unwrap(), other] {
        assert_eq!(crate::open(&text, &both).unwrap(), document());
    }
}

#[test]
fn an_unknown_key_is_named() {
    let text = crate::seal(&document(), &key(2)).unwrap();
    let error = open(&text).unwrap_err();
    assert!(matches!(&error, EnvelopeError::UnknownKey { id } if *id == key(2).public().id()), "{error}");
    assert!(error.to_string().contains(&key(2).public().id().to_string()), "{error}");
    let nobody = crate::open(&seal(&document()).unwrap(), &TrustedKeys::default());
    assert!(matches!(nobody, Err(EnvelopeError::UnknownKey { .. })));
}

#[test]
fn an_envelope_has_exactly_one_signature() {
    let other = sig_of(&crate::seal(&document(), &key(2)).unwrap());
    for (text, found) in [
        (with(|signatures| *signatures = json!([])), 0),
        (with(|signatures| signatures.as_array_mut().unwrap().push(other.clone())), 2),
        (with(|signatures| signatures.as_array_mut().unwrap().insert(0, other.clone())), 2),
        (with(|signatures| *signatures = json!([signatures[0], signatures[0]])), 2),
    ] {
        let error = open(&text).unwrap_err();
        assert!(matches!(error, EnvelopeError::Signatures { found: n } if n == found), "{error}");
    }
}

#[test]
fn a_signatures_shape_is_fixed() {
    for wrong in [json!({}), json!([{}]), json!(null), json!([null]), json!([1]), json!("")] {
        let text = with(|signatures| *signatures = wrong.clone());
        assert!(matches!(open(&text), Err(EnvelopeError::Malformed(_))), "{wrong}");
    }
    for field in ["sig", "keyid"] {
        for wrong in [json!(null), json!(1), json!([])] {
            let text = with(|signatures| signatures[0][field] = wrong.clone());
            assert!(matches!(open(&text), Err(EnvelopeError::Malformed(_))), "{field}: {wrong}");
        }
    }
    let more = with(|signatures| signatures[0]["cert"] = json!(""));
    assert!(matches!(open(&more), Err(EnvelopeError::Malformed(_))));
    let absent = seal(&document()).unwrap().replacen("signatures", "signature", 1);
    assert!(matches!(open(&absent), Err(EnvelopeError::Malformed(_))));
}

#[test]
fn a_key_id_has_its_form() {
    let id = key(1).public().id().to_string();
    for wrong in [String::new(), id.to_uppercase(), id[1..].to_owned(), format!("{id}\n"), "../x".into()] {
        let text = with(|signatures| signatures[0]["keyid"] = json!(wrong));
        assert!(matches!(open(&text), Err(EnvelopeError::KeyId)), "{wrong:?}");
        assert!(matches!(key_id_of(&text), Err(EnvelopeError::KeyId)), "{wrong:?}");
    }
}

#[test]
fn a_signature_of_something_else_is_forged() {
    let others = sig_of(&seal(&other_document()).unwrap());
    let mine: String = sig_of(&seal(&document()).unwrap())["sig"].as_str().unwrap().into();
    let by_another = sig_of(&crate::seal(&document(), &key(2)).unwrap());
    let raw = STANDARD.encode(key(1).sign(&serde_json::to_vec(&document()).unwrap()));
    let other_type = signed_text("text/plain", &serde_json::to_vec(&document()).unwrap());
    let mut halves = STANDARD.decode(&mine).unwrap();
    halves.rotate_left(32);
    for forged in [
        signature(others["sig"].as_str().unwrap()),
        signature(by_another["sig"].as_str().unwrap()),
        signature(&raw),
        signature(&STANDARD.encode(key(1).sign(&other_type))),
        signature(&STANDARD.encode([0; 64])),
        signature(&STANDARD.encode([0xff; 64])),
        signature(&STANDARD.encode(&halves)),
    ] {
        let error = open(&forged).unwrap_err();
        assert!(matches!(&error, EnvelopeError::Forged { id } if *id == key(1).public().id()), "{error}");
    }
}

#[test]
fn a_payload_is_only_what_was_signed() {
    let wanted = STANDARD.encode(serde_json::to_vec(&document()).unwrap());
    let other = STANDARD.encode(serde_json::to_vec(&other_document()).unwrap());
    let text = seal(&document()).unwrap().replace(&wanted, &other);
    assert!(matches!(open(&text), Err(EnvelopeError::Forged { .. })));
    let empty = seal(&document()).unwrap().replace(&wanted, "");
    assert!(matches!(open(&empty), Err(EnvelopeError::Forged { .. })));
}

#[test]
fn a_signature_in_another_spelling_is_refused() {
    let mine: String = sig_of(&seal(&document()).unwrap())["sig"].as_str().unwrap().into();
    for wrong in [
        String::new(),
        mine.trim_end_matches('=').to_owned(),
        format!("{mine}="),
        format!(" {mine}"),
        format!("{mine}AAAA"),
        mine[4..].to_owned(),
        STANDARD.encode([0; 63]),
        STANDARD.encode([0; 65]),
        mine.replacen(&mine[..1], "-", 1),
    ] {
        let error = open(&signature(&wrong)).unwrap_err();
        assert!(matches!(error, EnvelopeError::Base64 { field: "sig", .. }), "{wrong:?}: {error}");
    }
}

/// Each step is before the next: what is wrong in two ways is refused for the first.
#[test]
fn the_first_thing_that_is_wrong_is_said() {
    let huge = "x".repeat(ENVELOPE_SIZE_BYTES_MAX + 1);
    assert!(matches!(open(&huge), Err(EnvelopeError::TooLarge { .. })));
    let unsigned_type = with(|signatures| *signatures = json!([])).replace(PAYLOAD_TYPE, "x");
    assert!(matches!(open(&unsigned_type), Err(EnvelopeError::Signatures { found: 0 })));
    let typed = crate::seal(&document(), &key(2)).unwrap().replace(PAYLOAD_TYPE, "x");
    assert!(matches!(open(&typed), Err(EnvelopeError::PayloadType { .. })));
    let coded = crate::seal(&document(), &key(2)).unwrap().replacen("\"payload\":\"", "\"payload\":\"*", 1);
    assert!(matches!(open(&coded), Err(EnvelopeError::Base64 { field: "payload", .. })));
    let unknown = with(|signatures| {
        signatures[0] = json!({ "keyid": key(2).public().id(), "sig": STANDARD.encode([0; 64]) });
    });
    assert!(matches!(open(&unknown), Err(EnvelopeError::UnknownKey { .. })));
    let forged =
        with(|signatures| signatures[0]["sig"] = json!(STANDARD.encode([0; 64]))).replacen(':', ": ", 1);
    assert!(matches!(open(&forged), Err(EnvelopeError::Forged { .. })));
    let mut contradicts = document();
    contradicts.mounts.clear();
    let spaced = forged::wrap_bytes(serde_json::to_string_pretty(&contradicts).unwrap().as_bytes());
    assert!(matches!(open(&spaced), Err(EnvelopeError::NotCanonical)));
    let contradicts = forged::wrap_bytes(&serde_json::to_vec(&contradicts).unwrap());
    assert!(matches!(open(&contradicts), Err(EnvelopeError::Document(_))));
}

#[test]
fn who_says_to_have_signed_is_read_without_keys() {
    let id = |text: &str| -> KeyId { key_id_of(text).unwrap() };
    assert_eq!(id(&seal(&document()).unwrap()), key(1).public().id());
    assert_eq!(id(&signature("forged")), key(1).public().id());
    assert!(matches!(key_id_of("x"), Err(EnvelopeError::Malformed(_))));
    assert!(matches!(key_id_of(&with(|s| *s = json!([]))), Err(EnvelopeError::Signatures { found: 0 })));
    let huge = "x".repeat(ENVELOPE_SIZE_BYTES_MAX + 1);
    assert!(matches!(key_id_of(&huge), Err(EnvelopeError::TooLarge { .. })));
    assert_eq!(trusted().iter().next().unwrap().0, &id(&seal(&document()).unwrap()));
}
