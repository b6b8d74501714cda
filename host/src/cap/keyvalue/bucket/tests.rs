//! Tests of one bucket.
#![allow(clippy::unwrap_used)]
use super::*;

const ROOM: u64 = 1 << 20;

fn keys(bucket: &Bucket) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.page(cursor);
        all.extend(page.keys);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

fn pair(key: &str, value: &str) -> Pair {
    (key.into(), value.into())
}

#[test]
fn what_is_set_is_there_until_it_is_deleted() {
    let mut bucket = Bucket::new(ROOM);
    assert_eq!((bucket.get("a"), bucket.exists("a")), (None, false));
    bucket.set("a", b"1".into()).unwrap();
    bucket.set("a", b"2".into()).unwrap();
    bucket.set("", vec![]).unwrap();
    assert_eq!((bucket.get("a"), bucket.exists("a")), (Some(&b"2"[..]), true));
    assert_eq!((bucket.get(""), keys(&bucket)), (Some(&b""[..]), vec!["a".into(), String::new()]));
    bucket.delete("a");
    bucket.delete("never there");
    assert_eq!((bucket.get("a"), bucket.exists("a"), keys(&bucket)), (None, false, vec![String::new()]));
}

#[test]
fn keys_values_and_a_constant_for_each_entry_count_against_the_limit() {
    let max_bytes = 2 * KEYVALUE_ENTRY_BYTES + 4;
    let mut bucket = Bucket::new(max_bytes);
    bucket.set("a", b"1".into()).unwrap();
    bucket.set("b", b"1".into()).unwrap();
    assert_eq!(bucket.bytes, max_bytes);
    for (key, value) in [("a", "12"), ("c", "")] {
        let wanted_bytes = max_bytes + if key == "a" { 1 } else { KEYVALUE_ENTRY_BYTES + 1 };
        let refusal = bucket.set(key, value.into()).unwrap_err();
        assert_eq!(refusal, Refusal::Full { max_bytes, wanted_bytes });
    }
    assert_eq!(bucket.get("a"), Some(&b"1"[..]), "what was refused changes nothing");
    bucket.set("a", vec![]).unwrap();
    bucket.set("b", b"12".into()).unwrap();
    bucket.delete("b");
    bucket.set("c", b"12".into()).unwrap();
}

#[test]
fn empty_entries_end_as_well() {
    let mut bucket = Bucket::new(ROOM);
    let held =
        (0..).take_while(|number: &u64| bucket.set(&number.to_string(), vec![]).is_ok()).count() as u64;
    assert!(held <= ROOM / KEYVALUE_ENTRY_BYTES && held > ROOM / (2 * KEYVALUE_ENTRY_BYTES), "{held}");
}

#[test]
fn everything_deleted_leaves_the_room_that_was_there() {
    let mut bucket = Bucket::new(ROOM);
    for number in 0..100 {
        bucket.set(&number.to_string(), vec![0; number]).unwrap();
        bucket.increment("count", 7).unwrap();
    }
    bucket.delete_many(&keys(&bucket));
    assert_eq!((bucket.bytes, bucket.order.len(), bucket.entries.len()), (0, 0, 0));
}

#[test]
fn a_key_has_its_own_limit() {
    let mut bucket = Bucket::new(ROOM);
    bucket.set(&"k".repeat(KEYVALUE_KEY_BYTES_MAX), vec![]).unwrap();
    let (bytes, long) = (KEYVALUE_KEY_BYTES_MAX + 1, "k".repeat(KEYVALUE_KEY_BYTES_MAX + 1));
    assert_eq!(bucket.set(&long, vec![]), Err(Refusal::Key { bytes }));
    assert_eq!(bucket.set_many(vec![pair("a", ""), (long.clone(), vec![])]), Err(Refusal::Key { bytes }));
    assert_eq!(bucket.increment(&long, 1), Err(Refusal::Key { bytes }));
    assert!(!bucket.exists("a"));
}

#[test]
fn a_number_is_incremented_from_zero_and_stays_readable() {
    let mut bucket = Bucket::new(ROOM);
    assert_eq!((bucket.increment("n", 5), bucket.increment("n", 37)), (Ok(5), Ok(42)));
    assert_eq!(bucket.get("n"), Some(&b"42"[..]));
    bucket.set("n", b"100".into()).unwrap();
    assert_eq!((bucket.increment("n", 0), bucket.increment("n", 1)), (Ok(100), Ok(101)));
}

#[test]
fn what_cannot_be_incremented_stays_as_it_is() {
    let mut bucket = Bucket::new(ROOM);
    for (value, refusal) in [
        ("", Refusal::NoNumber),
        ("-1", Refusal::NoNumber),
        ("1.5", Refusal::NoNumber),
        ("one", Refusal::NoNumber),
        ("18446744073709551615", Refusal::Overflow),
    ] {
        bucket.set("n", value.into()).unwrap();
        assert_eq!(bucket.increment("n", 1), Err(refusal), "{value}");
        assert_eq!(bucket.get("n"), Some(value.as_bytes()));
    }
    bucket.set("n", vec![0xff]).unwrap();
    assert_eq!(bucket.increment("n", 1), Err(Refusal::NoNumber));
    let mut full = Bucket::new(KEYVALUE_ENTRY_BYTES);
    assert!(matches!(full.increment("n", 1), Err(Refusal::Full { .. })));
    assert!(!full.exists("n"));
}

#[test]
fn many_are_set_together_or_not_at_all() {
    let mut bucket = Bucket::new(3 * KEYVALUE_ENTRY_BYTES + 8);
    bucket.set_many(vec![pair("a", "1"), pair("b", "2"), pair("a", "3")]).unwrap();
    assert_eq!((bucket.get("a"), bucket.get("b")), (Some(&b"3"[..]), Some(&b"2"[..])));
    let refused = bucket.set_many(vec![pair("a", "4"), pair("c", "5"), pair("d", "6")]);
    assert!(matches!(refused, Err(Refusal::Full { .. })), "{refused:?}");
    assert_eq!((bucket.get("a"), bucket.exists("c"), bucket.exists("d")), (Some(&b"3"[..]), false, false));
    // What is replaced makes room for what replaces it.
    bucket.set_many(vec![pair("a", ""), pair("b", ""), pair("c", "12345")]).unwrap();
    assert_eq!(bucket.bytes, 3 * KEYVALUE_ENTRY_BYTES + 8);
}

#[test]
fn many_are_asked_in_their_order_and_missing_ones_are_none() {
    let mut bucket = Bucket::new(ROOM);
    bucket.set_many(vec![pair("a", "1"), pair("b", "2")]).unwrap();
    let asked = ["b", "x", "a", "b"].map(str::to_owned).to_vec();
    let want = [Some(pair("b", "2")), None, Some(pair("a", "1")), Some(pair("b", "2"))];
    assert_eq!(bucket.get_many(asked).unwrap(), want);
}

#[test]
fn one_large_value_asked_for_many_times_is_no_answer() {
    let mut bucket = Bucket::new(2 * ROOM);
    bucket.set("large", vec![0; 1 << 20]).unwrap();
    let times = usize::try_from(KEYVALUE_ANSWER_BYTES_MAX >> 20).unwrap();
    let ask = |times| bucket.get_many(vec!["large".to_owned(); times]);
    assert_eq!(ask(times - 1).unwrap().len(), times - 1);
    assert_eq!(ask(times), Err(Refusal::Answer));
}

#[test]
fn a_listing_comes_in_bounded_pages_and_has_each_key_once() {
    let mut bucket = Bucket::new(64 * ROOM);
    for number in 0..2 * KEYVALUE_PAGE_KEYS_MAX {
        bucket.set(&number.to_string(), vec![]).unwrap();
    }
    let page = bucket.page(None);
    assert_eq!((page.keys.len(), page.next.is_some()), (KEYVALUE_PAGE_KEYS_MAX, true));
    let all = keys(&bucket);
    assert_eq!(all.len(), 2 * KEYVALUE_PAGE_KEYS_MAX);
    assert!(all.iter().enumerate().all(|(number, key)| *key == number.to_string()));
    assert_eq!(bucket.page(Some(u64::MAX)), Page { keys: vec![], next: None });
    assert_eq!(Bucket::new(ROOM).page(None), Page { keys: vec![], next: None });
}

#[test]
fn keys_that_come_and_go_between_two_pages_hide_no_other() {
    let mut bucket = Bucket::new(64 * ROOM);
    for number in 0..KEYVALUE_PAGE_KEYS_MAX + 10 {
        bucket.set(&number.to_string(), vec![]).unwrap();
    }
    let first = bucket.page(None);
    bucket.delete_many(&first.keys);
    bucket.delete(&KEYVALUE_PAGE_KEYS_MAX.to_string());
    bucket.set("new", vec![]).unwrap();
    let second = bucket.page(first.next);
    let rest = (KEYVALUE_PAGE_KEYS_MAX + 1..KEYVALUE_PAGE_KEYS_MAX + 10).map(|number| number.to_string());
    assert_eq!(second.keys, rest.chain(["new".to_owned()]).collect::<Vec<_>>());
}
