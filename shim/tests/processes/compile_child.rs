//! The compile child as a process: what it can reach, and how it ends.

use super::support::{PATIENCE, Process, SHIM, own, tiny, until};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

fn child(kind: &str) -> Child {
    child_with(&["compile", kind])
}

fn child_with(arguments: &[&str]) -> Child {
    let piped = Stdio::piped;
    let mut command = Command::new(SHIM);
    command.args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().expect("child")
}

/// What comes of these bytes for this engine: the child's exit code, its output and its words.
pub(crate) fn compiled_by_child(kind: &str, component: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    converse(child(kind), component)
}

/// Feeds a child and answers its exit code, its output and its words.
fn converse(mut child: Child, component: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    // It may end before it has read all.
    let _ = child.stdin.take().expect("stdin").write_all(component);
    let output = child.wait_with_output().expect("output");
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).expect("text"))
}

/// The compiler itself, below the process that stands for it; there is one once there are walls round it.
async fn sealed(child: &Child) -> Process {
    let id = child.id();
    let below = || fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let compiler = || below().trim().parse().map(Process).ok();
    until("it is filtered", PATIENCE, || compiler().is_some_and(|it| it.status("Seccomp") == "2")).await;
    compiler().expect("a compiler")
}

#[tokio::test]
async fn it_reaches_no_file_no_network_and_no_other_process() {
    let mut child = child("p2");
    let process = sealed(&child).await;
    assert_eq!(process.root(), ["stage"]);
    for kind in ["net", "mnt", "ipc", "uts", "pid"] {
        assert_ne!(process.namespace(kind), own().namespace(kind), "{kind}");
    }
    assert_eq!(process.status("Uid"), "65534 65534 65534 65534");
    for set in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(process.status(set), "0000000000000000", "{set}");
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[tokio::test]
async fn it_is_the_first_to_go_when_memory_is_short() {
    let mut child = child("p2");
    let process = sealed(&child).await;
    assert_eq!(process.read("oom_score_adj").trim(), "1000");
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[tokio::test]
async fn its_memory_time_and_files_are_bounded() {
    let mut child = child("p2");
    let limits = sealed(&child).await.read("limits");
    for (name, expected) in [
        ("Max data size", "1342177280"),
        ("Max address space", "17179869184"),
        ("Max cpu time", "360"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
        ("Max open files", "64"),
        ("Max processes", "4096"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).expect(name);
        let values: Vec<&str> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(values, [expected, expected], "{name}");
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[tokio::test]
async fn it_takes_what_others_leave_when_nobody_waits() {
    let nice = |process: &Process| {
        let stat = process.read("stat");
        let after_name = stat.rsplit(')').next().expect("fields");
        after_name.split_whitespace().nth(16).expect("a nice value").to_owned()
    };
    let own = nice(&own());
    for (arguments, expected) in [(&["compile", "p2"][..], own.as_str()), (&["compile", "p2", "idle"], "19")]
    {
        let mut child = child_with(arguments);
        assert_eq!(nice(&sealed(&child).await), expected, "{arguments:?}");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
}

#[tokio::test]
async fn it_ends_with_whoever_wants_its_output() {
    let mut child = child("p2");
    let compiler = sealed(&child).await;
    drop(child.stdout.take());
    let id = child.id().cast_signed();
    until("it ends", PATIENCE, || !compiler.is_alive() && !Process(id).is_alive()).await;
    child.wait().expect("wait");
}

#[tokio::test]
async fn it_ends_with_the_process_that_stands_for_it_and_that_one_as_it_does() {
    let mut killed = child("p2");
    let compiler = sealed(&killed).await;
    killed.kill().expect("kill");
    until("it ends", PATIENCE, || !compiler.is_alive()).await;
    killed.wait().expect("wait");
    let mut orphan = child("p2");
    let compiler = rustix::process::Pid::from_raw(sealed(&orphan).await.0).expect("a pid");
    rustix::process::kill_process(compiler, rustix::process::Signal::KILL).expect("kill");
    assert_eq!(orphan.wait().expect("wait").signal(), Some(libc::SIGKILL));
}

#[test]
fn each_engine_gives_code_for_a_component() {
    for kind in ["p2", "p3", "p2-baseline", "p3-baseline"] {
        let (status, code, words) = converse(child(kind), &tiny());
        assert_eq!((status, words.as_str()), (Some(0), ""), "{kind}");
        assert!(code.starts_with(b"\x7fELF"), "{kind}");
    }
}

#[tokio::test]
async fn it_says_what_code_must_fit_as_this_process_would() {
    let compiler = morph_shim::compile::Compiler::new(std::path::Path::new(SHIM));
    let engines = compiler.engines().await.expect("engines");
    for (kind, hash) in engines {
        assert_eq!(hash, morph_host::engine_hash(kind).expect("engine"), "{kind}");
    }
}

#[test]
fn what_is_no_component_is_refused_with_words() {
    let module = wat::parse_str("(module)").expect("module");
    let cut = &tiny()[..40];
    for (bytes, why) in [
        (b"".as_slice(), "it is empty"),
        (b"garbage", "it does not start with"),
        (&module, "core WebAssembly module"),
        (cut, "can't be compiled for the p2 engine"),
    ] {
        let (status, code, words) = converse(child("p2"), bytes);
        assert_eq!(status, Some(3), "{words}");
        assert!(code.is_empty());
        assert!(words.contains(why), "{why}: {words}");
    }
}

#[test]
fn an_engine_that_does_not_exist_is_named() {
    let (status, _, words) = converse(child("p9"), &tiny());
    assert_eq!(status, Some(1));
    assert!(words.contains("p9"), "{words}");
}

#[test]
fn a_component_past_the_limit_is_not_read_to_its_end() {
    let mut child = child("p2");
    let mut stdin = child.stdin.take().expect("stdin");
    let feed = std::thread::spawn(move || {
        let chunk = vec![0; 1 << 20];
        // More than the limit, and an end, lest a child that reads on would hang this test.
        (0..200).take_while(|_| stdin.write_all(&chunk).is_ok()).count()
    });
    let mut words = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut words).expect("words");
    assert!(!child.wait().expect("wait").success());
    assert!(words.contains("component of more than"), "{words}");
    assert!(feed.join().expect("thread") < 100);
}
