//! What can be said of processes without forking any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

#[test]
fn a_signal_is_told_as_128_and_its_number() {
    assert_eq!(Exit::Signal(9).code(), 137);
    assert_eq!(Exit::Signal(15).code(), 143);
    assert_eq!(Exit::Code(3).code(), 3);
}

#[tokio::test]
async fn a_child_that_is_dropped_before_its_end_is_killed_and_reaped() {
    let mut sleep = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
    let pid = Pid::from_child(&sleep);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("pidfd");
    drop(Child::new(pid.as_raw_nonzero().get(), pidfd).expect("child"));
    assert!(sleep.wait().is_err(), "it was still there to be waited for");
}

#[test]
fn a_link_out_of_a_volume_directory_is_not_followed() {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::create_dir(directory.path().join("volumes")).expect("directory");
    std::os::unix::fs::symlink("/etc", directory.path().join("volumes/data")).expect("link");
    for relative in ["volumes/data", "volumes/data/passwd", "../etc", "/etc"] {
        let error = open_beneath(directory.path(), Path::new(relative)).expect_err(relative);
        assert!(matches!(error, Error::Path { .. }), "{relative}: {error}");
    }
}

#[test]
fn a_directory_below_its_base_is_opened() {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::create_dir_all(directory.path().join("volumes/data")).expect("directory");
    open_beneath(directory.path(), Path::new("volumes/data")).expect("opened");
}

#[test]
fn a_namespace_that_is_not_there_is_named() {
    let net = Namespace::Join("/nonexistent/netns".into());
    let error =
        entry([(Join::Net, &net), (Join::Ipc, &Namespace::Host), (Join::Uts, &Namespace::New)], &mut vec![])
            .expect_err("no such file");
    assert!(error.to_string().contains("/nonexistent/netns"), "{error}");
}

#[test]
fn namespaces_are_joined_and_made_as_said() {
    let mut descriptors = Vec::new();
    let net = Namespace::Join("/proc/self/ns/net".into());
    let wanted = [(Join::Net, &net), (Join::Ipc, &Namespace::Host), (Join::Uts, &Namespace::New)];
    let entry = entry(wanted, &mut descriptors).expect("entry");
    assert_eq!(entry, Entry { join: vec![Join::Net], new: vec![Join::Uts] });
    assert_eq!(descriptors.len(), 1);
}
