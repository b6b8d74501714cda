//! Rights: what isn't granted isn't there.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_grant::Access;
use morph_host::code;
use std::path::Path;
use support::{command, guest, run, wat, with_directory};

fn in_data(directory: &Path, access: Access, args: &[&str]) -> (u8, String) {
    let ended = run(guest("command"), with_directory(command(args), directory, "/data", access));
    (ended.code, ended.stdout + &ended.stderr)
}

#[test]
fn a_granted_directory_is_read_and_written_at_its_path() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("greeting"), "hello").unwrap();
    let read = |args| in_data(directory.path(), Access::ReadWrite, args);
    assert_eq!(read(&["read", "/data/greeting"]), (0, "hello".into()));
    assert_eq!(read(&["write", "/data/new", "text"]), (0, String::new()));
    assert_eq!(std::fs::read_to_string(directory.path().join("new")).unwrap(), "text");
    assert_eq!(read(&["list", "/data"]), (0, "greeting\nnew\n".into()));
    assert_eq!(read(&["remove", "/data/new"]), (0, String::new()));
    assert!(!directory.path().join("new").exists());
}

#[test]
fn a_read_only_grant_refuses_every_write() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("greeting"), "hello").unwrap();
    let only_read = |args| in_data(directory.path(), Access::ReadOnly, args);
    assert_eq!(only_read(&["read", "/data/greeting"]), (0, "hello".into()));
    for args in [
        &["write", "/data/greeting", "text"][..],
        &["write", "/data/new", "text"],
        &["append", "/data/greeting", "text"],
        &["remove", "/data/greeting"],
    ] {
        let (code, text) = only_read(args);
        assert!(code == 1 && text.starts_with("refused: "), "{args:?}: {code} {text}");
    }
    assert_eq!(std::fs::read_to_string(directory.path().join("greeting")).unwrap(), "hello");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn nothing_outside_a_granted_directory_is_there() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let inside = outside.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), inside.join("absolute")).unwrap();
    let real = outside.path().join("secret");
    for path in
        ["/data/../secret", "/data/link", "/data/absolute", "/secret", "secret", real.to_str().unwrap()]
    {
        let (code, text) = in_data(&inside, Access::ReadWrite, &["read", path]);
        assert!(code == 1 && text.starts_with("refused: "), "{path}: {code} {text}");
    }
}

#[test]
fn a_directory_that_no_grant_names_is_not_given() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("greeting"), "hello").unwrap();
    let mut task =
        with_directory(command(&["read", "/data/greeting"]), directory.path(), "/data", Access::ReadWrite);
    task.grants.filesystem.clear();
    let ended = run(guest("command"), task);
    assert!(ended.code == 1 && ended.stderr.starts_with("refused: "), "{ended:?}");
}

#[test]
fn the_grant_bounds_what_a_task_says() {
    let directory = tempfile::tempdir().unwrap();
    let mut task =
        with_directory(command(&["write", "/data/new", "x"]), directory.path(), "/data", Access::ReadOnly);
    task.preopens[0].access = Access::ReadWrite;
    assert_eq!(run(guest("command"), task).code, 1);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_directory_ends_the_run_and_names_the_path() {
    let task = with_directory(command(&["show"]), Path::new("/nowhere"), "/data", Access::ReadOnly);
    let ended = run(guest("command"), task);
    assert_eq!((ended.code, ended.stdout.as_str()), (code::GRANT_REFUSED, ""));
    assert!(ended.message.contains("the directory for /data can't be opened"), "{}", ended.message);
}

#[test]
fn an_import_that_is_not_granted_is_named_and_nothing_runs() {
    let ended = run(guest("imports-http"), command(&[]));
    assert_eq!((ended.code, ended.stdout.as_str()), (code::IMPORT_DENIED, ""));
    assert!(ended.message.starts_with("import wasi:http/outgoing-handler@0.2."), "{}", ended.message);
    assert!(ended.message.contains("is not granted"), "{}", ended.message);
    assert_eq!(ended.stderr, format!("morph: {}\n", ended.message));
}

#[test]
fn an_unknown_import_is_refused_even_if_it_has_no_function() {
    let program = wat(r#"(component
        (import "acme:own/thing@1.0.0" (instance (export "act" (func))))
        (core module $m (func (export "run") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))"#);
    let ended = run(program, command(&[]));
    assert_eq!(ended.code, code::IMPORT_DENIED);
    assert!(ended.message.contains("acme:own/thing@1.0.0"), "{}", ended.message);
}
