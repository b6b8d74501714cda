//! How often a container may tell of denials, what is filled in for it, and that nobody ever waits.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::os::unix::net::UnixDatagram;

fn denied(capability: &str, rule: &str, detail: &str) -> Denied {
    Denied { capability: capability.into(), rule: rule.into(), detail: detail.into() }
}

fn witness(path: &Path) -> Witness {
    let pod = Pod { namespace: "demo".into(), name: "weather-1".into(), uid: "pod-uid".into() };
    Witness::new(pod, Some("morph-uid".into()), Arc::new(Reporter::new(path)))
}

fn after(begin: Instant, millis: u64) -> Instant {
    begin + Duration::from_millis(millis)
}

#[test]
fn a_burst_is_told_and_then_so_many_a_second() {
    let begin = Instant::now();
    let mut allowance = Allowance::new(begin);
    let told = (0..100).filter(|_| allowance.take("http", "host", begin)).count();
    assert_eq!(told, BURST as usize);
    assert_eq!(allowance.dropped(), 100 - u64::from(BURST));
    let told = (1..=10_000).filter(|ms| allowance.take("http", "host", after(begin, *ms))).count();
    assert_eq!(told, 10 * PER_SECOND as usize);
}

#[test]
fn silence_earns_no_more_than_a_burst() {
    let begin = Instant::now();
    let mut allowance = Allowance::new(begin);
    let later = after(begin, 86_400_000);
    assert_eq!((0..1_000).filter(|_| allowance.take("http", "host", later)).count(), BURST as usize);
}

#[test]
fn a_guest_that_invents_kinds_gets_so_many() {
    let begin = Instant::now();
    let mut allowance = Allowance::new(begin);
    let at = |n: usize| after(begin, n as u64 * 1_000);
    let told = (0..1_000).filter(|n| allowance.take("http", &format!("rule-{n}"), at(*n))).count();
    assert_eq!(told, KINDS_MAX);
    assert!(allowance.take("http", "rule-0", at(1_001)), "those that are known go on");
}

proptest! {
    #[test]
    fn an_honest_worker_is_never_taken_for_another(
        pauses in prop::collection::vec(0_u64..3_000, 1..200), late in 0_u64..60_000,
    ) {
        let begin = Instant::now();
        let mut allowance = Allowance::new(begin);
        let (mut now, mut said) = (begin, 0_u64);
        for pause in pauses {
            now += Duration::from_millis(pause);
            said += u64::from(allowance.take("http", "host", now));
            // Its words are read at any later time, all at once or one by one.
            prop_assert!(is_honest(said, begin, now));
            prop_assert!(is_honest(said, begin, now + Duration::from_millis(late)));
        }
    }
}

#[test]
fn a_worker_that_floods_is_not_listened_to_for_long() {
    let begin = Instant::now();
    let mut account = Account::new("c1", None, begin);
    let heard = (0..10_000).take_while(|_| account.take(&denied("http", "host", "x"), begin)).count();
    assert!(heard <= (BURST + PER_SECOND) as usize, "{heard}");
}

#[test]
fn words_that_are_no_labels_are_nonsense() {
    let begin = Instant::now();
    for (capability, rule) in [("", "host"), ("http", "two words"), ("http", "a\nb"), ("ht\"tp", "host")] {
        assert!(!Account::new("c1", None, begin).take(&denied(capability, rule, ""), begin));
    }
}

#[test]
fn the_identity_is_the_servers_word() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("denials.sock");
    let agent = UnixDatagram::bind(&path).unwrap();
    let mut account = Account::new("c1", Some(witness(&path)), Instant::now());
    assert!(account.take(&denied("http", "host-not-granted", "GET\nhttps://evil.example"), Instant::now()));
    let mut bytes = [0; 4096];
    let count = agent.recv(&mut bytes).unwrap();
    let report = DenialReport::parse(&bytes[..count]).unwrap();
    assert_eq!((report.namespace.as_str(), report.pod.as_str()), ("demo", "weather-1"));
    assert_eq!((report.pod_uid.as_str(), report.morph_uid.as_str()), ("pod-uid", "morph-uid"));
    assert_eq!((report.capability.as_str(), report.rule.as_str()), ("http", "host-not-granted"));
    assert_eq!(report.detail, "GET https://evil.example");
}

#[test]
fn a_pod_without_a_grant_is_reported_by_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("denials.sock");
    let named = witness(&path);
    let ungranted = Witness { morph_uid: None, ..named.clone() };
    assert!(ungranted.report(&denied("http", "host", "x")).is_none());
    let nameless = Witness { pod: Pod { name: String::new(), ..named.pod.clone() }, ..named };
    assert!(nameless.report(&denied("http", "host", "x")).is_none());
}

#[test]
fn without_an_agent_a_report_is_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("denials.sock");
    let witness = witness(&path);
    let report = witness.report(&denied("http", "host", "x")).unwrap();
    witness.reporter.send(&report);
    assert_eq!(witness.reporter.dropped(), 1);
    // One that comes later is found.
    let agent = UnixDatagram::bind(&path).unwrap();
    witness.reporter.send(&report);
    assert_eq!(agent.recv(&mut [0; 4096]).unwrap(), report.to_bytes().unwrap().len());
    assert_eq!(witness.reporter.dropped(), 1);
}

#[test]
fn an_agent_that_does_not_read_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("denials.sock");
    let _agent = UnixDatagram::bind(&path).unwrap();
    let witness = witness(&path);
    let report = witness.report(&denied("http", "host", "x")).unwrap();
    for _ in 0..20_000 {
        witness.reporter.send(&report);
    }
    assert!(witness.reporter.dropped() > 0, "its queue has an end");
}

#[test]
fn a_path_that_no_socket_can_have_is_no_reason_to_fail() {
    let reporter = Reporter::new(Path::new(&format!("/{}", "x".repeat(200))));
    reporter.send(&witness(Path::new("/nowhere")).report(&denied("http", "host", "x")).unwrap());
    assert_eq!(reporter.dropped(), 1);
}
