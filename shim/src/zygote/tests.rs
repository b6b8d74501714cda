//! What the zygote decides before it forks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn descriptors(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| tempfile::tempfile().expect("file").into()).collect()
}

fn asked(role: Role, into_cgroup: bool, count: usize) -> io::Result<(usize, bool)> {
    let request = ToZygote::Fork { role, into_cgroup };
    birth(request, descriptors(count)).map(|(birth, cgroup)| (birth.stdio.len(), cgroup.is_some()))
}

const SANDBOX: Role = Role::Sandbox { own_pid_namespace: false };

#[test]
fn descriptors_are_sorted_by_role() {
    let cases = [
        (SANDBOX, false, 1, (0, false)),
        (SANDBOX, true, 2, (0, true)),
        (Role::Worker, false, 4, (3, false)),
        (Role::Worker, true, 5, (3, true)),
    ];
    for (role, into_cgroup, count, expected) in cases {
        assert_eq!(asked(role, into_cgroup, count).expect("sorted"), expected, "{role:?} {into_cgroup}");
    }
}

#[test]
fn a_request_with_other_descriptors_is_refused() {
    for (role, into_cgroup, count) in [
        (SANDBOX, false, 0),
        (SANDBOX, false, 2),
        (SANDBOX, true, 1),
        (Role::Worker, false, 3),
        (Role::Worker, true, 4),
    ] {
        let error = asked(role, into_cgroup, count).expect_err("refused");
        assert!(error.to_string().contains("descriptors came"), "{error}");
    }
}

#[test]
fn a_reason_is_one_line_with_each_cause_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);
    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Repeats(#[source] io::Error);
    let cause = || io::Error::other("no space");
    assert_eq!(reason(&Outer(cause())), "outer: no space");
    assert_eq!(reason(&Repeats(cause())), "outer: no space");
}
