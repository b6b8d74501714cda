//! Whose fault it is when a container can't be prepared.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::compile::Haste;
use morph_grant::{Digest, Grants, SocketsGrant};
use morph_host::{Plug, Run};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

fn volume(base: &Path, relative: &str) -> Volume {
    let (base, relative) = (base.into(), relative.into());
    Volume { base, relative, part: Part::Whole, target: "/data".into(), read_only: false }
}

/// A volume `data` in a directory of its own, and how much of it.
fn part(directory: &Path, part: Part) -> Volume {
    std::fs::create_dir_all(directory.join("data")).unwrap();
    Volume { part, ..volume(directory, "data") }
}

fn sub_path(path: &str, make_for: Option<(u32, u32)>) -> Part {
    Part::Directory { path: path.into(), make_for }
}

fn fate(opened: Option<Result<Granted, Failure>>) -> String {
    let Some(Err(Failure::Fate(outcome))) = opened else { panic!("{opened:?}") };
    assert_eq!(outcome.code, code::GRANT_REFUSED);
    outcome.message.unwrap()
}

/// Where an opened descriptor leads.
fn place(granted: &Granted) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    std::fs::read_link(format!("/proc/self/fd/{}", granted.source.as_raw_fd())).unwrap()
}

#[test]
fn a_directory_of_a_volume_is_granted_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("data/a/b")).unwrap();
    for (path, make_for) in [("a", None), ("a/b", None), ("a/b", Some((7, 8)))] {
        let granted = open(&part(directory.path(), sub_path(path, make_for))).unwrap().unwrap();
        assert_eq!(place(&granted), directory.path().canonicalize().unwrap().join("data").join(path));
    }
}

#[test]
fn a_missing_directory_is_made_for_the_pods_user_where_it_may_write_and_is_a_refusal_else() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let refused = fate(open(&part(directory.path(), sub_path("a/b", None))));
    assert!(refused.contains("subPath of volume data: a: is no directory of the volume"), "{refused}");
    assert!(!directory.path().join("data/a").exists());
    open(&part(directory.path(), sub_path("a/b", Some((1234, 5678))))).unwrap().unwrap();
    for made in ["data/a", "data/a/b"] {
        let status = std::fs::metadata(directory.path().join(made)).unwrap();
        assert_eq!((status.uid(), status.gid(), status.mode() & 0o700), (1234, 5678, 0o700), "{made}");
    }
    let (before, kept) = (std::fs::metadata(directory.path().join("data/a")).unwrap(), Some((1, 1)));
    open(&part(directory.path(), sub_path("a/c", kept))).unwrap().unwrap();
    let after = std::fs::metadata(directory.path().join("data/a")).unwrap();
    assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()), "what was there keeps its owner");
}

#[test]
fn no_link_on_the_way_to_a_directory_is_followed_nor_a_file_taken_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir_all(data.join("real/below")).unwrap();
    std::fs::create_dir(directory.path().join("outside")).unwrap();
    std::fs::write(data.join("file"), "").unwrap();
    for (link, to) in [
        ("out", "/etc"),
        ("up", "../outside"),
        ("in", "real"),
        ("proc", "/proc/self/root"),
        ("none", "missing"),
    ] {
        std::os::unix::fs::symlink(to, data.join(link)).unwrap();
    }
    for path in
        ["out", "up", "in", "in/below", "proc", "proc/etc", "none", "none/new", "file", "file/new", ".."]
    {
        for make_for in [None, Some((1, 1))] {
            let refused = fate(open(&part(directory.path(), sub_path(path, make_for))));
            assert!(refused.contains("subPath of volume data"), "{path}: {refused}");
        }
    }
    assert!(!data.join("missing").exists() && !directory.path().join("outside/new").exists());
}

#[test]
fn a_file_of_names_is_a_regular_one_or_the_worker_does_without() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("hosts"), "127.0.0.1 localhost").unwrap();
    std::fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink(at("hosts"), at("link")).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), kind, 0o600.into(), 0).unwrap();
    let opened = |name: &str| open(&Volume { part: Part::File, ..volume(directory.path(), name) });
    assert_eq!(place(&opened("hosts").unwrap().unwrap()), at("hosts").canonicalize().unwrap());
    for name in ["missing", "directory", "link", "pipe", "hosts/below"] {
        assert!(opened(name).is_none(), "{name}");
    }
}

#[test]
fn a_volume_that_is_not_what_was_granted_is_the_guests_fault() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    for relative in ["missing", "link", "link/passwd", "file/below", "../outside"] {
        let refused = fate(open(&volume(directory.path(), relative)));
        assert!(refused.contains("grant refused: /data"), "{relative}: {refused}");
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
    let refused = CompileError::Refused("no".into());
    let too_long = CompileError::TooLong(Haste::Now);
    for verdict in [refused, too_long, CompileError::TooLarge, CompileError::TooMuch] {
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
fn a_plug_that_uses_the_network_has_the_nodes_addresses_kept_from_it() {
    let network = || Grants { sockets: Some(SocketsGrant::default()), ..Grants::default() };
    let task = |main: Grants, plug: Grants| {
        let (name, env, preopens) = ("clock".into(), Vec::new(), Vec::new());
        let plugs = vec![Plug { name, env, preopens, grants: plug }];
        Task { grants: main, plugs, ..Task::ungranted("x", Run::Command) }
    };
    assert!(!task(Grants::default(), Grants::default()).has_network());
    assert!(task(network(), Grants::default()).has_network());
    assert!(task(Grants::default(), network()).has_network());
}

#[test]
fn all_ends_before_the_kubelet_gives_up() {
    const KUBELET_SECONDS: u64 = 120;
    let (compile, prepare) = (crate::compile::COMPILE_SECONDS_MAX, PREPARE_SECONDS_MAX);
    assert!(compile < prepare && prepare < KUBELET_SECONDS - process::SEAL_MILLIS_MAX / 1000);
}
