//! The server's side of a compilation, without a compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::os::unix::fs::PermissionsExt;

/// What comes of a compilation whose child is this shell script.
async fn compiled_by(script: &str) -> (Result<Compiled, CompileError>, Vec<u8>) {
    compiled(script, Haste::Now).await
}

async fn compiled(script: &str, haste: Haste) -> (Result<Compiled, CompileError>, Vec<u8>) {
    let directory = tempfile::tempdir().expect("directory");
    let program = directory.path().join("program");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("script");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let mut code = Vec::new();
    let compiled = Compiler::new(&program).compile(b"component", EngineKind::P2, haste, &mut code).await;
    (compiled, code)
}

#[tokio::test]
async fn the_code_is_what_the_child_writes_and_its_hash_is_told() {
    let (compiled, code) = compiled_by("cat; echo \" for $1 $2\"").await;
    assert_eq!(code, b"component for compile p2\n");
    let expected = morph_grant::Digest::of(&code).hex();
    assert_eq!(compiled.expect("compiled").sha256, expected);
}

#[tokio::test]
async fn a_child_is_told_when_nobody_waits() {
    let (_, code) = compiled("cat; echo \" for $*\"", Haste::Idle).await;
    assert_eq!(code, b"component for compile p2 idle\n");
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_apart_from_a_child_that_fails() {
    let directory = tempfile::tempdir().expect("directory");
    let program = directory.path().join("program");
    std::fs::write(&program, "#!/bin/sh\ncat\n").expect("script");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("full");
    let mut full = tokio::fs::File::from_std(full);
    let compiler = Compiler::new(&program);
    let compiled = compiler.compile(b"component", EngineKind::P2, Haste::Now, &mut full).await;
    let error = compiled.expect_err("full");
    let CompileError::Storing(source) = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[tokio::test]
async fn a_child_gets_no_environment() {
    let (_, code) =
        compiled_by("cat >/dev/null; /usr/bin/env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=").await;
    assert_eq!(String::from_utf8_lossy(&code), "");
}

#[tokio::test]
async fn words_and_status_say_how_a_child_failed() {
    let cases = [
        ("cat >/dev/null; echo unknown import >&2; exit 3", "unknown import"),
        ("echo unknown import >&2; exit 3", "unknown import"),
        ("cat >/dev/null; echo no thread >&2; exit 101", "exit status: 101"),
        ("cat >/dev/null; echo no thread >&2; exit 101", ": no thread"),
        ("cat >/dev/null; kill -KILL $$", "SIGKILL"),
        ("cat >/dev/null; kill -XCPU $$", "360 s of processor time"),
        ("exit 1", "exit status: 1"),
    ];
    for (script, expected) in cases {
        let (compiled, _) = compiled_by(script).await;
        let error = compiled.expect_err(script).to_string();
        assert!(error.contains(expected), "{script}: {error}");
    }
}

#[tokio::test]
async fn a_child_that_cannot_be_started_is_an_error() {
    let compiler = Compiler::new(Path::new("/nonexistent"));
    let compiled = compiler.compile(b"", EngineKind::P3, Haste::Now, &mut Vec::new()).await;
    let error = compiled.expect_err("no such program");
    assert!(error.to_string().contains("starting its program"), "{error}");
}

#[tokio::test]
async fn many_words_are_cut_and_made_one_line() {
    let (compiled, _) = compiled_by("cat >/dev/null; yes 'so   many' | head -c 1000000 >&2; exit 3").await;
    let error = compiled.expect_err("refused").to_string();
    assert!(error.starts_with("so many so many") && !error.contains('\n'), "{error}");
    assert!(error.len() <= REASON_BYTES_MAX, "{}", error.len());
}

#[tokio::test]
async fn code_past_the_limit_is_not_taken() {
    struct Endless;
    impl AsyncRead for Endless {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            buffer.initialize_unfilled();
            buffer.advance(buffer.remaining());
            std::task::Poll::Ready(Ok(()))
        }
    }
    let error = copy(&mut Endless, &mut tokio::io::sink()).await.expect_err("too much");
    assert!(matches!(error, CompileError::TooLarge), "{error}");
    assert!(error.to_string().contains("512 MiB"), "{error}");
}

#[test]
fn bytes_become_two_digits_each() {
    assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
}

#[test]
fn what_code_must_fit_is_known_of_every_engine_or_of_none() {
    let lines = EngineKind::ALL.map(|kind| format!("{kind} hash-of-{kind}\n"));
    let all = engines(&lines.concat()).expect("all");
    assert_eq!(all[&EngineKind::P3Baseline], "hash-of-p3-baseline");
    for text in ["", "p2 x\np3 x\n", "nonsense"] {
        let error = engines(text).expect_err(text).to_string();
        assert!(error.contains("reading engines"), "{error}");
    }
}
