//! Tests of `termination`: which file it is, and what never is.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

/// The spec of container `hello` of pod `u1` with these mounts: (destination, source, type).
fn spec(mounts: &[(&str, &Path, &str)]) -> Spec {
    let mounts: Vec<Value> = mounts
        .iter()
        .map(|(destination, source, kind)| {
            json!({ "destination": destination, "type": kind, "source": source })
        })
        .collect();
    let annotations = json!({
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.sandbox-id": "s1",
        "io.kubernetes.cri.sandbox-namespace": "demo",
        "io.kubernetes.cri.container-name": "hello",
        "io.kubernetes.cri.image-name": "registry.test/hello:1",
    });
    Spec::parse(json!({ "annotations": annotations, "mounts": mounts }).to_string().as_bytes(), "c1").unwrap()
}

fn pod(uid: &str) -> Pod {
    Pod { uid: uid.into(), ..Pod::default() }
}

/// The file of a spec with one mount.
fn of(kubelet: &Path, source: &Path) -> Option<TerminationFile> {
    TerminationFile::of(&spec(&[("/dev/termination-log", source, "bind")]), &pod("u1"), kubelet)
}

/// A kubelet's directory with a container's file in it.
fn kubelet() -> (tempfile::TempDir, PathBuf) {
    let kubelet = tempfile::tempdir().unwrap();
    let directory = kubelet.path().join("pods/u1/containers/hello");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("0a1b");
    std::fs::write(&file, "old and long").unwrap();
    (kubelet, file)
}

#[test]
fn the_message_replaces_what_was_there() {
    let (kubelet, file) = kubelet();
    of(kubelet.path(), &file).unwrap().write("why").unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "why");
}

#[test]
fn the_file_is_found_wherever_the_pod_wants_its_message() {
    let (kubelet, file) = kubelet();
    for destination in ["/dev/termination-log", "/tmp/why", "/etc/hosts", "/", "relative"] {
        let other = kubelet.path().join("pods/u1/etc-hosts");
        let spec = spec(&[("/etc/hosts", &other, "bind"), (destination, &file, "bind")]);
        let found = TerminationFile::of(&spec, &pod("u1"), kubelet.path());
        assert!(found.is_some(), "{destination}");
        found.unwrap().write(destination).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), destination);
    }
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let (kubelet, file) = kubelet();
    let long = format!("x{}", "ä".repeat(5_000));
    of(kubelet.path(), &file).unwrap().write(&long).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.len(), MESSAGE_BYTES_MAX - 1);
}

#[test]
fn a_source_that_is_not_the_containers_own_is_no_file() {
    let (kubelet, _) = kubelet();
    for source in [
        "/etc/passwd",
        "pods/u2/containers/hello/0a1b",
        "pods/u1/containers/other/0a1b",
        "pods/u1/containers/hello",
        "pods/u1/containers/hello/deep/0a1b",
        "pods/u1/containers/hello/../other/0a1b",
        "pods/u1/containers/hello/..",
        "pods/u1/containers",
        "pods/u1/volumes/kubernetes.io~empty-dir/x",
        "pods/u1/etc-hosts",
    ] {
        let source = kubelet.path().join(source);
        assert_eq!(of(kubelet.path(), &source), None, "{source:?}");
    }
}

#[test]
fn without_a_mount_a_uid_or_a_container_there_is_no_file() {
    let (kubelet, file) = kubelet();
    let mounted = spec(&[("/dev/termination-log", &file, "bind")]);
    for uid in ["", "..", ".", "u2", "u1/..", "/"] {
        assert_eq!(TerminationFile::of(&mounted, &pod(uid), kubelet.path()), None, "{uid:?}");
    }
    assert_eq!(TerminationFile::of(&spec(&[]), &pod("u1"), kubelet.path()), None);
    let no_bind = spec(&[("/dev/termination-log", &file, "tmpfs")]);
    assert_eq!(TerminationFile::of(&no_bind, &pod("u1"), kubelet.path()), None);
    let mount = json!({ "destination": "/dev/termination-log", "type": "bind", "source": file });
    let alone = Spec::parse(json!({ "mounts": [mount] }).to_string().as_bytes(), "c1").unwrap();
    assert_eq!(TerminationFile::of(&alone, &pod("u1"), kubelet.path()), None);
}

#[test]
fn a_link_is_not_followed() {
    let (kubelet, file) = kubelet();
    let outside = kubelet.path().join("outside");
    std::fs::write(&outside, "kept").unwrap();
    let link = file.with_file_name("link");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    assert!(of(kubelet.path(), &link).unwrap().write("gone").is_err());
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "kept");
}

#[test]
fn what_is_no_plain_file_is_not_written() {
    let (kubelet, file) = kubelet();
    let (directory, fifo) = (file.with_file_name("directory"), file.with_file_name("fifo"));
    std::fs::create_dir(&directory).unwrap();
    rustix::fs::mkfifoat(CWD, &fifo, Mode::from(0o600)).unwrap();
    let reader = rustix::fs::openat(CWD, &fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    for source in [directory, fifo, file.with_file_name("missing")] {
        assert!(of(kubelet.path(), &source).unwrap().write("why").is_err(), "{source:?}");
    }
    drop(reader);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "old and long");
}

#[test]
fn an_end_without_a_reason_gets_one_and_one_that_was_wanted_gets_none() {
    let killed = Exit::Signal(libc::SIGKILL);
    for (exit, asked, out_of_memory, words) in [
        (Exit::Code(0), false, false, None),
        (Exit::Code(7), false, false, Some("ended with code 7")),
        (killed, true, true, None),
        (killed, false, true, Some("memory limit is too small")),
        (killed, false, false, Some("killed by signal 9")),
        (Exit::Signal(libc::SIGSYS), false, false, Some("killed by seccomp")),
        (Exit::Signal(libc::SIGSEGV), true, false, Some("killed by signal 11")),
    ] {
        let found = reason(exit, asked, out_of_memory);
        let fits = match (&found, words) {
            (Some(found), Some(words)) => found.contains(words),
            (found, words) => found.is_none() && words.is_none(),
        };
        assert!(fits, "{exit:?}: {found:?}, not {words:?}");
    }
}
