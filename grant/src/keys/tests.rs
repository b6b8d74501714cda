//! Keys in and out of PEM, their ids, and what is no key.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::samples::key;

/// The pair of RFC 8410, section 10.
const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";
const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----";

#[test]
fn the_keys_of_rfc_8410_are_read() {
    let private = SigningKey::from_pem(RFC_PRIVATE).unwrap();
    let public = PublicKey::from_pem(RFC_PUBLIC).unwrap();
    assert_eq!(private.public(), public);
    assert_eq!(private.to_pem().unwrap().trim(), RFC_PRIVATE);
    assert_eq!(public.to_pem().unwrap().trim(), RFC_PUBLIC);
}

#[test]
fn a_key_is_read_back_from_its_text() {
    let key = key(1);
    let read = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
    assert_eq!(read.public(), key.public());
    assert_eq!(PublicKey::from_pem(&key.public().to_pem().unwrap()).unwrap(), key.public());
    assert_ne!(super::super::samples::key(2).public(), key.public());
}

#[test]
fn an_id_is_the_beginning_of_the_keys_hash() {
    let public = PublicKey::from_pem(RFC_PUBLIC).unwrap();
    assert_eq!(public.id().to_string(), Digest::of(public.0.as_bytes()).hex()[..32]);
    assert_eq!(public.id().to_string().parse::<KeyId>().unwrap(), public.id());
    let json = serde_json::to_string(&public.id()).unwrap();
    assert_eq!(serde_json::from_str::<KeyId>(&json).unwrap(), public.id());
}

#[test]
fn an_id_has_one_spelling() {
    let id = key(1).public().id().to_string();
    for wrong in [&id[1..], &format!("{id}0"), &id.to_uppercase(), &id.replacen(&id[..1], "g", 1), ""] {
        assert!(matches!(wrong.parse::<KeyId>(), Err(KeyError::Id)), "{wrong}");
        assert!(serde_json::from_value::<KeyId>(serde_json::json!(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_no_key_is_refused_by_what_it_should_be() {
    for text in ["", "x", RFC_PUBLIC, &RFC_PRIVATE.replace("MC4C", "MC4D"), &RFC_PRIVATE[..90]] {
        assert!(matches!(SigningKey::from_pem(text), Err(KeyError::Private(_))), "{text}");
    }
    for text in ["", "x", RFC_PRIVATE, &RFC_PUBLIC.replace("MCow", "MCox"), &RFC_PUBLIC[..70]] {
        assert!(matches!(PublicKey::from_pem(text), Err(KeyError::Public(_))), "{text}");
    }
    let long = " ".repeat(KEY_SIZE_BYTES_MAX + 1);
    assert!(matches!(SigningKey::from_pem(&long), Err(KeyError::TooLarge { size: 4097 })));
    assert!(matches!(PublicKey::from_pem(&long), Err(KeyError::TooLarge { size: 4097 })));
}

/// Under a point of low order, one signature is good for many texts, and anybody can write it.
#[test]
fn a_weak_public_key_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    for point in [[0; 32], identity] {
        let text = VerifyingKey::from_bytes(&point).unwrap().to_public_key_pem(LineEnding::LF).unwrap();
        assert!(matches!(PublicKey::from_pem(&text), Err(KeyError::Weak)), "{point:?}");
    }
}

#[test]
fn nothing_shows_a_private_key() {
    let key = SigningKey::from_pem(RFC_PRIVATE).unwrap();
    let shown = format!("{key:?} {key:#?} {:?}", key.public());
    assert_eq!(shown, format!("SigningKey({0}) SigningKey({0}) PublicKey({0})", key.public().id()));
    let broken = RFC_PRIVATE.replace("MC4C", "MC4D");
    let error = SigningKey::from_pem(&broken).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("INTuctv5"), "{error:?}");
}

#[test]
fn a_signature_is_of_one_key_over_one_text() {
    let signature = key(1).sign(b"text");
    assert_eq!(signature, key(1).sign(b"text"));
    assert!(key(1).public().has_signed(b"text", &signature));
    assert!(!key(1).public().has_signed(b"texT", &signature));
    assert!(!key(2).public().has_signed(b"text", &signature));
    assert!(!key(1).public().has_signed(b"text", &[0; 64]));
}

/// Adding the group's order to its second half makes another signature of the same text, which a careless
/// reader takes.
#[test]
fn a_second_spelling_of_a_signature_is_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = key(1).sign(b"text");
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert!(!key(1).public().has_signed(b"text", &signature));
}

#[test]
fn as_many_keys_are_trusted_as_the_bound_says() {
    let keys = |count: u64| (0..count).map(|n| key(n).public());
    let trusted: TrustedKeys = keys(TRUSTED_KEYS_MAX as u64 + 3).collect();
    assert_eq!(trusted.len(), TRUSTED_KEYS_MAX);
    assert_eq!(trusted, keys(TRUSTED_KEYS_MAX as u64).collect());
    assert_eq!(trusted.get(&key(0).public().id()), Some(&key(0).public()));
    assert_eq!(trusted.get(&key(TRUSTED_KEYS_MAX as u64).public().id()), None);
    assert!(trusted.iter().all(|(id, key)| key.id() == *id));
    let twice: TrustedKeys = [key(1).public(), key(1).public()].into_iter().collect();
    assert_eq!(twice.len(), 1);
    assert!(TrustedKeys::default().is_empty());
}
