//! Which server a `start` finds or makes, and what it prints.

use crate::harness::{Node, client, connect, delete, is_alive, patience, told, wait_for};
use containerd_shim_protos::api::CreateTaskRequest;
use morph_shim::walls::{Kernel, Wall};
use serde_json::json;
use std::os::unix::fs::MetadataExt;

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_asking_has_its_own_answer_and_the_same_server() {
    let node = Node::new().await;
    node.sandbox("s1", "demo");
    let address = node.start("s1");
    assert!(address.starts_with("unix:///"), "{address}");
    node.sandbox("s2", "demo");
    let result = node.start_with_parameters("s2");
    assert_eq!((result.version, result.protocol.as_str(), result.address), (3, "ttrpc", address));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_starts_at_once_make_one_server() {
    let node = Node::new().await;
    let ids: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    for id in &ids {
        node.sandbox(id, "demo");
    }
    let starts: Vec<_> = ids
        .iter()
        .map(|id| node.command(id, "start").stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let mut addresses: Vec<Vec<u8>> =
        starts.into_iter().map(|child| child.wait_with_output().unwrap().stdout).collect();
    addresses.dedup();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    let sockets = std::fs::read_dir(node.path("run")).unwrap().flatten();
    assert_eq!(sockets.filter(|entry| entry.path().extension().is_some_and(|e| e == "sock")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_servers_socket_is_not_trusted() {
    let node = Node::new().await;
    let (_client, pid) = node.created("s1").await;
    let address = node.start("s1");
    let server = node.server(&address, "s1").await;
    let process = rustix::process::Pid::from_raw(server.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    wait_for("gone", || !is_alive(server) && !is_alive(pid));
    node.sandbox("s2", "demo");
    assert_eq!(node.start("s2"), address, "the group is the same");
    let (_client, _) = node.created("s3").await;
    assert_ne!(node.server(&address, "s3").await, server);
}

/// The server at an address, which is not asked.
fn server_process(address: &str) -> u32 {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let line = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids.find(|pid| line(*pid).contains(address)).unwrap()
}

/// Stops a process, or lets it go on.
fn send(pid: u32, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_keeps_its_pods_and_its_group() {
    let node = Node::new().await;
    let (_client, pid) = node.created("s1").await;
    let address = node.start("s1");
    let server = node.server(&address, "s1").await;
    let socket = std::fs::metadata(address.trim_start_matches("unix://")).unwrap().ino();
    node.sandbox("s2", "demo");
    send(server, rustix::process::Signal::STOP);
    let output = node.command("s2", "start").output().unwrap();
    send(server, rustix::process::Signal::CONT);
    assert!(!output.status.success());
    assert!(told(&output).contains("is busy"), "{}", told(&output));
    assert_eq!(std::fs::metadata(address.trim_start_matches("unix://")).unwrap().ino(), socket);
    assert_eq!(node.start("s2"), address);
    assert_eq!(node.server(&address, "s1").await, server);
    assert!(is_alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_a_slow_server_waits_for_it() {
    let node = Node::new().await;
    let (_client, _) = node.created("s1").await;
    let address = node.start("s1");
    let server = node.server(&address, "s1").await;
    let container = json!({ "annotations": {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.sandbox-id": "s1",
        "io.kubernetes.cri.sandbox-namespace": "demo",
        "io.kubernetes.cri.container-name": "morph",
        "io.kubernetes.cri.image-name": "registry.test/x:1",
    }});
    node.bundle("c1", &container);
    let name = address.trim_start_matches("unix://").to_owned();
    // The listener, and each connection to it.
    let lines = || std::fs::read_to_string("/proc/net/unix").unwrap_or_default().matches(&name).count();
    send(server, rustix::process::Signal::STOP);
    let before = lines();
    let started = node.command("c1", "start").stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for("asking", || lines() > before);
    send(server, rustix::process::Signal::CONT);
    let output = started.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), address);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_has_in_the_run_directory_is_roots_alone() {
    let node = Node::new().await;
    let (_client, _) = node.created("s1").await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&node.path("run")), 0o700);
    let files: Vec<_> = std::fs::read_dir(node.path("run")).unwrap().flatten().map(|e| e.path()).collect();
    assert_eq!(files.len(), 4, "socket, lock, life and log: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_open_as_many_files_as_the_node_lets_it() {
    let node = Node::new().await;
    let bundle = node.sandbox("s1", "demo");
    let command = node.command("s1", "start");
    let mut limited = std::process::Command::new("/bin/sh");
    limited.args(["-c", "ulimit -Sn 256; exec \"$0\" \"$@\""]).arg(command.get_program());
    limited.args(command.get_args()).current_dir(&bundle).stdin(std::process::Stdio::null());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let (_client, _) = node.created("s1").await;
    let server = node.server(&node.start("s1"), "s1").await;
    let limits = std::fs::read_to_string(format!("/proc/{server}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_gets_the_server_of_its_sandbox_or_an_error() {
    let node = Node::new().await;
    let container = |sandbox: &str| {
        json!({ "annotations": {
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.sandbox-id": sandbox,
            "io.kubernetes.cri.sandbox-namespace": "elsewhere",
            "io.kubernetes.cri.container-name": "morph",
            "io.kubernetes.cri.image-name": "registry.test/x:1",
        }})
    };
    let (_client, _) = node.created("s1").await;
    node.bundle("c1", &container("s1"));
    assert_eq!(node.start("c1"), node.start("s1"), "whatever the container says of its namespace");
    node.bundle("c2", &container("s2"));
    let output = node.command("c2", "start").output().unwrap();
    assert!(!output.status.success());
    assert!(told(&output).contains("sandbox s2 has no server"), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_begin_says_why() {
    let node = Node::new().await;
    node.sandbox("s1", "demo");
    // A cache that is a file.
    std::fs::write(node.path("cache"), "").unwrap();
    let output = node.command("s1", "start").output().unwrap();
    assert!(!output.status.success());
    assert!(told(&output).contains("code cache"), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_is_named() {
    let node = Node::new().await;
    node.sandbox("s1", "demo");
    std::fs::write(node.path("node.toml"), "kubelet = 'x'").unwrap();
    let output = node.command("s1", "start").output().unwrap();
    assert!(told(&output).contains("node.toml"), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_takes_its_files_along() {
    let node = Node::new().await;
    node.sandbox("s1", "demo");
    node.start("s1");
    wait_for("files gone", || std::fs::read_dir(node.path("run")).unwrap().count() == 0);
}

#[test]
fn questions_are_answered_without_a_bundle() {
    let ask = |flag: &str| {
        let shim = env!("CARGO_BIN_EXE_containerd-shim-morph-v1");
        std::process::Command::new(shim).arg(flag).stdin(std::process::Stdio::null()).output().unwrap()
    };
    assert!(String::from_utf8_lossy(&ask("-v").stdout).starts_with("io.containerd.morph.v1 "));
    assert!(!ask("-info").stdout.is_empty());
    assert!(!ask("-nonsense").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_starts_without_a_wall_that_is_required() {
    let node = Node::new().await;
    let path = node.path("node.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}\nrequired_walls = [\"landlock-scopes\"]\n")).unwrap();
    node.sandbox("s1", "demo");
    let output = node.command("s1", "start").output().unwrap();
    // The kernel decides which of the two is seen.
    let there = Kernel::detect().has(Wall::LandlockScopes);
    assert_eq!(output.status.success(), there, "{}", told(&output));
    assert_eq!(told(&output).contains("this kernel lacks landlock-scopes, and required_walls"), !there);
}

#[test]
fn the_program_has_no_failpoints() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_containerd-shim-morph-v1")).unwrap();
    let mark = b"morph-failpoint ";
    assert!(!program.windows(mark.len()).any(|window| window == mark));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_races_with_a_servers_end_always_finds_a_server() {
    let node = Node::new().await;
    for _ in 0..10 {
        let (client, pid) = node.created("s1").await;
        assert!(is_alive(pid));
        let server = client.connect(patience(), &connect("s1")).await.unwrap().shim_pid;
        client.delete(patience(), &delete("s1")).await.unwrap();
        // It has no task and expects none: it ends unless somebody asks first.
        send(server, rustix::process::Signal::TERM);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_promised_to_a_task_waits_for_it() {
    let node = Node::new().await;
    node.sandbox("s1", "demo");
    let server = server_process(&node.start("s1"));
    let asked = |times| {
        send(server, rustix::process::Signal::TERM);
        wait_for("told", || node.logs().matches("asked to end, and a task is expected").count() == times);
    };
    // Begun for its first task, and found for the next.
    asked(1);
    let (client, _) = node.created("s1").await;
    node.sandbox("s2", "demo");
    node.start("s2");
    client.delete(patience(), &delete("s1")).await.unwrap();
    asked(2);
    let (client, _) = node.created("s2").await;
    assert_eq!(client.connect(patience(), &connect("s2")).await.unwrap().shim_pid, server);
    client.delete(patience(), &delete("s2")).await.unwrap();
    send(server, rustix::process::Signal::TERM);
    wait_for("gone", || !is_alive(server));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_by_flags_finds_the_address_in_the_bundle_too() {
    let node = Node::new().await;
    let bundle = node.sandbox("s1", "demo");
    let address = node.start("s1");
    assert_eq!(std::fs::read_to_string(bundle.join("address")).unwrap(), address);
    let other = node.sandbox("s2", "demo");
    node.start_with_parameters("s2");
    assert!(!other.join("address").exists(), "there containerd writes it down itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_run_directory_is_named_and_a_later_try_works() {
    let node = Node::new().await;
    node.sandbox("s1", "demo");
    let run = node.path("run");
    std::fs::create_dir(&run).unwrap();
    let mount = |options: &str| {
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "small"]).arg(&run);
        assert!(command.status().unwrap().success());
    };
    mount("size=64k,nr_inodes=1,mode=0700");
    let full = node.command("s1", "start").output().unwrap();
    std::process::Command::new("umount").arg("--lazy").arg(&run).status().unwrap();
    assert!(!full.status.success());
    let text = told(&full);
    assert!(text.contains("No space left on device") && text.contains(run.to_str().unwrap()), "{text}");
    node.start("s1");
}

/// `start` of another program than the built one.
fn start_of(program: &std::path::Path, node: &Node, id: &str) -> String {
    let command = node.command(id, "start");
    let mut other = std::process::Command::new(program);
    other.args(command.get_args()).current_dir(node.path("bundles").join(id));
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = other.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_program_serves_new_pods_and_leaves_old_ones_to_the_old() {
    let node = Node::new().await;
    let (program, new) = (node.path("shim"), node.path("shim.new"));
    std::fs::copy(env!("CARGO_BIN_EXE_containerd-shim-morph-v1"), &program).unwrap();
    std::fs::copy(&program, &new).unwrap();
    node.sandbox("s1", "demo");
    let old = start_of(&program, &node, "s1");
    let create = |id: &str, bundle: std::path::PathBuf| CreateTaskRequest {
        id: id.into(),
        bundle: bundle.display().to_string(),
        ..CreateTaskRequest::default()
    };
    let first = client(&old).await;
    first.create(patience(), &create("s1", node.sandbox("s1", "demo"))).await.unwrap();
    std::fs::rename(&new, &program).unwrap();
    let container = json!({ "annotations": {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.sandbox-id": "s1",
        "io.kubernetes.cri.sandbox-namespace": "demo",
        "io.kubernetes.cri.container-name": "morph",
        "io.kubernetes.cri.image-name": "registry.test/x:1",
    }});
    node.bundle("c1", &container);
    assert_eq!(start_of(&program, &node, "c1"), old, "a container of an old pod");
    node.sandbox("s2", "demo");
    assert_ne!(start_of(&program, &node, "s2"), old, "a new pod");
    // The old server forks on, even from a zygote that it must start anew.
    let zygote = child_named(node.server(&old, "s1").await, "morph-zygote");
    send(zygote, rustix::process::Signal::KILL);
    wait_for("dead", || !is_alive(zygote));
    let pid = first.create(patience(), &create("s3", node.sandbox("s3", "demo"))).await.unwrap().pid;
    assert!(is_alive(pid));
}

/// The child of a process with this name.
fn child_named(parent: u32, name: &str) -> u32 {
    let text = std::fs::read_dir(format!("/proc/{parent}/task"))
        .unwrap()
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let text: String = text.collect::<Vec<_>>().join(" ");
    let mut pids = text.split_whitespace().map(|pid| pid.parse::<u32>().unwrap());
    let comm = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.find(|pid| comm(*pid).trim() == name).unwrap()
}
