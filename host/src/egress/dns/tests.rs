//! Tests of `egress::dns`.
#![allow(clippy::unwrap_used)]
use super::*;

fn question() -> Question {
    Question::new(0x1234, "API.weather.example", Kind::A).unwrap()
}

/// An answer to the question with these answers after it.
fn answer(flags: u16, count: u16, records: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = [0x1234, flags, 1, count, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect();
    bytes.extend(b"\x03api\x07weather\x07example\0\0\x01\0\x01");
    bytes.extend(records);
    bytes
}

const OK: u16 = 0x8180;

/// A record whose owner is a pointer to the question's name.
const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04";

fn addresses(texts: &[&str]) -> Option<Answer> {
    Some(Answer::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect()))
}

#[test]
fn a_question_is_as_rfc_1035_writes_it() {
    let want = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03api\x07weather\x07example\0\0\x01\0\x01\
                 \0\0\x29\x04\xd0\0\0\0\0\0\0";
    assert_eq!(question().message(), want);
}

#[test]
fn a_name_that_dns_cannot_carry_is_no_question() {
    let long = "abcdefg.".repeat(40) + "example";
    for name in ["", "a..b", ".a", "a.", &"a".repeat(64), &long] {
        assert_eq!(Question::new(1, name, Kind::A), None, "{name}");
    }
}

#[test]
fn addresses_are_read_with_and_without_compression() {
    assert_eq!(question().read(&answer(OK, 1, ADDRESS)), addresses(&["1.2.3.4"]));
    let plain = b"\x03API\x07weather\x07EXAMPLE\0\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x05";
    let both = [ADDRESS, plain].concat();
    assert_eq!(question().read(&answer(OK, 2, &both)), addresses(&["1.2.3.4", "1.2.3.5"]));
    assert_eq!(question().read(&answer(OK, 0, &[])), addresses(&[]));
}

#[test]
fn only_what_belongs_to_the_name_counts() {
    let other = b"\x04evil\xc0\x10\0\x01\0\x01\0\0\0\x3c\0\x04\x06\x06\x06\x06"; // evil.weather.example
    let wrong_class = b"\xc0\x0c\0\x01\0\x03\0\0\0\x3c\0\x04\x06\x06\x06\x06";
    let wrong_kind = b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x03abc";
    let all = [other.as_slice(), wrong_class, wrong_kind, ADDRESS].concat();
    assert_eq!(question().read(&answer(OK, 4, &all)), addresses(&["1.2.3.4"]));
    // A label with a dot in it is not two labels.
    let dotted = b"\x0bapi.weather\x07example\0\0\x01\0\x01\0\0\0\x3c\0\x04\x06\x06\x06\x06";
    assert_eq!(question().read(&answer(OK, 1, dotted)), addresses(&[]));
}

#[test]
fn an_alias_leads_to_the_addresses_of_its_end() {
    let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x08\x03cdn\x02io\0";
    let end = b"\x03cdn\x02io\0\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x01\x01\x01";
    let both = [alias.as_slice(), end].concat();
    assert_eq!(question().read(&answer(OK, 2, &both)), addresses(&["1.1.1.1"]));
    let turned = [end.as_slice(), alias].concat();
    assert_eq!(question().read(&answer(OK, 2, &turned)), addresses(&["1.1.1.1"]));
    assert_eq!(question().read(&answer(OK, 1, alias)), addresses(&[]));
    let to_itself = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x0c";
    assert_eq!(question().read(&answer(OK, 1, to_itself)), Some(Answer::TooManyAliases));
}

#[test]
fn what_the_server_says_of_itself_is_kept() {
    assert_eq!(question().read(&answer(OK | FLAG_TRUNCATED, 9, ADDRESS)), Some(Answer::Truncated));
    assert_eq!(question().read(&answer(OK | 3, 0, &[])), addresses(&[]));
    assert_eq!(question().read(&answer(OK | 2, 0, &[])), Some(Answer::Refused(2)));
}

#[test]
fn an_answer_to_something_else_is_none() {
    let good = answer(OK, 1, ADDRESS);
    for (at, byte) in [(0, 0x13), (2, 0x01), (2, 0x89), (5, 2), (13, b'x'), (34, 28), (36, 3)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(question().read(&bad), None, "byte {at}");
    }
    let other = Question::new(0x1234, "api.weather.example", Kind::Aaaa).unwrap();
    assert_eq!(other.read(&good), None);
}

#[test]
fn a_message_that_ends_early_or_lies_is_none_and_has_an_end() {
    let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x08\x03cdn\x02io\0";
    let whole = answer(OK, 2, &[ADDRESS, alias].concat());
    assert!(question().read(&whole).is_some());
    for end in 0..whole.len() {
        assert_eq!(question().read(&whole[..end]), None, "{end} bytes");
    }
    for records in [
        b"\xc0\xff\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04".as_slice(), // points forward
        b"\xc0\x25\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04",            // points at itself
        b"\x41\0\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04",              // a label of an unknown kind
        b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x09\x03cdn\x02io\0\0", // an alias that ends before its end
        b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x07\x03cdn\x02io\0",   // and behind it
    ] {
        assert_eq!(question().read(&answer(OK, 1, records)), None, "{records:?}");
    }
}

#[test]
fn no_bytes_whatever_make_it_panic() {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for round in 0..20_000 {
        let mut bytes = answer(OK, 3, &[ADDRESS, ADDRESS, ADDRESS].concat());
        for _ in 0..=round % 4 {
            let at = usize::from(next()) % bytes.len();
            bytes[at] = next();
        }
        let read = question().read(&bytes);
        assert!(!matches!(read, Some(Answer::Addresses(all)) if all.len() > 3));
    }
}
