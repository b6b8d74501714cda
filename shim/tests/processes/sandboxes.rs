//! A sandbox holds the namespaces that it is asked for, reaps, and ends when told.

use super::support::{PATIENCE, Process, own, until, zygote};
use morph_shim::process::{Exit, Namespace, SandboxSpec};
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

fn spec() -> SandboxSpec {
    SandboxSpec {
        net: Namespace::Host,
        ipc: Namespace::New,
        uts: Namespace::New,
        own_pid_namespace: false,
        hostname: Some("weather-0".into()),
        cgroup_procs: Vec::new(),
        oom_score_adj: None,
    }
}

/// Does something in a namespace of a process, on a thread that ends with it.
fn inside<T: Send + 'static>(
    process: Process,
    kind: &str,
    link: LinkNameSpaceType,
    act: impl FnOnce() -> T + Send + 'static,
) -> T {
    let path = format!("/proc/{}/ns/{kind}", process.0);
    let enter = move || {
        let namespace = File::open(path).expect("namespace");
        move_into_link_name_space(namespace.as_fd(), Some(link)).expect("entered");
        act()
    };
    std::thread::spawn(enter).join().expect("thread")
}

#[tokio::test]
async fn a_sandbox_has_the_namespaces_that_are_asked_for() {
    let zygote = zygote().await;
    let sandbox = zygote.fork_sandbox(spec()).await.expect("sandbox");
    let process = Process(sandbox.pid);
    for (kind, shared) in [("net", true), ("ipc", false), ("uts", false), ("pid", true), ("mnt", false)] {
        assert_eq!(process.namespace(kind) == own().namespace(kind), shared, "{kind}");
    }
}

#[tokio::test]
async fn a_sandbox_joins_the_network_that_it_is_given() {
    let zygote = zygote().await;
    let first = zygote.fork_sandbox(SandboxSpec { net: Namespace::New, ..spec() }).await.expect("sandbox");
    let net = Namespace::Join(PathBuf::from(format!("/proc/{}/ns/net", first.pid)));
    let second = zygote.fork_sandbox(SandboxSpec { net, ..spec() }).await.expect("sandbox");
    assert_eq!(Process(second.pid).namespace("net"), Process(first.pid).namespace("net"));
    assert_ne!(Process(second.pid).namespace("net"), own().namespace("net"));
}

#[tokio::test]
async fn a_host_name_is_set_in_the_sandbox_and_nowhere_else() {
    let zygote = zygote().await;
    let before = rustix::system::uname().nodename().to_owned();
    let sandbox = zygote.fork_sandbox(spec()).await.expect("sandbox");
    let name = || rustix::system::uname().nodename().to_owned();
    let uts = LinkNameSpaceType::HostNameAndNISDomainName;
    assert_eq!(inside(Process(sandbox.pid), "uts", uts, name).to_bytes(), b"weather-0");
    assert_eq!(name(), before);
}

#[tokio::test]
async fn the_nodes_own_host_name_is_never_set() {
    let zygote = zygote().await;
    let before = rustix::system::uname().nodename().to_owned();
    let _sandbox =
        zygote.fork_sandbox(SandboxSpec { uts: Namespace::Host, ..spec() }).await.expect("sandbox");
    assert_eq!(rustix::system::uname().nodename(), &*before);
}

#[tokio::test]
async fn a_sandbox_sees_no_file_and_has_no_power() {
    let zygote = zygote().await;
    let sandbox = zygote.fork_sandbox(spec()).await.expect("sandbox");
    let process = Process(sandbox.pid);
    assert_eq!(process.root(), ["stage"]);
    assert_eq!(process.status("Uid"), "65532 65532 65532 65532");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(process.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(process.status("NoNewPrivs"), "1");
    assert_eq!(process.status("Seccomp"), "2");
    assert_eq!(process.read("comm").trim(), "morph-sandbox");
}

#[tokio::test]
async fn a_sandbox_ends_at_sigterm() {
    for own_pid_namespace in [false, true] {
        let zygote = zygote().await;
        let sandbox =
            zygote.fork_sandbox(SandboxSpec { own_pid_namespace, ..spec() }).await.expect("sandbox");
        sandbox.signal(Signal::TERM).expect("signal");
        let exit = tokio::time::timeout(PATIENCE, sandbox.wait()).await.expect("in time").expect("wait");
        assert_eq!(exit, Exit::Code(0), "own pid namespace: {own_pid_namespace}");
    }
}

#[tokio::test]
async fn a_sandbox_with_a_pid_namespace_reaps_what_is_left_to_it() {
    let zygote = zygote().await;
    let sandbox =
        zygote.fork_sandbox(SandboxSpec { own_pid_namespace: true, ..spec() }).await.expect("sandbox");
    let process = Process(sandbox.pid);
    assert!(process.status("NSpid").ends_with(" 1"), "{}", process.status("NSpid"));
    let orphan = || {
        // The inner shell ends after its parent, and so becomes a child of the sandbox.
        let script = "sh -c 'read line; exit 7' <&0 & exit 0";
        let (stdin, to_stdin) = std::io::pipe().expect("pipe");
        let status = std::process::Command::new("sh").args(["-c", script]).stdin(stdin).status().expect("sh");
        assert!(status.success());
        drop(to_stdin);
    };
    inside(process, "pid", LinkNameSpaceType::ProcessID, orphan);
    let children = move || process.read(&format!("task/{}/children", process.0));
    until("orphans are reaped", PATIENCE, || children().trim().is_empty()).await;
    assert!(process.is_alive());
}

#[tokio::test]
async fn a_namespace_that_is_none_is_refused_by_name() {
    let zygote = zygote().await;
    let net = Namespace::Join("/dev/null".into());
    let error = zygote.fork_sandbox(SandboxSpec { net, ..spec() }).await.expect_err("refused");
    assert!(error.to_string().contains("joining Net namespace"), "{error}");
}
