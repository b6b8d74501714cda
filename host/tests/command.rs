//! Commands: what they are given, how they end, and what is said of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_host::{Outcome, Run, Stdio, Stopper, Task, code};
use std::io::{PipeReader, Read};
use std::thread::JoinHandle;
use support::{command, guest, run, start, start_with, with_memory};

#[test]
fn arguments_and_environment_are_the_tasks() {
    for name in ["command", "command-p3"] {
        let mut task = command(&["show", "two words"]);
        task.env = vec![("CITY".into(), "Bern".into()), ("EMPTY".into(), String::new())];
        let ended = run(guest(name), task);
        assert_eq!((ended.code, ended.message.as_str()), (0, ""), "{name}: {ended:?}");
        assert_eq!(ended.stdout, "arg show\narg two words\nenv CITY=Bern\nenv EMPTY=\n", "{name}");
    }
}

#[test]
fn without_a_grant_there_is_no_argument_and_no_variable() {
    for name in ["command", "command-p3"] {
        let mut task = Task::ungranted("command", Run::Command);
        task.args = vec!["exit".into(), "3".into()];
        task.env = vec![("CITY".into(), "Bern".into())];
        let ended = run(guest(name), task);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn the_exit_code_is_the_guests() {
    for (name, args, want) in [
        ("command", &["exit", "0"][..], 0),
        ("command", &["exit", "1"], 1),
        ("command", &["exit", "3"], 3),
        ("command-p3", &["exit", "3"], 3),
        ("command-p3", &["fail"], 1),
    ] {
        let ended = run(guest(name), command(args));
        assert_eq!((ended.code, ended.message.as_str()), (want, ""), "{name} {args:?}: {ended:?}");
    }
}

#[test]
fn both_streams_arrive_and_standard_input_is_read_to_its_end() {
    let ended = run(guest("command"), command(&["show"]));
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("arg show\n", "shown on stderr\n"));
    let text = "Grüezi\n".repeat(20_000);
    let ended = start(guest("command"), command(&["echo"]), &text).ended();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout == text, "{} bytes of {}", ended.stdout.len(), text.len());
}

#[test]
fn a_trap_is_134_and_shows_the_way_to_it() {
    for name in ["command", "command-p3"] {
        let ended = run(guest(name), command(&["trap"]));
        assert_eq!(ended.code, code::TRAP, "{name}: {ended:?}");
        assert!(
            ended.message.starts_with("the guest trapped: wasm `unreachable`"),
            "{name}: {}",
            ended.message
        );
        assert!(ended.message.contains("abort"), "{name} names no function: {}", ended.message);
        assert!(ended.stderr.contains(&format!("morph: {}", ended.message)), "{name}: {}", ended.stderr);
    }
}

#[test]
fn the_first_line_of_a_traps_message_is_its_cause_and_the_whole_fits_a_termination_message() {
    for name in ["command", "command-p3"] {
        let message = run(guest(name), command(&["trap"])).message;
        let mut lines = message.lines();
        assert_eq!(
            lines.next().unwrap(),
            "the guest trapped: wasm `unreachable` instruction executed",
            "{name}"
        );
        assert_eq!(lines.next().unwrap(), "wasm backtrace:", "{name}");
        assert!((1..=32).contains(&lines.count()) && message.len() <= 4096, "{name}: {message}");
    }
}

#[test]
fn memory_past_the_limit_is_135_and_names_the_limit() {
    let task = with_memory(command(&["memory", "64"]), 32);
    let ended = run(guest("command"), task);
    assert_eq!(ended.code, code::LIMIT, "{ended:?}");
    assert!(ended.message.starts_with("limits.memory: the guest wanted "), "{}", ended.message);
    assert!(ended.message.contains("33554432 are allowed"), "{}", ended.message);
    let ended = run(guest("command"), with_memory(command(&["memory", "64"]), 80));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "held 64 MiB\n"), "{ended:?}");
}

#[test]
fn a_command_that_loops_or_sleeps_ends_when_it_is_told_to() {
    for (name, args) in [
        ("command", &["loop"][..]),
        ("command", &["sleep", "3600000"]),
        ("command-p3", &["sleep", "3600000"]),
    ] {
        let ended = start(guest(name), command(args), "").stopped();
        assert_eq!(ended.code, code::STOPPED, "{name} {args:?}: {ended:?}");
        assert!(ended.message.contains("told to stop"), "{}", ended.message);
    }
}

#[test]
fn a_hundred_megabytes_of_output_lose_no_line() {
    let mut task = command(&["flood", "100"]);
    task.limits.output_bytes_per_second = Some(1 << 30);
    let ended = run(guest("command"), task);
    assert_eq!((ended.code, ended.stdout.len()), (0, 100_000_000), "{}", ended.stderr);
    for (number, line) in ended.stdout.lines().enumerate() {
        assert!(line.starts_with(&format!("{number:010} ")), "line {number}: {line}");
    }
}

/// Starts `command flood` over pipes that nobody reads yet.
fn flood(megabytes: &str) -> (JoinHandle<Outcome>, Stopper, [PipeReader; 2]) {
    let (stdin, _) = std::io::pipe().unwrap();
    let (reader, stdout) = std::io::pipe().unwrap();
    let (errors, stderr) = std::io::pipe().unwrap();
    let stdio = Stdio { stdin: stdin.into(), stdout: stdout.into(), stderr: stderr.into() };
    let (outcome, stopper, _) = start_with(guest("command"), command(&["flood", megabytes]), stdio);
    (outcome, stopper, [reader, errors])
}

#[test]
fn output_that_nobody_reads_does_not_keep_a_command_from_stopping() {
    let (outcome, stopper, readers) = flood("100");
    stopper.stop();
    assert_eq!(outcome.join().unwrap().code, code::STOPPED);
    drop(readers);
}

#[test]
fn output_that_is_read_late_is_waited_for() {
    let (outcome, _stopper, [mut reader, _errors]) = flood("1");
    assert!(!outcome.is_finished());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!((outcome.join().unwrap().code, text.len()), (0, 1_000_000));
}

#[test]
fn a_command_that_was_stopped_before_it_began_does_not_hang() {
    let running = start(guest("command"), command(&["loop"]), "");
    running.stopper.stop();
    running.stopper.stop();
    assert_eq!(running.ended().code, code::STOPPED);
}

#[test]
fn a_server_is_not_run_as_a_command() {
    let ended = run(guest("hello"), command(&[]));
    assert_eq!(ended.code, code::BAD_COMPONENT);
    assert!(ended.message.contains("wasi:http/incoming-handler"), "{}", ended.message);
}
