//! `morph run`: a guest gets what the YAML grants and nothing else, and ends as it would in a pod.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use rustix::process::Signal;
use support::{Desk, get, guest, run};

#[test]
fn a_command_shows_its_arguments_and_environment() {
    let spec = "args: [show, a b], env: [{ name: CITY, value: Porto }, \
                { name: KEY, valueFrom: { secretKeyRef: { name: s, key: k } } }]";
    let ended = Desk::new("command", spec).run(&["--env", "KEY=given"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stdout, "arg show\narg a b\nenv CITY=Porto\nenv KEY=given\n");
    assert!(ended.stderr.contains("shown on stderr"), "{}", ended.stderr);
}

#[test]
fn a_guest_without_grants_sees_nothing_of_this_machine() {
    let ended = Desk::new("command", "").run(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn exit_codes_are_the_guests() {
    for (guest, args, want) in [
        ("command", "exit, \"0\"", 0),
        ("command", "exit, \"3\"", 3),
        ("command", "trap", 134),
        ("command-p3", "exit, \"0\"", 0),
        ("command-p3", "exit, \"3\"", 3),
        ("command-p3", "exit, \"250\"", 250),
        ("command-p3", "trap", 134),
    ] {
        let ended = Desk::new(guest, &format!("args: [{args}]")).run(&[]);
        assert_eq!(ended.code, want, "{guest} {args}: {ended:?}");
    }
}

#[test]
fn the_memory_limit_holds() {
    let ended = Desk::new("command", "args: [memory, \"100\"], limits: { memory: 16Mi }").run(&[]);
    assert_eq!(ended.code, 135, "{ended:?}");
    assert!(ended.stderr.contains("memory"), "{}", ended.stderr);
}

#[test]
fn standard_input_reaches_the_guest() {
    let ended = Desk::new("command", "args: [echo]").run_with(&[], "one\ntwo\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "one\ntwo\n"), "{ended:?}");
}

fn with_data(access: &str, args: &str) -> Desk {
    let claim = "persistentVolumeClaim: { claimName: c }";
    Desk::new(
        "command",
        &format!(
            "args: [{args}], volumes: [{{ name: data, {claim} }}], capabilities: {{ filesystem: \
             [{{ volume: data, path: /data, access: {access} }}] }}"
        ),
    )
}

fn volume(desk: &Desk) -> String {
    format!("data={}", desk.directory("data").display())
}

#[test]
fn a_volume_is_what_its_directory_is() {
    let desk = with_data("ReadWrite", "append, /data/file, text");
    for _ in 0..2 {
        assert_eq!(desk.run(&["--volume", &volume(&desk)]).code, 0);
    }
    assert_eq!(std::fs::read_to_string(desk.directory("data").join("file")).unwrap(), "texttext");
}

#[test]
fn a_read_only_grant_refuses_a_write_and_no_path_leads_out() {
    for (args, want) in
        [("write, /data/file, text", 1), ("read, /data/../morph.yaml", 1), ("read, /etc/passwd", 1)]
    {
        let desk = with_data("ReadOnly", args);
        let ended = desk.run(&["--volume", &volume(&desk)]);
        assert_eq!(ended.code, want, "{args}: {ended:?}");
        assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
        assert_eq!(std::fs::read_dir(desk.directory("data")).unwrap().count(), 0);
    }
}

#[test]
fn what_is_missing_or_too_much_is_said_before_anything_runs() {
    let desk = with_data("ReadOnly", "show");
    let data = volume(&desk);
    for (args, want) in [
        (vec![], "give a directory for it: --volume data=DIR"),
        (vec!["--volume", "data"], "--volume data: write NAME="),
        (vec!["--volume", "other=/"], "grants no such volume"),
        (vec!["--volume", &data, "--env", "A=1"], "takes no such variable"),
    ] {
        let ended = desk.run(&args);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
        assert!(ended.stderr.contains(want), "{want}: {}", ended.stderr);
    }
}

#[test]
fn an_import_that_is_not_granted_is_named() {
    let ended = Desk::new("imports-http", "").run(&[]);
    assert_eq!(ended.code, 126, "{ended:?}");
    assert!(ended.stderr.contains("wasi:http/outgoing-handler@0.2"), "{}", ended.stderr);
}

#[test]
fn what_can_not_be_run_says_why() {
    for (guest, spec, code, want) in [
        ("library", "", 127, "exports neither"),
        ("hello", "type: Command", 127, "can't run as Command"),
        ("command", "http: { port: 8080 }", 1, "spec.http: the component is a Command"),
        ("command", "arg: [a]", 1, "spec.arg: no such field"),
        ("command", "replicas: -1", 1, "spec.replicas"),
        ("command", "type: Job", 1, "not the shape of a Morph"),
    ] {
        let ended = Desk::new(guest, spec).run(&[]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains(want), "{want}: {}", ended.stderr);
    }
}

#[test]
fn a_missing_file_is_named() {
    let ended = run(&["run", "/nonexistent/morph.yaml"]);
    assert!(ended.code == 1 && ended.stderr.contains("/nonexistent/morph.yaml"), "{ended:?}");
}

#[test]
fn a_server_answers_and_ctrl_c_ends_it_cleanly() {
    for name in ["hello", "hello-p3"] {
        let desk = Desk::new(name, "http: { lameDuckSeconds: 0 }, env: [{ name: GREETING, value: olá }]");
        let running = desk.start(&["--port", "0"]);
        let answer = get(&running.listens(), "/path");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Hello"), "{name}: {answer}");
        assert!(name != "hello" || answer.contains("GREETING=olá"), "{answer}");
        running.signal(Signal::INT);
        assert_eq!(running.ended(), 0, "{name}");
    }
}

#[test]
fn a_server_goes_on_accepting_for_its_lame_duck_time() {
    let desk = Desk::new("hello", "http: { lameDuckSeconds: 2 }");
    let running = desk.start(&["--port", "0"]);
    let address = running.listens();
    running.signal(Signal::TERM);
    running.complains("stopping");
    assert!(get(&address, "/late").starts_with("HTTP/1.1 200"));
    assert_eq!(running.ended(), 0);
}

#[test]
fn a_command_that_is_stopped_says_so() {
    let desk = Desk::new("command", "args: [loop]");
    let running = desk.start(&[]);
    running.says("looping");
    running.signal(Signal::INT);
    assert_eq!(running.ended(), 143);
}

#[test]
fn a_second_ctrl_c_does_not_wait() {
    let desk = Desk::new("hello", "http: { lameDuckSeconds: 20 }");
    let running = desk.start(&["--port", "0"]);
    running.listens();
    running.signal(Signal::INT);
    running.complains("once more");
    let start = std::time::Instant::now();
    running.signal(Signal::INT);
    assert_eq!(running.ended(), 130);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn an_example_runs_as_it_stands() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/command/morph.yaml");
    let component = guest("command");
    let ended = run(&["run", example, "--component", component.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("env CITY=Porto"), "{}", ended.stdout);
}

#[test]
fn what_the_schema_can_not_say_is_refused_before_anything_runs() {
    let ended = Desk::new("command", "determinism: { clock: \"2026-02-30T00:00:00Z\" }").run(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("spec.determinism.clock"), "{}", ended.stderr);
}

#[test]
fn a_variable_comes_from_a_secrets_directory() {
    let spec = "args: [show], env: [{ name: KEY, valueFrom: { secretKeyRef: { name: s, key: k } } }]";
    let desk = Desk::new("command", spec);
    std::fs::write(desk.directory("secret").join("k"), "from a file").unwrap();
    let secret = format!("s={}", desk.directory("secret").display());
    let ended = desk.run(&["--secret", &secret]);
    assert!(ended.code == 0 && ended.stdout.contains("env KEY=from a file"), "{ended:?}");
}

#[test]
fn a_sub_path_is_all_that_a_guest_sees_of_a_volume() {
    let claim = "persistentVolumeClaim: { claimName: c }";
    for (read, code) in [("/data/file", 0), ("/data/../other", 1), ("/data/up", 1)] {
        let spec = format!(
            "args: [read, {read}], volumes: [{{ name: data, {claim} }}], capabilities: {{ filesystem: \
             [{{ volume: data, path: /data, subPath: a/b }}] }}"
        );
        let desk = Desk::new("command", &spec);
        let inner = desk.directory("data/a/b");
        std::fs::write(inner.join("file"), "inside").unwrap();
        std::fs::write(desk.directory("data/a").join("other"), "outside").unwrap();
        std::os::unix::fs::symlink("../other", inner.join("up")).unwrap();
        let ended = desk.run(&["--volume", &volume(&desk)]);
        assert_eq!(ended.code, code, "{read}: {ended:?}");
        assert_eq!(ended.stdout.contains("inside"), code == 0, "{ended:?}");
        assert!(!ended.stdout.contains("outside"), "{ended:?}");
    }
}
