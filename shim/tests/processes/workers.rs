//! What a worker does with its guest: exit codes, streams, volumes, signals, serving.

use super::support::{PATIENCE, code, command, finish, guest, run, server, spec, tiny, zygote};
use morph_grant::Access;
use morph_host::{EngineKind, Preopen};
use morph_shim::process::{Exit, Granted, Worker, Zygote, open_beneath};
use morph_shim::wire::FromChild;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const P2: EngineKind = EngineKind::P2;
const P3: EngineKind = EngineKind::P3;

async fn run_command(args: &[&str]) -> super::support::Ended {
    let zygote = zygote().await;
    run(&zygote, spec(code(guest("command.wasm"), P2).await, P2, command(args))).await
}

#[tokio::test]
async fn a_command_exits_with_its_own_code() {
    for wanted in [0, 3, 255] {
        let ended = run_command(&["exit", &wanted.to_string()]).await;
        assert_eq!((ended.code, ended.exit, ended.message), (wanted, Exit::Code(wanted), None));
    }
}

#[tokio::test]
async fn a_trap_has_its_code_its_message_and_its_line_on_stderr() {
    let ended = run_command(&["trap"]).await;
    assert_eq!(ended.exit, Exit::Code(morph_host::code::TRAP));
    let message = ended.message.expect("a message");
    assert!(message.starts_with("the guest trapped: wasm `unreachable`"), "{message}");
    assert!(ended.stderr.contains(message.lines().next().expect("a line")), "{}", ended.stderr);
}

#[tokio::test]
async fn a_guest_has_its_arguments_and_its_streams() {
    let ended = run_command(&["show", "one", "two words"]).await;
    assert_eq!(ended.stderr, "shown on stderr\n");
    assert!(ended.stdout.contains("arg one\narg two words\n"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("env "), "{}", ended.stdout);
}

#[tokio::test]
async fn a_guest_reads_its_standard_input() {
    let zygote = zygote().await;
    let (mut spec, output) = spec(code(guest("command.wasm"), P2).await, P2, command(&["echo"]));
    let mut input = tempfile::tempfile().expect("file");
    input.write_all(b"said once").expect("write");
    input.rewind().expect("rewind");
    spec.stdio[0] = input.into();
    assert_eq!(run(&zygote, (spec, output)).await.stdout, "said once");
}

#[tokio::test]
async fn no_line_of_much_output_is_lost() {
    let ended = run_command(&["flood", "5"]).await;
    assert_eq!(ended.stdout.lines().count(), 50_000);
    assert!(ended.stdout.ends_with('\n') && ended.stdout.contains("0000049999 "));
}

#[tokio::test]
async fn a_guest_of_0_3_runs_on_its_engine() {
    let zygote = zygote().await;
    let task = command(&["exit", "0"]);
    let ended = run(&zygote, spec(code(guest("command-p3.wasm"), P3).await, P3, task)).await;
    assert_eq!(ended.exit, Exit::Code(0), "{ended:?}");
}

/// A command with a directory at `/data`, owned by the worker's user.
async fn with_data(args: &[&str], access: Access, check: impl FnOnce(super::support::Ended, &Path)) {
    let zygote = zygote().await;
    let volume = tempfile::tempdir().expect("directory");
    fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o777)).expect("mode");
    fs::write(volume.path().join("number"), "7").expect("file");
    let mut task = command(args);
    task.preopens = vec![Preopen { path: "/data".into(), directory: "/data".into(), access }];
    task.grants.filesystem = vec![morph_grant::FilesystemGrant {
        volume: "data".into(),
        path: "/data".into(),
        sub_path: None,
        access,
    }];
    let (mut spec, output) = spec(code(guest("command.wasm"), P2).await, P2, task);
    spec.mounts = vec![Granted {
        source: open_beneath(volume.path(), Path::new(".")).expect("source"),
        target: "/data".into(),
        read_only: access == Access::ReadOnly,
    }];
    check(run(&zygote, (spec, output)).await, volume.path());
}

#[tokio::test]
async fn a_granted_volume_is_read_and_written() {
    with_data(&["read", "/data/number"], Access::ReadOnly, |ended, _| assert_eq!(ended.stdout, "7")).await;
    with_data(&["write", "/data/new", "8"], Access::ReadWrite, |ended, volume| {
        assert_eq!(ended.exit, Exit::Code(0), "{ended:?}");
        assert_eq!(fs::read_to_string(volume.join("new")).expect("file"), "8");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_granted_is_refused_or_not_there() {
    let refused = |ended: super::support::Ended, _: &Path| {
        assert_eq!(ended.exit, Exit::Code(1), "{ended:?}");
        assert!(ended.stderr.starts_with("refused: "), "{ended:?}");
    };
    with_data(&["write", "/data/number", "8"], Access::ReadOnly, refused).await;
    with_data(&["read", "/data/../code"], Access::ReadWrite, refused).await;
    with_data(&["read", "/code"], Access::ReadWrite, refused).await;
}

#[tokio::test]
async fn sigterm_stops_a_command_wherever_it_is() {
    for args in [["loop", ""], ["sleep", "600000"]] {
        let zygote = zygote().await;
        let (spec, output) = spec(code(guest("command.wasm"), P2).await, P2, command(&args));
        let mut worker = zygote.fork_worker(spec).await.expect("worker");
        worker.control.start().await.expect("start");
        worker.child.signal(Signal::TERM).expect("signal");
        let ended = finish(worker, output).await;
        assert_eq!(ended.exit, Exit::Code(morph_host::code::STOPPED), "{args:?}: {ended:?}");
    }
}

#[tokio::test]
async fn sigkill_ends_a_worker_that_waits_or_runs() {
    let zygote = zygote().await;
    for start in [false, true] {
        let (spec, _output) = spec(code(guest("command.wasm"), P2).await, P2, command(&["loop"]));
        let mut worker = zygote.fork_worker(spec).await.expect("worker");
        if start {
            worker.control.start().await.expect("start");
        }
        worker.child.signal(Signal::KILL).expect("signal");
        let exit = tokio::time::timeout(PATIENCE, worker.child.wait()).await.expect("in time").expect("wait");
        assert_eq!(exit.code(), 137, "started: {start}");
        assert!(worker.control.next().await.expect("control").is_none());
    }
}

async fn listening(
    zygote: &Zygote,
    name: &str,
    engine: EngineKind,
) -> (Worker, super::support::Output, SocketAddr) {
    let (spec, output) = spec(code(guest(name), engine).await, engine, server());
    let mut worker = zygote.fork_worker(spec).await.expect("worker");
    worker.control.start().await.expect("start");
    let said =
        tokio::time::timeout(PATIENCE, worker.control.next()).await.expect("in time").expect("control");
    let Some(FromChild::Listening { address }) = said else { panic!("{said:?} instead of listening") };
    (worker, output, address)
}

/// Asks once over HTTP/1.1 and answers everything that came.
fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connect");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").expect("request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    answer
}

#[tokio::test]
async fn a_server_serves_and_stops_at_sigterm_with_success() {
    let zygote = zygote().await;
    for (name, engine) in [("hello.wasm", P2), ("hello-p3.wasm", P3)] {
        let (worker, output, address) = listening(&zygote, name, engine).await;
        for path in ["/one", "/two"] {
            let answer = ask(address, path);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(path), "{name}: {answer}");
        }
        worker.child.signal(Signal::TERM).expect("signal");
        let ended = finish(worker, output).await;
        assert_eq!(ended.exit, Exit::Code(0), "{name}: {ended:?}");
        assert!(ended.stdout.contains("/one") && ended.stdout.contains("/two"), "{name}: {ended:?}");
    }
}

#[tokio::test]
async fn a_command_that_is_asked_to_serve_says_so() {
    let zygote = zygote().await;
    let ended = run(&zygote, spec(code(tiny(), P2).await, P2, server())).await;
    assert_eq!(ended.exit, Exit::Code(morph_host::code::BAD_COMPONENT), "{ended:?}");
    assert!(ended.message.is_some());
}

#[tokio::test]
async fn an_import_without_grant_ends_with_its_name() {
    let zygote = zygote().await;
    let ended = run(&zygote, spec(code(guest("imports-http.wasm"), P2).await, P2, command(&[]))).await;
    assert_eq!(ended.exit, Exit::Code(morph_host::code::IMPORT_DENIED), "{ended:?}");
    assert!(ended.message.expect("a message").contains("wasi:http/outgoing-handler"));
}

#[tokio::test]
async fn what_is_no_code_is_refused_before_the_start() {
    let zygote = zygote().await;
    let garbage = tempfile::NamedTempFile::new().expect("file");
    fs::write(garbage.path(), "no code").expect("write");
    fs::set_permissions(garbage.path(), fs::Permissions::from_mode(0o444)).expect("mode");
    let other = code(tiny(), P3).await;
    for file in [File::open(garbage.path()).expect("file"), other] {
        let (spec, _output) = spec(file, P2, command(&[]));
        let error = zygote.fork_worker(spec).await.expect_err("refused");
        assert!(error.to_string().contains("no code of the p2 engine"), "{error}");
    }
}
