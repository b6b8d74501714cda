//! A component that a node sees for the first time: quick code first, better code when nobody waits, and what
//! becomes of either when the disk is full.

use super::support::{PATIENCE, SHIM, command, guest, options, run, spec, ten_starts, tiny, until, zygote};
use morph_grant::Digest;
use morph_host::EngineKind;
use morph_shim::cache::{Cache, Code, Error};
use morph_shim::process::Exit;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const P2: EngineKind = EngineKind::P2;

/// A node's cache directory, and a compile child that leaves a line for each time it is started.
struct Node {
    directory: TempDir,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let (program, count) = (directory.path().join("program"), directory.path().join("count"));
        fs::write(&program, format!("#!/bin/sh\necho $* >>{}\nexec {SHIM} \"$@\"\n", count.display()))
            .expect("script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("mode");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn server(&self) -> Cache {
        self.server_with(true).await
    }

    async fn server_with(&self, baseline_first: bool) -> Cache {
        let options = options(self.path("disk/cache"), baseline_first);
        Cache::open(options, &self.path("program")).await.expect("cache")
    }

    /// With what the compiler was started, sorted.
    fn compilations(&self) -> Vec<String> {
        let count = fs::read_to_string(self.path("count")).unwrap_or_default();
        let mut lines: Vec<String> = count.lines().map(Into::into).collect();
        lines.sort();
        lines
    }
}

async fn code(cache: &Cache, component: &[u8], kind: EngineKind) -> Result<Code, Error> {
    let bytes = component.to_vec();
    cache.code(&Digest::of(component), kind, async move { Ok::<_, io::Error>(bytes) }).await
}

/// The engine of the code that a start gets now, without the component's bytes.
async fn found(cache: &Cache, component: &[u8], kind: EngineKind) -> EngineKind {
    let never = async { Err::<Vec<u8>, _>(io::Error::other("nobody asks for the bytes")) };
    cache.code(&Digest::of(component), kind, never).await.expect("code").engine
}

async fn until_found(cache: &Cache, component: &[u8], wanted: EngineKind) {
    let begun = std::time::Instant::now();
    while found(cache, component, P2).await != wanted {
        assert!(begun.elapsed() < PATIENCE, "no {wanted} code");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_first_start_gets_quick_code_and_a_later_one_better_code_without_reading_again() {
    let node = Node::new();
    let cache = node.server().await;
    assert_eq!(code(&cache, &tiny(), P2).await.expect("code").engine, EngineKind::P2Baseline);
    until_found(&cache, &tiny(), P2).await;
    assert_eq!(found(&node.server().await, &tiny(), P2).await, P2);
    assert_eq!(node.compilations(), ["compile p2 idle", "compile p2-baseline"]);
}

#[tokio::test]
async fn ten_starts_on_two_servers_at_once_read_once_and_compile_each_code_once() {
    let node = Node::new();
    let servers = [Arc::new(node.server().await), Arc::new(node.server().await)];
    let reads = ten_starts(&servers).await;
    for cache in &servers {
        until_found(cache, &tiny(), P2).await;
    }
    assert_eq!(reads, 1);
    assert_eq!(node.compilations(), ["compile p2 idle", "compile p2-baseline"]);
}

#[tokio::test]
async fn what_the_baseline_compiler_does_not_take_is_optimized_at_once() {
    let node = Node::new();
    let cache = node.server().await;
    let text = wat::parse_str("(component (core module (func $f (export \"f\") return_call $f)))");
    let component = text.expect("component");
    assert_eq!(code(&cache, &component, P2).await.expect("code").engine, P2);
    assert_eq!(node.compilations(), ["compile p2", "compile p2-baseline"]);
    let error = code(&cache, b"garbage", P2).await.expect_err("refused");
    assert!(matches!(error, Error::Compile { .. }), "{error}");
}

#[tokio::test]
async fn better_code_that_a_server_left_undone_is_made_by_the_next() {
    let node = Node::new();
    // A server that ends as soon as it has answered.
    code(&node.server().await, &tiny(), P2).await.expect("code");
    let cache = node.server().await;
    until_found(&cache, &tiny(), P2).await;
}

#[tokio::test]
async fn a_node_without_the_baseline_compiler_compiles_once() {
    let node = Node::new();
    code(&node.server().await, &tiny(), P2).await.expect("code");
    let cache = node.server_with(false).await;
    assert_eq!(code(&cache, &tiny(), P2).await.expect("code").engine, P2);
}

#[tokio::test]
async fn workers_run_quick_code_of_both_versions_on_engines_of_their_own() {
    let (node, zygote) = (Node::new(), zygote().await);
    let cache = node.server().await;
    for (name, kind) in [("command.wasm", P2), ("command-p3.wasm", EngineKind::P3)] {
        let quick = code(&cache, &guest(name), kind).await.expect("code");
        assert_eq!(quick.engine, kind.baseline());
        let ended = run(&zygote, spec(quick.file, quick.engine, command(&["exit", "3"]))).await;
        assert_eq!(ended.exit, Exit::Code(3), "{name}: {ended:?}");
    }
}

/// A file system of so many bytes; it is gone with this.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf, bytes: usize) -> Self {
        fs::create_dir(&path).expect("directory");
        let options = std::ffi::CString::new(format!("size={bytes}")).expect("options");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", &path, "tmpfs", flags, options.as_c_str()).expect("mount");
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_names_the_file_and_leaves_no_draft() {
    let node = Node::new();
    let _disk = Disk::mount(node.path("disk"), 8 << 10);
    let error = code(&node.server().await, &tiny(), P2).await.expect_err("full");
    let Error::Store { path, source, .. } = &error else { panic!("{error:?}") };
    assert!(path.starts_with(node.path("disk/cache")), "{error}");
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    let names = fs::read_dir(node.path("disk/cache")).expect("cache");
    let names: Vec<_> = names.map(|entry| entry.expect("entry").file_name()).collect();
    assert_eq!(names, ["locks"]);
}

#[tokio::test]
async fn on_a_full_disk_what_nobody_uses_makes_room() {
    let node = Node::new();
    let _disk = Disk::mount(node.path("disk"), 256 << 10);
    let cache = node.server_with(false).await;
    let old = node.path("disk/cache").join("0".repeat(64));
    fs::create_dir(&old).expect("entry");
    let full = io::copy(&mut io::repeat(1), &mut fs::File::create(old.join("code")).expect("file"));
    assert_eq!(full.expect_err("full").kind(), io::ErrorKind::StorageFull);
    age(&old);
    assert_eq!(code(&cache, &tiny(), P2).await.expect("code").engine, P2);
    assert!(!old.exists());
}

/// Makes a directory as if it had been used long ago.
fn age(path: &Path) {
    let then = rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: then, last_modification: then };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).expect("times");
}

#[tokio::test]
async fn what_is_old_goes_after_the_next_compilation() {
    let node = Node::new();
    let cache = node.server_with(false).await;
    let old = node.path("disk/cache").join("0".repeat(64));
    fs::create_dir(&old).expect("entry");
    age(&old);
    code(&cache, &tiny(), P2).await.expect("code");
    until("the old entry goes", PATIENCE, || !old.exists()).await;
}
