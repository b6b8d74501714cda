//! The small capabilities as real guests see them: configuration, buckets, log lines, set clocks and numbers.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_grant::{Ambient, ConfigEntry, Determinism, KeyvalueGrant};
use morph_host::{KEYVALUE_ENTRY_BYTES, Task, code};
use support::{Ended, command, guest, run, start, wat};

fn configured(args: &[&str]) -> Task {
    let mut task = command(args);
    let literal = ConfigEntry { key: "units".into(), value: Some("metric".into()), file: None };
    let file = ConfigEntry { key: "region".into(), value: None, file: Some("config-region".into()) };
    task.grants.config = vec![literal, file];
    task
}

#[test]
fn a_guest_reads_its_configuration_and_a_rotated_value_in_the_next_run() {
    let files = tempfile::tempdir().unwrap();
    for region in ["north", "south"] {
        std::fs::write(files.path().join("config-region"), region).unwrap();
        let task = |args| Task { files: Some(files.path().into()), ..configured(args) };
        let all = run(guest("config"), task(&[]));
        assert_eq!((all.code, all.stdout), (0, format!("units=metric\nregion={region}\n")));
        let one = run(guest("config"), task(&["region", "other"]));
        assert_eq!(one.stdout, format!("region={region}\nother is not there\n"));
    }
}

#[test]
fn without_its_grant_each_of_them_is_named_and_nothing_runs() {
    for (name, interface, field) in [
        ("config", "wasi:config/store@0.2.0-rc.1", "no config"),
        ("keyvalue", "wasi:keyvalue/store@0.2.0-draft", "no capabilities.keyvalue"),
        ("logging", "wasi:logging/logging", "no capabilities.logging"),
    ] {
        let ended = run(guest(name), command(&[]));
        assert_eq!((ended.code, ended.stdout.as_str()), (code::IMPORT_DENIED, ""), "{name}");
        assert!(ended.message.contains(interface) && ended.message.contains(field), "{}", ended.message);
    }
}

fn with_bucket(args: &[&str], max_bytes: u64) -> Ended {
    let mut task = command(args);
    task.grants.keyvalue = vec![KeyvalueGrant { bucket: "cache".into(), max_bytes }];
    run(guest("keyvalue"), task)
}

#[test]
fn a_guest_keeps_what_fits_into_its_bucket() {
    let args = ["open", "cache", "set", "a", "1", "get", "a", "add", "n", "5", "add", "n", "2", "list"];
    let ended = with_bucket(&[&args[..], &["delete", "a", "get", "a"]].concat(), 1 << 20);
    let want = "open: Ok(())\nset: Ok(\"done\")\nget: Ok(\"1\")\nadd: Ok(\"5\")\nadd: Ok(\"7\")\n\
                list: Ok(\"a n\")\ndelete: Ok(\"done\")\nget: Ok(\"not there\")\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (0, want));
    let bytes = KEYVALUE_ENTRY_BYTES + 11;
    let full = with_bucket(&["open", "cache", "fill", "k", "10", "fill", "k", "11"], bytes);
    assert!(full.stdout.starts_with("open: Ok(())\nfill: Ok(\"done\")\nfill: Err("), "{}", full.stdout);
    assert!(full.stdout.contains("the bucket is full"), "{}", full.stdout);
}

#[test]
fn a_bucket_of_no_grant_is_refused_to_the_guest_and_told_in_the_log() {
    let ended = with_bucket(&["open", "other", "open", "cache"], 1 << 20);
    assert!(ended.stdout.ends_with("open: Ok(())\n"), "{}", ended.stdout);
    assert!(ended.stdout.to_lowercase().contains("nosuchstore"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "morph: denied by capabilities.keyvalue (bucket): other\n");
}

#[test]
fn a_guests_log_is_one_object_a_line_on_standard_error() {
    let mut task = command(&["first", "two\nlines", "\"quoted\""]);
    task.grants.logging = true;
    let ended = run(guest("logging"), task);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "logged\n"));
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines.iter().map(|line| (line["level"].as_str(), line["message"].as_str())).collect();
    let want = [("trace", "first"), ("debug", "two\nlines"), ("info", "\"quoted\"")];
    assert_eq!(seen, want.map(|(level, message)| (Some(level), Some(message))));
    assert!(lines.iter().all(|line| line["component"] == "command" && line["context"] == "guest"));
}

/// Ends with what a random number, a clock and a seed give, mixed: a byte of each.
const NUMBERS: &str = r#"(component
    (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
    (import "wasi:cli/exit@0.2.12"
        (instance $exit (export "exit-with-code" (func (param "status-code" u8)))))
    (core func $number (canon lower (func $random "get-random-u64")))
    (core func $now (canon lower (func $clock "now")))
    (core func $end (canon lower (func $exit "exit-with-code")))
    (core module $m
        (import "" "number" (func $number (result i64)))
        (import "" "now" (func $now (result i64)))
        (import "" "end" (func $end (param i32)))
        (func (export "run") (result i32)
            (drop (call $now))
            (call $end (i32.wrap_i64 (i64.and (i64.const 255)
                (i64.xor (call $number) (i64.div_u (call $now) (i64.const 1000000))))))
            i32.const 0))
    (core instance $i (instantiate $m (with "" (instance
        (export "number" (func $number)) (export "now" (func $now)) (export "end" (func $end))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#;

#[test]
fn a_seed_and_a_clock_give_the_same_run_each_time() {
    let numbers = |seed, step| {
        let mut task = command(&[]);
        let clock_unix_millis = Some(1_767_225_600_000);
        task.grants.determinism =
            Some(Determinism { seed: Some(seed), clock_unix_millis, clock_step_millis: Some(step) });
        run(wat(NUMBERS), task).code
    };
    let of_seeds: Vec<u8> = (0..8).map(|seed| numbers(seed, 1)).collect();
    assert_eq!(of_seeds, (0..8).map(|seed| numbers(seed, 1)).collect::<Vec<u8>>());
    assert!(of_seeds.iter().any(|number| *number != of_seeds[0]), "{of_seeds:?}");
    // The second reading shows one step, and nothing but the steps differs.
    assert_eq!(numbers(7, 1) ^ 1, numbers(7, 2) ^ 2);
}

#[test]
fn what_is_withheld_is_refused_by_name() {
    for (ambient, interface) in [
        (Ambient::Random, "wasi:random/random@0.2.0"),
        (Ambient::Clocks, "wasi:clocks/monotonic-clock@0.2.0"),
        (Ambient::Exit, "wasi:cli/exit@0.2.12"),
    ] {
        let mut task = command(&[]);
        task.grants.withheld = vec![ambient];
        let ended = run(wat(NUMBERS), task);
        assert_eq!(ended.code, code::IMPORT_DENIED, "{ended:?}");
        let want = format!("import {interface} is not granted: withheld by withhold: {ambient:?}");
        assert!(ended.message.contains(&want), "{}", ended.message);
    }
}

#[test]
fn a_module_of_preview_1_is_given_what_its_task_grants() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("greeting"), "hello").unwrap();
    let mut task =
        support::with_directory(command(&["fail"]), directory.path(), "/data", morph_grant::Access::ReadOnly);
    task.env = vec![("CITY".into(), "Bern".into())];
    let ended = run(guest("preview1"), task);
    let want = "args [\"command\", \"fail\"]\nenv CITY=Bern\nread hello\n";
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (EXIT_FAILURE, want, "on stderr\n")
    );
}

#[test]
fn a_module_of_preview_1_without_grants_has_no_argument_no_variable_and_no_file() {
    let mut task = Task::ungranted("command", morph_host::Run::Command);
    task.args = vec!["fail".into()];
    task.env = vec![("CITY".into(), "Bern".into())];
    let ended = run(guest("preview1"), task);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "on stderr\n"), "{ended:?}");
    let (first, rest) = ended.stdout.split_once('\n').unwrap();
    assert_eq!(first, "args []");
    assert!(rest.starts_with("refused: ") && rest.lines().count() == 1, "{rest}");
}

/// Copies standard input to standard output, then fails if there is no directory at descriptor 3.
const CAT: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (loop $again
            (i32.store (i32.const 4) (i32.const 1024))
            (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (if (i32.load (i32.const 8)) (then
                (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
                (br $again))))
        (call $exit (call $prestat (i32.const 3) (i32.const 0)))))"#;

/// What the adapter makes of any exit code but 0: the stable `wasi:cli/exit` says no more.
const EXIT_FAILURE: u8 = 1;

#[test]
fn a_module_in_the_text_format_copies_its_input_and_sees_no_directory() {
    let ended = start(wat(CAT), Task::ungranted("command", morph_host::Run::Command), "some text\n").ended();
    assert_eq!((ended.code, ended.stdout.as_str()), (EXIT_FAILURE, "some text\n"), "{ended:?}");
    let directory = tempfile::tempdir().unwrap();
    let task =
        support::with_directory(command(&[]), directory.path(), "/data", morph_grant::Access::ReadOnly);
    assert_eq!(start(wat(CAT), task, "").ended().code, 0);
}

#[test]
fn a_module_that_needs_what_is_withheld_is_refused() {
    let mut task = command(&[]);
    task.grants.withheld = vec![Ambient::Exit];
    let ended = run(wat(CAT), task);
    assert_eq!(ended.code, code::IMPORT_DENIED, "{ended:?}");
    assert!(ended.message.contains("import wasi:cli/exit@0.2."), "{}", ended.message);
}
