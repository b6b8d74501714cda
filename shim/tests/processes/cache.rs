//! The code cache with a real compile child: one compilation for a key, and none for what is damaged or
//! wrong.

use super::support::{SHIM, options, ten_starts, tiny};
use morph_grant::Digest;
use morph_host::EngineKind;
use morph_shim::cache::{Cache, Error, Options};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const P2: EngineKind = EngineKind::P2;

/// A cache directory, and a compile child that leaves a line for each time it is started.
struct World {
    directory: TempDir,
    program: PathBuf,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let script =
            format!("#!/bin/sh\necho x >>{}/count\nexec {SHIM} \"$@\"\n", directory.path().display());
        Self::with_script(directory, &script)
    }

    fn with_script(directory: TempDir, script: &str) -> Self {
        let program = directory.path().join("program");
        fs::write(&program, script).expect("script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("mode");
        Self { directory, program }
    }

    /// A server's cache; each one forgets what others have checked.
    async fn server(&self) -> Cache {
        Cache::open(self.options(), &self.program).await.expect("cache")
    }

    fn options(&self) -> Options {
        options(self.cache(), false)
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn compilations(&self) -> usize {
        let count = fs::read_to_string(self.directory.path().join("count")).unwrap_or_default();
        count.lines().count()
    }

    /// The directory of the only entry.
    fn entry(&self) -> PathBuf {
        let entries = fs::read_dir(self.cache()).expect("cache");
        let mut entries: Vec<PathBuf> = entries
            .map(|entry| entry.expect("entry").path())
            .filter(|path| path.file_name().is_some_and(|name| name.len() == 64))
            .collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.remove(0)
    }
}

async fn code(cache: &Cache, component: &[u8], kind: EngineKind) -> Result<Vec<u8>, Error> {
    let digest = Digest::of(component);
    let component = component.to_vec();
    let mut found = cache.code(&digest, kind, async move { Ok::<_, io::Error>(component) }).await?;
    let mut code = Vec::new();
    found.file.read_to_end(&mut code).expect("code");
    Ok(code)
}

#[tokio::test]
async fn the_code_of_a_component_is_compiled_once_and_then_found() {
    let world = World::new();
    let cache = world.server().await;
    let first = code(&cache, &tiny(), P2).await.expect("code");
    assert!(first.starts_with(b"\x7fELF"));
    let never = async { Err::<Vec<u8>, _>(io::Error::other("nobody asks for the bytes")) };
    cache.code(&Digest::of(&tiny()), P2, never).await.expect("code");
    assert_eq!(code(&world.server().await, &tiny(), P2).await.expect("code"), first);
    assert_eq!(world.compilations(), 1);
}

#[tokio::test]
async fn ten_tasks_of_two_servers_at_once_are_one_compilation() {
    let world = World::new();
    let servers = [Arc::new(world.server().await), Arc::new(world.server().await)];
    let reads = ten_starts(&servers).await;
    assert_eq!(world.compilations(), 1);
    assert_eq!(reads, 1);
}

#[tokio::test]
async fn each_engine_has_code_of_its_own() {
    let world = World::new();
    let cache = world.server().await;
    let p2 = code(&cache, &tiny(), P2).await.expect("code");
    let p3 = code(&cache, &tiny(), EngineKind::P3).await.expect("code");
    assert_ne!(p2, p3);
    assert_eq!(world.compilations(), 2);
}

#[tokio::test]
async fn a_damaged_entry_is_made_anew() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 5] = [
        ("a flipped bit", |entry| {
            let mut code = fs::read(entry.join("code")).expect("code");
            let middle = code.len() / 2;
            code[middle] ^= 1;
            fs::write(entry.join("code"), code).expect("write");
        }),
        ("a cut file", |entry| {
            File::options().write(true).open(entry.join("code")).expect("code").set_len(100).expect("cut");
        }),
        ("no checksum", |entry| fs::remove_file(entry.join("sha256")).expect("remove")),
        ("another checksum", |entry| fs::write(entry.join("sha256"), "00").expect("write")),
        ("no code", |entry| fs::remove_file(entry.join("code")).expect("remove")),
    ];
    for (what, damage) in damages {
        let world = World::new();
        let whole = code(&world.server().await, &tiny(), P2).await.expect("code");
        damage(&world.entry());
        assert_eq!(code(&world.server().await, &tiny(), P2).await.expect(what), whole, "{what}");
        assert_eq!(world.compilations(), 2, "{what}");
    }
}

#[tokio::test]
async fn a_server_notices_damage_to_what_it_has_checked() {
    let world = World::new();
    let cache = world.server().await;
    let whole = code(&cache, &tiny(), P2).await.expect("code");
    fs::write(world.entry().join("code"), "cut").expect("write");
    assert_eq!(code(&cache, &tiny(), P2).await.expect("code"), whole);
}

#[tokio::test]
async fn an_entry_is_roots_alone_but_for_the_code_that_workers_map() {
    let world = World::new();
    code(&world.server().await, &tiny(), P2).await.expect("code");
    let mode = |path: &Path| fs::metadata(path).expect("status").permissions().mode() & 0o7777;
    assert_eq!(mode(&world.cache()), 0o700);
    assert_eq!(mode(&world.entry()), 0o700);
    assert_eq!(mode(&world.entry().join("code")), 0o444);
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_refused() {
    let world = World::new();
    fs::create_dir(world.cache()).expect("directory");
    fs::set_permissions(world.cache(), fs::Permissions::from_mode(0o755)).expect("mode");
    let error = Cache::open(world.options(), &world.program).await.expect_err("refused");
    assert!(matches!(error, Error::Store { .. }), "{error}");
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_not_compiled() {
    let world = World::new();
    let cache = world.server().await;
    let read = async { Ok::<_, io::Error>(tiny()) };
    let error = cache.code(&Digest::of(b"another"), P2, read).await.expect_err("refused");
    assert!(matches!(error, Error::OtherBytes { .. }), "{error}");
    assert_eq!(world.compilations(), 0);
}

#[tokio::test]
async fn a_component_that_cannot_be_read_is_named() {
    let world = World::new();
    let read = async { Err::<Vec<u8>, _>(io::Error::other("no such blob")) };
    let error = world.server().await.code(&Digest::of(b""), P2, read).await.expect_err("refused");
    assert!(error.to_string().contains(&Digest::of(b"").to_string()), "{error}");
    assert_eq!(std::error::Error::source(&error).expect("cause").to_string(), "no such blob");
}

#[tokio::test]
async fn a_refusal_says_why_and_leaves_nothing() {
    let world = World::new();
    let error = code(&world.server().await, b"garbage", P2).await.expect_err("refused");
    let cause = std::error::Error::source(&error).expect("cause").to_string();
    assert!(cause.contains("not a WebAssembly component"), "{cause}");
    let left: Vec<_> =
        fs::read_dir(world.cache()).expect("cache").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left, ["locks"]);
}

#[tokio::test]
async fn a_refusal_is_told_again_without_another_compilation() {
    let world = World::new();
    let cache = world.server().await;
    let mut words = Vec::new();
    for _ in 0..3 {
        let error = code(&cache, b"garbage", P2).await.expect_err("refused");
        words.push(std::error::Error::source(&error).expect("cause").to_string());
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(world.compilations(), 1);
    code(&cache, &tiny(), P2).await.expect("another component is compiled");
}

#[tokio::test]
async fn a_compiler_that_died_is_started_again() {
    let directory = tempfile::tempdir().expect("directory");
    let count = directory.path().join("count");
    let script = format!("#!/bin/sh\necho x >>{}\ncat >/dev/null\nkill -KILL $$\n", count.display());
    let world = World::with_script(directory, &script);
    let cache = world.server().await;
    for _ in 0..2 {
        code(&cache, &tiny(), P2).await.expect_err("died");
    }
    assert_eq!(world.compilations(), 2);
}

#[tokio::test]
async fn a_compiler_that_dies_is_an_error_with_its_signal_and_words() {
    let cause = dying("thread main panicked", "ABRT").await;
    assert!(cause.contains("SIGABRT") && cause.contains("thread main panicked"), "{cause}");
}

/// Why there is no code when the compiler says this and ends by a signal.
async fn dying(words: &str, signal: &str) -> String {
    let script = format!("#!/bin/sh\ncat >/dev/null\necho {words} >&2\nkill -{signal} $$\n");
    let world = World::with_script(tempfile::tempdir().expect("directory"), &script);
    let error = code(&world.server().await, &tiny(), P2).await.expect_err("died");
    std::error::Error::source(&error).expect("cause").to_string()
}

#[tokio::test]
async fn a_compiler_that_needs_too_much_memory_is_the_components_fault() {
    let words = "memory allocation of 7 bytes failed";
    let cause = dying(words, "ABRT").await;
    assert_eq!(cause, "compiling took more than 1280 MiB of memory");
    let cause = dying(words, "KILL").await;
    assert!(cause.contains("SIGKILL"), "whoever kills it has other reasons: {cause}");
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_no_compiler_and_no_draft() {
    let directory = tempfile::tempdir().expect("directory");
    let pid_file = directory.path().join("pid");
    let script = format!("#!/bin/sh\necho $$ >{}\nexec sleep 600\n", pid_file.display());
    let world = World::with_script(directory, &script);
    let cache = Arc::new(world.server().await);
    let asking = {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { code(&cache, &tiny(), P2).await.map(drop) })
    };
    let written = || fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n'));
    super::support::until("the compiler starts", super::support::PATIENCE, written).await;
    let pid = fs::read_to_string(&pid_file).expect("pid").trim().parse().expect("pid");
    asking.abort();
    assert!(asking.await.expect_err("given up").is_cancelled());
    let compiler = super::support::Process(pid);
    super::support::until("the compiler ends", super::support::PATIENCE, || !compiler.is_alive()).await;
    fs::write(&world.program, format!("#!/bin/sh\nexec {SHIM} \"$@\"\n")).expect("script");
    code(&cache, &tiny(), P2).await.expect("code");
}
