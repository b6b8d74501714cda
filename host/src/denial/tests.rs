//! Tests of `denial`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::io::Read;

fn denial(detail: &str) -> Denial {
    Denial::new(Capability::Http, "host", detail)
}

fn lines(denials: impl IntoIterator<Item = Denial>) -> Vec<String> {
    let mut seen = Seen::default();
    denials.into_iter().filter_map(|denial| seen.line(&denial)).collect()
}

#[test]
fn the_first_is_told_and_repetitions_at_powers_of_ten() {
    let told = lines((0..1_000).map(|_| denial("evil.example")));
    let want = [
        "denied by capabilities.http (host): evil.example",
        "denied by capabilities.http (host), 10 times by now: evil.example",
        "denied by capabilities.http (host), 100 times by now: evil.example",
        "denied by capabilities.http (host), 1000 times by now: evil.example",
    ];
    assert_eq!(told, want);
}

#[test]
fn each_different_one_is_told_up_to_a_bound() {
    let told = lines((0..100_000).map(|number| denial(&format!("{number}.example"))));
    assert_eq!(told.len(), DENIALS_APART_MAX + 1 + 4, "{:?}", told.last());
    assert!(told[DENIALS_APART_MAX].ends_with("others will only be counted"), "{told:?}");
}

#[test]
fn a_flood_keeps_no_memory_but_for_the_bound() {
    let mut seen = Seen::default();
    for number in 0..10_000 {
        seen.line(&denial(&format!("{number}.example")));
    }
    assert_eq!((seen.apart.len(), seen.together.len()), (DENIALS_APART_MAX, 1));
}

#[test]
fn the_guests_words_are_one_clean_short_line() {
    let dirty = Denial::new(Capability::Sockets, "lookup", &format!("a\u{1b}[2J\n{}", "x".repeat(10_000)));
    assert!(dirty.detail.starts_with("a\\u{1b}[2J\\n"), "{}", dirty.detail);
    assert!(dirty.detail.len() <= DENIAL_DETAIL_BYTES_MAX);
}

#[test]
fn each_is_handed_to_whoever_runs_the_guest_and_the_log_has_it() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let handed = Arc::new(Mutex::new(Vec::new()));
    let into = handed.clone();
    let told: OnDenial = Arc::new(move |denial: &Denial| into.lock().unwrap().push(denial.clone()));
    let denials =
        Denials::new(Output::new(writer.into(), crate::stdio::Rate::new(1 << 40)), Some(told), None);
    denials.note(&denial("evil.example"));
    denials.note(&denial("evil.example"));
    drop(denials);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert_eq!(log, "morph: denied by capabilities.http (host): evil.example\n");
    assert_eq!(*handed.lock().unwrap(), [denial("evil.example"), denial("evil.example")]);
}

#[test]
fn that_of_a_composition_names_its_part_and_stays_one_short_line() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let handed = Arc::new(Mutex::new(Vec::new()));
    let into = handed.clone();
    let told: OnDenial = Arc::new(move |denial: &Denial| into.lock().unwrap().push(denial.clone()));
    let stderr = Output::new(writer.into(), crate::stdio::Rate::new(1 << 40));
    let denials = Denials::new(stderr, Some(told), Some("clock"));
    denials.note(&denial("a\nb\\"));
    denials.note(&denial(&"x".repeat(DENIAL_DETAIL_BYTES_MAX)));
    drop(denials);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    let first = log.lines().next().unwrap();
    let once = denial("a\nb\\").detail;
    assert_eq!(first, format!("morph: denied by capabilities.http (host): part clock: {once}"));
    let handed = handed.lock().unwrap();
    assert_eq!(handed[0].detail, format!("part clock: {once}"));
    assert!(
        handed[1].detail.starts_with("part clock: xxx") && handed[1].detail.len() <= DENIAL_DETAIL_BYTES_MAX
    );
}
