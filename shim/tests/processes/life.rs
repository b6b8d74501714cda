//! What happens to the others when one of the processes dies.

use super::support::{PATIENCE, Process, code, command, guest, spec, until, waiting, zygote};
use morph_host::EngineKind;
use morph_shim::process::{Namespace, SandboxSpec, Zygote};
use rustix::process::Signal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("pid");
    rustix::process::kill_process(pid, Signal::KILL).expect("kill");
}

fn sandbox() -> SandboxSpec {
    SandboxSpec {
        net: Namespace::Host,
        ipc: Namespace::New,
        uts: Namespace::New,
        own_pid_namespace: false,
        hostname: None,
        cgroup_procs: Vec::new(),
        oom_score_adj: None,
    }
}

#[tokio::test]
async fn the_zygote_has_one_thread_and_no_file_of_the_node() {
    let zygote = zygote().await;
    let process = Process(zygote.pid().await.expect("pid"));
    assert_eq!(process.status("Threads"), "1");
    assert_eq!(process.read("comm").trim(), "morph-zygote");
    assert_eq!(process.root(), ["stage"]);
    assert_eq!(process.read("environ"), "");
}

#[tokio::test]
async fn workers_outlive_their_zygote_and_the_next_fork_makes_another() {
    let zygote = zygote().await;
    let first = zygote.pid().await.expect("pid");
    let mut worker = waiting(&zygote).await;
    kill(first);
    until("the zygote ends", PATIENCE, || !Process(first).is_alive()).await;
    let next = waiting(&zygote).await;
    assert_ne!(zygote.pid().await.expect("pid"), first);
    assert!(Process(worker.child.pid).is_alive() && Process(next.child.pid).is_alive());
    worker.control.start().await.expect("start");
    let exit = tokio::time::timeout(PATIENCE, worker.child.wait()).await.expect("in time").expect("wait");
    assert_eq!(exit.code(), 0, "it runs to its end and this process reaps it");
}

#[tokio::test]
async fn a_zygote_killed_between_two_forks_costs_no_error() {
    let zygote = zygote().await;
    for _ in 0..5 {
        kill(zygote.pid().await.expect("pid"));
        waiting(&zygote).await;
    }
}

#[tokio::test]
async fn the_last_handle_takes_all_that_was_forked_with_it() {
    let zygote = zygote().await;
    let other = zygote.clone();
    let sandbox = zygote.fork_sandbox(sandbox()).await.expect("sandbox");
    let worker = waiting(&zygote).await;
    let all = [zygote.pid().await.expect("pid"), sandbox.pid, worker.child.pid].map(Process);
    drop(zygote);
    assert!(all.iter().all(|process| process.is_alive()), "there is another handle");
    drop(other);
    until("all end", Duration::from_secs(1), || all.iter().all(|process| !process.is_alive())).await;
}

/// Where the server of the next test writes its pids.
const SERVER: &str = "MORPH_TEST_SERVER";

/// Forks one of each, running, and then lives until it is killed.
async fn serve(pids: &Path) {
    let zygote = zygote().await;
    let sandbox = zygote.fork_sandbox(sandbox()).await.expect("sandbox");
    let (spec, _output) =
        spec(code(guest("command.wasm"), EngineKind::P2).await, EngineKind::P2, command(&["loop"]));
    let mut running = zygote.fork_worker(spec).await.expect("worker");
    running.control.start().await.expect("start");
    let waits = waiting(&zygote).await;
    let zygote = zygote.pid().await.expect("pid");
    let text = format!("{zygote} {} {} {}", sandbox.pid, running.child.pid, waits.child.pid);
    let draft = pids.with_extension("new");
    std::fs::write(&draft, text).expect("write");
    std::fs::rename(draft, pids).expect("rename");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_nothing_behind() {
    if let Some(pids) = std::env::var_os(SERVER) {
        return serve(Path::new(&pids)).await;
    }
    let directory = tempfile::tempdir().expect("directory");
    let pids = directory.path().join("pids");
    let mut server = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "life::a_server_that_is_killed_leaves_nothing_behind"])
        .env(SERVER, &pids)
        .stdout(Stdio::null())
        .spawn()
        .expect("server");
    until("the server forks", 2 * PATIENCE, || pids.exists()).await;
    let text = std::fs::read_to_string(&pids).expect("pids");
    let all: Vec<Process> = text.split(' ').map(|pid| Process(pid.parse().expect("pid"))).collect();
    assert!(all.iter().all(|process| process.is_alive()));
    server.kill().expect("kill");
    server.wait().expect("wait");
    until("all end", Duration::from_secs(1), || all.iter().all(|process| !process.is_alive())).await;
}

#[tokio::test]
async fn many_workers_are_forked_at_once() {
    let zygote = zygote().await;
    let mut forks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let zygote: Zygote = zygote.clone();
        forks.spawn(async move {
            let mut worker = waiting(&zygote).await;
            worker.control.start().await.expect("start");
            worker.child.wait().await.expect("wait").code()
        });
    }
    while let Some(code) = forks.join_next().await {
        assert_eq!(code.expect("task"), 0);
    }
}

#[tokio::test]
async fn a_program_that_is_no_zygote_is_an_error_that_says_what_was_tried() {
    for program in ["/nonexistent", "/bin/true"] {
        let error = Zygote::start(Path::new(program)).await.expect_err(program);
        assert!(error.to_string().starts_with("zygote: "), "{program}: {error}");
    }
}
