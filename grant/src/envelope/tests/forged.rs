//! Envelopes as somebody else would write them: by hand, with more in them, with less, in another spelling.
//! Where the payload is what is wrong, a trusted key has signed it: the signature isn't what finds it.

use super::*;
use serde_json::{Value, json};

/// The payload of the sample's envelope.
fn payload() -> Value {
    serde_json::to_value(document()).unwrap()
}

/// An envelope round any bytes, in the very form that [`seal`] writes, signed by the trusted key.
pub(super) fn wrap_bytes(payload: &[u8]) -> String {
    let (key, signed) = (key(1), crate::envelope::signed_text(PAYLOAD_TYPE, payload));
    format!(
        "{{\"payloadType\":\"{PAYLOAD_TYPE}\",\"payload\":\"{}\",\
         \"signatures\":[{{\"keyid\":\"{}\",\"sig\":\"{}\"}}]}}",
        STANDARD.encode(payload),
        key.public().id(),
        STANDARD.encode(key.sign(&signed))
    )
}

fn wrap(payload: &Value) -> String {
    wrap_bytes(&serde_json::to_vec(payload).unwrap())
}

/// An envelope round the sample's payload with a piece of its text replaced.
fn spelt(from: &str, to: &str) -> String {
    let text = serde_json::to_string(&document()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    wrap_bytes(text.replacen(from, to, 1).as_bytes())
}

/// A place in a JSON value, as `Value::pointer` takes it, of each object, list and leaf.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    for (key, inner) in value.as_object().into_iter().flatten() {
        places(inner, &format!("{at}/{key}"), into);
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        places(inner, &format!("{at}/{index}"), into);
    }
}

fn all_places() -> Vec<String> {
    let mut found = Vec::new();
    places(&payload(), "", &mut found);
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn the_envelope_of_these_tests_is_the_one_that_seal_writes() {
    assert_eq!(wrap_bytes(&serde_json::to_vec(&document()).unwrap()), seal(&document()).unwrap());
}

#[test]
fn an_unknown_field_anywhere_in_the_document_is_refused() {
    for place in all_places() {
        let mut forged = payload();
        let Some(object) = forged.pointer_mut(&place).and_then(Value::as_object_mut) else { continue };
        object.insert("more".to_owned(), json!(true));
        assert!(matches!(open(&wrap(&forged)), Err(EnvelopeError::Payload(_))), "{place}");
    }
}

#[test]
fn null_is_nobodys_value() {
    for place in all_places() {
        let mut forged = payload();
        *forged.pointer_mut(&place).unwrap() = Value::Null;
        assert!(open(&wrap(&forged)).is_err(), "{place}");
    }
}

#[test]
fn a_value_of_another_type_is_refused_at_every_place() {
    for place in all_places() {
        for other in [json!(-1), json!(0.5), json!("☠"), json!([[]]), json!({ "☠": 1 }), json!(1e300)] {
            let mut forged = payload();
            let value = forged.pointer_mut(&place).unwrap();
            if value.is_string() && other.is_string() {
                continue; // texts may be any text; what is bound by them is compared where it is known
            }
            *value = other.clone();
            assert!(open(&wrap(&forged)).is_err(), "{place}: {other}");
        }
    }
}

#[test]
fn a_word_of_a_closed_list_is_taken_in_one_spelling() {
    for (from, to) in [
        ("\"Server\"", "\"server\""),
        ("\"Server\"", "\"SERVER\""),
        ("\"Server\"", "\"Function\""),
        ("\"ReadWrite\"", "\"readWrite\""),
        ("\"ReadWrite\"", "\"All\""),
        ("\"PersistentVolumeClaim\"", "\"HostPath\""),
        ("\"PersistentVolumeClaim\"", "\"persistentVolumeClaim\""),
        ("\"Filesystem\"", "\"Credential\""),
    ] {
        assert!(matches!(open(&spelt(from, to)), Err(EnvelopeError::Payload(_))), "{to}");
    }
}

/// What may be left out grants less for it; of all else, a document must have every field.
#[test]
fn a_field_that_is_left_out_is_missed_or_takes_a_right_away() {
    let optional = [
        "/args",
        "/env",
        "/envReferences",
        "/components/0/grants/filesystem",
        "/components/0/limits/memoryBytes",
    ];
    for place in all_places() {
        let Some((parent, key)) = place.rsplit_once('/') else { continue };
        let mut forged = payload();
        let Some(object) = forged.pointer_mut(parent).and_then(Value::as_object_mut) else { continue };
        object.remove(key);
        match open(&wrap_in_order(&forged)) {
            Ok(opened) => {
                assert!(optional.contains(&place.as_str()), "{place}");
                assert_ne!(opened, document(), "{place}");
            }
            Err(_) => assert!(!optional.contains(&place.as_str()), "{place}"),
        }
    }
}

/// Fields in the document's own order, which a JSON value of serde doesn't keep.
fn wrap_in_order(payload: &Value) -> String {
    match serde_json::from_value::<Document>(payload.clone()) {
        Ok(document) if serde_json::to_value(&document).unwrap() == *payload => {
            wrap_bytes(&serde_json::to_vec(&document).unwrap())
        }
        _ => wrap(payload),
    }
}

#[test]
fn fields_in_another_order_are_not_canonical() {
    // A value's map is sorted, the document's fields are not.
    let sorted = wrap(&payload());
    assert_ne!(sorted, seal(&document()).unwrap());
    assert!(matches!(open(&sorted), Err(EnvelopeError::NotCanonical)));
    let text = seal(&document()).unwrap();
    let (start, signatures) = text.split_at(text.find(",\"signatures\"").unwrap());
    let swapped = format!("{{{},{}}}", &signatures[1..signatures.len() - 1], &start[1..]);
    assert!(matches!(open(&swapped), Err(EnvelopeError::NotCanonical)));
}

#[test]
fn a_field_that_stands_there_twice_is_refused() {
    for (from, to) in [
        ("\"version\":1", "\"version\":1,\"version\":1"),
        ("\"environment\":true", "\"environment\":false,\"environment\":true"),
        ("\"namespace\":\"demo\"", "\"namespace\":\"demo\",\"namespace\":\"kube-system\""),
        ("\"run\":\"Server\"", "\"run\":\"Server\",\"run\":\"Command\""),
    ] {
        assert!(matches!(open(&spelt(from, to)), Err(EnvelopeError::Payload(_))), "{to}");
    }
    let text = seal(&document()).unwrap();
    let twice = text.replacen("{", &format!("{{\"payloadType\":\"{PAYLOAD_TYPE}\","), 1);
    assert!(matches!(open(&twice), Err(EnvelopeError::Malformed(_))));
}

#[test]
fn another_spelling_of_the_same_json_is_not_canonical() {
    for (from, to) in [
        ("\"weather\"", "\"\\u0077eather\""),
        ("\"/data\"", "\"\\/data\""),
        ("\"version\":1", "\"version\": 1"),
        ("{\"version\"", "{\n\"version\""),
        ("\"args\":[", "\"args\":[ "),
        ("\"subject\":{", "\"envPrefixes\":[],\"subject\":{"),
    ] {
        assert!(matches!(open(&spelt(from, to)), Err(EnvelopeError::NotCanonical)), "{to}");
    }
    for number in ["1.0", "1e0", "01", "+1", "\"1\"", "true"] {
        assert!(open(&spelt("\"version\":1", &format!("\"version\":{number}"))).is_err(), "{number}");
    }
}

#[test]
fn what_stands_before_or_behind_an_envelope_is_refused() {
    let text = seal(&document()).unwrap();
    for around in ["\u{feff}", " ", "\n", "\0", "{}", ","] {
        assert!(open(&format!("{around}{text}")).is_err(), "{around:?} before");
        assert!(open(&format!("{text}{around}")).is_err(), "{around:?} behind");
    }
    assert!(open(&format!("{text}{text}")).is_err());
    assert!(open("").is_err());
}

#[test]
fn a_payload_in_another_base64_is_refused() {
    let text = seal(&document()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let payload = value["payload"].as_str().unwrap().to_owned();
    let unpadded = payload.trim_end_matches('=');
    let wrong = [
        String::new(),
        payload[..payload.len() - 1].to_owned(),
        format!("{payload}="),
        format!("{payload}\\n"),
        format!("{} {}", &payload[..8], &payload[8..]),
        payload.replacen('e', "é", 1),
        payload.replacen('e', "-", 1),
        payload.replacen('e', "_", 1),
        format!("data:{payload}"),
        format!("{unpadded}===="),
    ];
    for forged in wrong {
        assert!(open(&text.replace(&payload, &forged)).is_err(), "{}", &forged[forged.len().min(20)..]);
    }
}

/// The last digit before the padding has bits that no byte needs; a decoder that is kind about them lets
/// several texts stand for one document.
#[test]
fn bits_that_nobody_needs_must_be_zero() {
    let mut padded = document();
    let ends_in_padding = |document: &Document| seal(document).unwrap().contains("=\",\"signatures\"");
    while !ends_in_padding(&padded) {
        padded.args[0].push('x');
    }
    let payload = serde_json::to_vec(&padded).unwrap();
    let text = wrap_bytes(&payload);
    let at = text.find('=').unwrap() - 1;
    for digit in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".chars() {
        let mut forged = text.clone();
        forged.replace_range(at..=at, &digit.to_string());
        assert_eq!(open(&forged).is_ok(), forged == text, "{digit}");
    }
}

#[test]
fn json_that_nests_without_end_is_refused_without_harm() {
    let deep = "[".repeat(60_000);
    assert!(matches!(open(&deep), Err(EnvelopeError::Malformed(_))));
    assert!(matches!(open(&wrap_bytes(deep.as_bytes())), Err(EnvelopeError::Payload(_))));
    let objects = "{\"a\":".repeat(10_000);
    assert!(matches!(open(&wrap_bytes(objects.as_bytes())), Err(EnvelopeError::Payload(_))));
}

#[test]
fn a_payload_that_is_no_text_is_refused() {
    for bytes in [&b"\xff\xfe"[..], b"", b"null", b"[]", b"\"text\"", b"{}", b"{\"version\":\"\xff\"}"] {
        assert!(matches!(open(&wrap_bytes(bytes)), Err(EnvelopeError::Payload(_))), "{bytes:?}");
    }
}

#[test]
fn a_document_of_another_version_says_whose_fault_it_is() {
    for version in [0, 2, u32::MAX] {
        let forged = spelt("\"version\":1", &format!("\"version\":{version}"));
        let error = open(&forged).unwrap_err().to_string();
        let wanted = format!(
            "annotation hayride.dev/grant: version {version} is not 1; operator and shim must be of \
             one version"
        );
        assert_eq!(error, wanted);
    }
}

#[test]
fn a_document_that_contradicts_itself_is_not_opened_either() {
    for (from, to, wanted) in [
        ("\"readOnly\":false", "\"readOnly\":true", "mounted read-only and granted ReadWrite"),
        ("\"path\":\"/data\"", "\"path\":\"/../etc\"", "is not absolute and free of"),
        ("\"run\":\"Server\"", "\"run\":\"Command\"", "http must be set for a Server"),
        ("\"volume\":\"data\"", "\"volume\":\"other\"", "volume \"other\" has no mount"),
    ] {
        let error = open(&spelt(from, to)).unwrap_err();
        assert!(matches!(&error, EnvelopeError::Document(_)), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn a_payload_type_is_shown_but_not_all_of_it() {
    let forged = seal(&document()).unwrap().replace(PAYLOAD_TYPE, &"é".repeat(5000));
    let error = open(&forged).unwrap_err();
    assert!(matches!(&error, EnvelopeError::PayloadType { found } if found.chars().count() == 100));
    for near in [PAYLOAD_TYPE.to_uppercase(), format!("{PAYLOAD_TYPE} "), PAYLOAD_TYPE.replace("v1", "v2")] {
        let forged = seal(&document()).unwrap().replace(PAYLOAD_TYPE, &near);
        assert!(matches!(open(&forged), Err(EnvelopeError::PayloadType { .. })), "{near}");
    }
}

/// Three bytes of a document are four of its envelope; so the last size that fits isn't always the bound.
#[test]
fn the_greatest_document_that_fits_is_opened_and_one_step_more_is_not() {
    let sized = |length: usize| Document { args: vec!["x".repeat(length)], ..document() };
    let fits = |length: usize| seal(&sized(length)).is_ok();
    let (mut low, mut high) = (0, ENVELOPE_SIZE_BYTES_MAX);
    assert!(fits(low) && !fits(high));
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    let text = seal(&sized(low)).unwrap();
    assert!((ENVELOPE_SIZE_BYTES_MAX - 3..=ENVELOPE_SIZE_BYTES_MAX).contains(&text.len()), "{}", text.len());
    assert_eq!(open(&text).unwrap(), sized(low));
    let error = seal(&sized(low + 1)).unwrap_err();
    assert!(matches!(error, EnvelopeError::TooLarge { size } if size > ENVELOPE_SIZE_BYTES_MAX), "{error}");
}

#[test]
fn every_flipped_bit_is_refused() {
    let text = seal(&document()).unwrap();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            assert!(open(&flipped).is_err(), "bit {bit} of byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_opens_is_exactly_what_seal_writes(
        document in any_document(), at in any::<prop::sample::Index>(), with in ".{0,3}"
    ) {
        let payload = serde_json::to_string(&document).unwrap();
        let mut at = at.index(payload.len());
        while !payload.is_char_boundary(at) {
            at -= 1;
        }
        let forged = wrap_bytes(format!("{}{with}{}", &payload[..at], &payload[at..]).as_bytes());
        if let Ok(opened) = open(&forged) {
            prop_assert_eq!(seal(&opened).unwrap(), forged);
        }
    }

    #[test]
    fn two_documents_never_have_one_text(one in any_document(), other in any_document()) {
        prop_assert_eq!(seal(&one).unwrap() == seal(&other).unwrap(), one == other);
    }
}
