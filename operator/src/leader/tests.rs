//! What is done about a lease, by who holds it and for how long it has looked the same.
#![allow(clippy::unwrap_used)]

use super::*;

fn lease(holder: Option<&str>, seconds: Option<i32>) -> Lease {
    let spec = LeaseSpec {
        holder_identity: holder.map(ToOwned::to_owned),
        lease_duration_seconds: seconds,
        lease_transitions: Some(4),
        acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
        ..LeaseSpec::default()
    };
    Lease { spec: Some(spec), ..Lease::default() }
}

fn decided(lease: Lease, age_seconds: u64) -> Decision {
    let since = Instant::now();
    decide(Some(&Observed { lease, since }), "me", since + Duration::from_secs(age_seconds))
}

#[test]
fn what_is_done_follows_from_holder_and_age() {
    for (holder, seconds, age_seconds, want) in [
        (Some("me"), Some(15), 0, Decision::Renew),
        (Some("me"), Some(15), 1_000, Decision::Renew),
        (Some("other"), Some(15), 0, Decision::Wait),
        (Some("other"), Some(15), 14, Decision::Wait),
        (Some("other"), Some(15), 15, Decision::Take),
        (Some("other"), None, 14, Decision::Wait),
        (Some("other"), None, 15, Decision::Take),
        (Some("other"), Some(60), 59, Decision::Wait),
        (Some("other"), Some(-1), 0, Decision::Take),
        (Some(""), Some(15), 0, Decision::Take),
        (None, Some(15), 0, Decision::Take),
    ] {
        assert_eq!(
            decided(lease(holder, seconds), age_seconds),
            want,
            "{holder:?} {seconds:?} {age_seconds}"
        );
    }
    assert_eq!(decide(None, "me", Instant::now()), Decision::Create);
    assert_eq!(decided(Lease::default(), 0), Decision::Take, "a lease without a spec is nobody's");
}

#[test]
fn a_lease_that_is_taken_counts_the_change_and_one_that_is_renewed_does_not() {
    let now = Timestamp::from_second(1_000).unwrap();
    let taken = written(Some(&lease(Some("other"), Some(15))), "me", now).spec.unwrap();
    assert_eq!((taken.lease_transitions, taken.acquire_time), (Some(5), Some(MicroTime(now))));
    let renewed = written(Some(&lease(Some("me"), Some(15))), "me", now).spec.unwrap();
    assert_eq!(renewed.lease_transitions, Some(4));
    assert_eq!(renewed.acquire_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
    assert_eq!(renewed.renew_time, Some(MicroTime(now)));
    let first = written(None, "me", now);
    assert_eq!(first.metadata.name.as_deref(), Some(LEASE_NAME));
    assert_eq!(first.spec.unwrap().lease_transitions, Some(0));
}

#[test]
fn a_holder_gives_up_before_others_may_take_over() {
    let lease_ms = u64::try_from(LEASE_SECONDS).unwrap() * 1_000;
    // It notices within one more wait.
    assert!(RENEW_MS_MAX + RETRY_MS < lease_ms);
}
