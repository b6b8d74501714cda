//! Whose fault it is when a container can't be prepared.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use morph_grant::Digest;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

fn volume(base: &Path, relative: &str) -> Volume {
    Volume { base: base.into(), relative: relative.into(), target: "/data".into(), read_only: false }
}

#[test]
fn a_volume_that_is_not_what_was_granted_is_the_guests_fault() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    for relative in ["missing", "link", "link/passwd", "file/below", "../outside"] {
        let failure = open_volume(&volume(directory.path(), relative)).unwrap_err();
        let Failure::Fate(outcome) = failure else { panic!("{relative}: {failure:?}") };
        assert_eq!(outcome.code, code::GRANT_REFUSED, "{relative}");
        assert!(outcome.message.unwrap().contains("grant refused: /data"), "{relative}");
    }
}

#[test]
fn trouble_of_the_node_is_not_the_guests_fault() {
    let path = |number| process::Error::Path {
        path: PathBuf::from("/data"),
        doing: "directory can't be opened",
        source: io::Error::from_raw_os_error(number),
    };
    for number in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EIO, libc::ESTALE, libc::EACCES] {
        assert!(!is_of_the_volume(&path(number)), "{number}");
    }
    for number in [libc::ELOOP, libc::EXDEV, libc::ENOENT, libc::ENOTDIR] {
        assert!(is_of_the_volume(&path(number)), "{number}");
    }
    assert!(!is_of_the_volume(&process::Error::Hangs { what: "granted volumes" }));
}

#[test]
fn a_file_system_that_hangs_is_unavailable() {
    let fault = Fault::of_process(&process::Error::Hangs { what: "granted volumes" });
    assert!(matches!(&fault, Fault::Unavailable(why) if why.contains("granted volumes")), "{fault:?}");
    let other = Fault::of_process(&process::Error::Refused("sealing".into()));
    assert!(matches!(other, Fault::Internal(_)), "{other:?}");
}

#[test]
fn only_what_a_compiler_says_of_the_component_is_the_guests_fault() {
    let failed = |source| Failure::from(cache::Error::Compile { digest: Digest::of(b""), source });
    for verdict in [CompileError::Refused("no".into()), CompileError::TooLong, CompileError::TooLarge] {
        let failure = failed(verdict);
        assert!(matches!(&failure, Failure::Fate(end) if end.code == code::COMPILE_FAILED), "{failure:?}");
    }
    let child = CompileError::Child { doing: "starting", source: io::ErrorKind::OutOfMemory.into() };
    let died = CompileError::Died { how: std::process::ExitStatus::from_raw(9), words: String::new() };
    for trouble in [child, died] {
        let failure = failed(trouble);
        assert!(matches!(failure, Failure::Fault(Fault::Unavailable(_))), "{failure:?}");
    }
}

#[test]
fn all_ends_before_the_kubelet_gives_up() {
    const KUBELET_SECONDS: u64 = 120;
    let (compile, prepare) = (crate::compile::COMPILE_SECONDS_MAX, PREPARE_SECONDS_MAX);
    assert!(compile < prepare && prepare < KUBELET_SECONDS - process::SEAL_MILLIS_MAX / 1000);
}
