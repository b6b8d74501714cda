//! Tasks through their life: events, signals, pauses, and the deaths of containerd and of servers.

use crate::harness::{Containerd, is_alive, told, wait_for, wait_seconds};
use crate::spec::{Spec, cgroup, document};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A pod with a container that loops.
fn looping(containerd: &Containerd) -> i32 {
    let image = containerd.guest("command");
    let grant = document(&image, "command", &["loop"]);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant));
    let sandbox = containerd.task("s1").0;
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    let log = containerd.start_task("c1", &spec);
    wait_for("looping", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("looping")));
    containerd.task("c1").0
}

/// Directories of a task's cgroup that are there.
pub(crate) fn cgroups(id: &str) -> Vec<String> {
    let places = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    let paths = places.chain([Path::new("/sys/fs/cgroup").to_path_buf()]);
    let own = paths.map(|place| place.join(cgroup(id)));
    own.filter(|path| path.exists()).map(|path| path.display().to_string()).collect()
}

#[test]
fn events_come_once_and_in_order() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut watcher = containerd.ctr(&["events"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watcher.stdout.take().unwrap()).lines().map_while(Result::ok);
    let output = containerd.run("e1", &Spec::alone("e1", &image), &["--rm"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let mut topics = Vec::new();
    for line in lines {
        let topic =
            line.split_whitespace().find(|word| word.starts_with("/tasks/") || *word == "/containers/delete");
        match topic {
            Some("/containers/delete") => break,
            Some(topic) => topics.push(topic.to_owned()),
            None => {}
        }
    }
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    assert_eq!(topics, ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]);
}

#[test]
fn a_looping_guest_ends_soon_after_sigterm() {
    let containerd = Containerd::start();
    looping(&containerd);
    let begun = Instant::now();
    containerd.must(&["task", "kill", "--signal", "SIGTERM", "c1"]);
    containerd.wait_status("c1", "STOPPED");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let output = containerd.ctr(&["task", "kill", "--signal", "SIGTERM", "c1"]).output().unwrap();
    assert!(told(&output).contains("no process"), "{}", told(&output));
    let output = containerd.ctr(&["task", "delete", "c1"]).output().unwrap();
    // Some releases of ctr end with the task's code, others only tell it.
    let is_told = told(&output).contains("exit code 143");
    assert!(is_told || output.status.code() == Some(143), "{}", told(&output));
}

#[test]
fn a_paused_guest_is_frozen_resumes_and_can_be_killed() {
    let containerd = Containerd::start();
    let pid = looping(&containerd);
    containerd.must(&["task", "pause", "c1"]);
    assert_eq!(containerd.task("c1").1, "PAUSED");
    let time = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks = |stat: &str| stat.split(' ').nth(13).unwrap().parse::<u64>().unwrap();
    let before = ticks(&time());
    containerd.must(&["task", "resume", "c1"]);
    wait_for("using time again", || ticks(&time()) > before);
    containerd.must(&["task", "pause", "c1"]);
    containerd.must(&["task", "kill", "--signal", "SIGKILL", "c1"]);
    containerd.wait_status("c1", "STOPPED");
}

#[test]
fn metrics_and_pids_are_those_of_the_guest() {
    let containerd = Containerd::start();
    let pid = looping(&containerd);
    let text = containerd.must(&["task", "metrics", "--format", "json", "c1"]);
    let metrics: serde_json::Value = serde_json::from_str(&text).unwrap();
    let limit = metrics.pointer("/memory/usage/limit").or_else(|| metrics.pointer("/memory/usage_limit"));
    assert_eq!(limit.unwrap().as_u64(), Some(268_435_456), "{text}");
    let total = metrics.pointer("/cpu/usage/total").or_else(|| metrics.pointer("/cpu/usage_usec"));
    assert!(total.unwrap().as_u64().unwrap() > 0, "{text}");
    let pids = containerd.must(&["task", "ps", "c1"]);
    let listed: Vec<i32> =
        pids.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(listed, [pid]);
}

#[test]
fn a_guest_past_its_cgroup_is_told_as_out_of_memory() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut grant = document(&image, "command", &["memory", "200"]);
    grant.components[0].limits.memory_bytes = Some(1 << 30);
    let mut watcher = containerd.ctr(&["events"]).stdout(Stdio::piped()).spawn().unwrap();
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant));
    let sandbox = containerd.task("s1").0;
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    let output = containerd.run("c1", &spec.memory(64 << 20), &["--rm"]).output().unwrap();
    assert_eq!(output.status.code(), Some(137), "{}", told(&output));
    let lines = BufReader::new(watcher.stdout.take().unwrap()).lines().map_while(Result::ok);
    let end = lines.into_iter().find(|line| line.contains("/tasks/oom") || line.contains("/tasks/exit"));
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    assert!(end.unwrap().contains("/tasks/oom"), "the exit came first");
}

#[test]
fn containerd_finds_its_tasks_again_after_a_crash() {
    let mut containerd = Containerd::start();
    let pid = looping(&containerd);
    containerd.kill();
    assert!(is_alive(pid));
    containerd.begin();
    assert_eq!(containerd.task("c1"), (pid, "RUNNING".into()));
    assert_eq!(containerd.task("s1").1, "RUNNING");
    containerd.remove("c1");
    containerd.remove("s1");
}

#[test]
fn an_end_while_containerd_is_away_is_told_when_it_is_back() {
    let mut containerd = Containerd::start();
    let pid = looping(&containerd);
    containerd.kill();
    let process = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    wait_for("dead", || !is_alive(pid));
    containerd.begin();
    containerd.wait_status("c1", "STOPPED");
    let output = containerd.ctr(&["task", "delete", "c1"]).output().unwrap();
    // Some releases of ctr end with the task's code, others only tell it.
    let is_told = told(&output).contains("exit code 137");
    assert!(is_told || output.status.code() == Some(137), "{}", told(&output));
}

#[test]
fn a_server_that_is_killed_leaves_nothing_and_its_ids_can_be_used_again() {
    let containerd = Containerd::start();
    let pid = looping(&containerd);
    let sandbox = containerd.task("s1").0;
    let server = rustix::process::Pid::from_raw(containerd.server_pids()[0]).unwrap();
    rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
    wait_for("workers gone", || !is_alive(pid) && !is_alive(sandbox));
    wait_for("tasks gone", || containerd.tasks().is_empty());
    wait_for("cgroups gone", || cgroups("c1").is_empty() && cgroups("s1").is_empty());
    for id in ["c1", "s1"] {
        containerd.must(&["container", "delete", id]);
    }
    looping(&containerd);
}

#[test]
fn nothing_is_left_after_delete_and_the_server_ends_by_itself() {
    let containerd = Containerd::start();
    let pid = looping(&containerd);
    let sandbox = containerd.task("s1").0;
    containerd.remove("c1");
    containerd.remove("s1");
    assert!(!is_alive(pid) && !is_alive(sandbox));
    assert!(cgroups("c1").is_empty() && cgroups("s1").is_empty(), "{:?}", cgroups("c1"));
    wait_seconds(20, "server gone", || containerd.server_pids().is_empty());
    let left: Vec<_> = ["sock", "lock", "log"].iter().flat_map(|suffix| containerd.servers(suffix)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn ten_tasks_at_once_share_one_server_and_one_compilation() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let ids: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    let running: Vec<_> = ids
        .iter()
        .map(|id| {
            containerd.run(id, &Spec::alone(id, &image), &["--rm"]).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in running {
        assert!(child.wait().unwrap().success(), "{}", containerd.logs());
    }
    assert_eq!(containerd.server_pids().len(), 1);
    let log = containerd.logs();
    assert_eq!(log.matches("compiled").count(), 1, "{log}");
}

#[test]
fn a_component_of_which_the_node_knows_nothing_runs_at_once_and_on_better_code_the_next_time() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    // The server stays while its pod does.
    let grant = document(&image, "command", &["exit", "3"]);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant));
    let sandbox = containerd.task("s1").0;
    let run = |id: &str| {
        let spec = Spec::container(id, "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
        let output = containerd.run(id, &spec, &["--rm"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}\n{}", told(&output), containerd.logs());
    };
    run("c1");
    wait_seconds(60, "optimized", || containerd.logs().contains("optimized for its next start"));
    run("c2");
    let log = containerd.logs();
    let made = |engine: &str| log.matches(&format!("engine={engine} ")).count();
    assert_eq!((made("p2-baseline"), made("p2")), (1, 1), "{log}");
    containerd.remove("s1");
}

#[test]
fn a_hundred_megabytes_pass_the_log_fifo_and_no_line_is_lost() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut grant = document(&image, "command", &["flood", "100"]);
    grant.components[0].limits.output_bytes_per_second = Some(1 << 30);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant));
    let sandbox = containerd.task("s1").0;
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    let mut child = containerd.run("c1", &spec, &["--rm"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = 0_u64;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        assert_eq!(line.len(), 99, "line {lines}: {line}");
        assert_eq!(line.split_once(' ').unwrap().0.parse(), Ok(lines), "{line}");
        lines += 1;
    }
    assert!(child.wait().unwrap().success(), "{}", containerd.logs());
    assert_eq!(lines, 1_000_000);
    containerd.remove("s1");
}
