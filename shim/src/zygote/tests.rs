//! What the zygote decides before it forks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn descriptors(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| tempfile::tempfile().expect("file").into()).collect()
}

/// Streams, `tasks` files and whether there is a cgroup, of a request with so many descriptors.
fn asked(
    role: Role,
    tasks_files: usize,
    into_cgroup: bool,
    count: usize,
) -> io::Result<(usize, usize, bool)> {
    let request = ToZygote::Fork { role, tasks_files, into_cgroup };
    let sorted = birth(request, descriptors(count));
    sorted.map(|(birth, cgroup)| (birth.stdio.len(), birth.tasks_files.len(), cgroup.is_some()))
}

const SANDBOX: Role = Role::Sandbox { own_pid_namespace: false };

#[test]
fn descriptors_are_sorted_by_role() {
    let cases = [
        (SANDBOX, 0, false, 1, (0, 0, false)),
        (SANDBOX, 0, true, 2, (0, 0, true)),
        (SANDBOX, 9, true, 11, (0, 9, true)),
        (Role::Worker, 0, false, 4, (3, 0, false)),
        (Role::Worker, 0, true, 5, (3, 0, true)),
        (Role::Worker, 9, false, 13, (3, 9, false)),
    ];
    for (role, files, cgroup, count, expected) in cases {
        let sorted = asked(role, files, cgroup, count).expect("sorted");
        assert_eq!(sorted, expected, "{role:?} {files} {cgroup}");
    }
}

#[test]
fn a_request_with_other_descriptors_is_refused() {
    for (role, files, cgroup, count) in [
        (SANDBOX, 0, false, 0),
        (SANDBOX, 0, false, 2),
        (SANDBOX, 0, true, 1),
        (SANDBOX, 2, true, 3),
        (Role::Worker, 0, false, 3),
        (Role::Worker, 0, true, 4),
        (Role::Worker, usize::MAX, true, 4),
    ] {
        let error = asked(role, files, cgroup, count).expect_err("refused");
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
