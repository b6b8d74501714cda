//! Runs real guests for the tests of this crate: what goes in is a task, what comes out is an outcome and the
//! text of both streams. The guests are built by hack/guests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

pub mod http;
pub mod world;

use morph_grant::{Access, FilesystemGrant, Grants, Limits};
use morph_host::{Engine, EngineKind, Outcome, Preopen, Program, Run, Stdio, Stop, Stopper, Task};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long anything in a test may take before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A guest of `e2e/guests` whose code is made once for all tests and mapped by each.
pub fn guest(name: &str) -> Program {
    guest_on(name, |kind| kind)
}

/// The component of a guest of `e2e/guests`.
pub fn guest_bytes(name: &str) -> Vec<u8> {
    let component = target_dir().join("guests").join(format!("{name}.wasm"));
    std::fs::read(&component).unwrap_or_else(|e| panic!("{component:?}: {e}; run hack/guests"))
}

/// The same on an engine that is chosen by the one that fits.
pub fn guest_on(name: &str, engine_of: impl FnOnce(EngineKind) -> EngineKind) -> Program {
    let bytes = guest_bytes(name);
    let kind = engine_of(EngineKind::of(&morph_component::inspect(&bytes).unwrap()));
    program_of(&bytes, kind)
}

/// A component whose code is made once for all tests and mapped by each.
pub fn program_of(bytes: &[u8], kind: EngineKind) -> Program {
    let target = target_dir();
    let key = morph_grant::Digest::of(bytes).hex();
    let code = target.join("guests-code").join(format!("{key}-{}", morph_host::engine_hash(kind).unwrap()));
    if !code.exists() {
        let made = morph_host::compile(bytes, kind).unwrap();
        std::fs::create_dir_all(code.parent().unwrap()).unwrap();
        let mut file = tempfile::NamedTempFile::new_in(code.parent().unwrap()).unwrap();
        file.write_all(&made).unwrap();
        file.persist(&code).unwrap();
    }
    Program::load(&engine(kind), &code).unwrap()
}

/// A component in the text format, compiled for the engine that fits.
pub fn wat(text: &str) -> Program {
    let bytes = wat::parse_str(text).unwrap();
    let kind = EngineKind::of(&morph_component::inspect(&bytes).unwrap());
    Program::from_component(&engine(kind), &bytes).unwrap()
}

/// A Server of WASI 0.2 written by hand that does this with each request; see `proxy.wat`.
pub fn proxy(handle: &str) -> Program {
    wat(&include_str!("proxy.wat").replace("HANDLE", handle))
}

/// A command whose `run` is this core function, beside these items of its module.
pub fn with_run(version: &str, function: &str, items: &str) -> Program {
    let asynchronous = if version.starts_with("0.3") { "async" } else { "" };
    wat(&format!(
        r#"(component
            (core module $m {items} (func $run (export "run") (result i32) {function}))
            (core instance $i (instantiate $m))
            (type $run_type (func {asynchronous} (result (result))))
            (func $run (type $run_type) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@{version}" (instance $cli)))"#
    ))
}

/// One engine of each kind for the whole test process, as in a zygote.
pub fn engine(kind: EngineKind) -> Engine {
    static ENGINES: [OnceLock<Engine>; EngineKind::ALL.len()] = [const { OnceLock::new() }; _];
    ENGINES[kind as usize].get_or_init(|| morph_host::engine(kind).unwrap()).clone()
}

fn target_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// A command's task that grants arguments.
pub fn command(args: &[&str]) -> Task {
    let mut task = Task::ungranted("command", Run::Command);
    task.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    task.grants.environment = true;
    task
}

/// Grants a directory.
pub fn with_directory(mut task: Task, directory: &Path, path: &str, access: Access) -> Task {
    let grant = FilesystemGrant { volume: "data".into(), path: path.into(), sub_path: None, access };
    task.grants = Grants { filesystem: vec![grant], ..task.grants };
    task.preopens = vec![Preopen { path: path.into(), directory: directory.to_owned(), access }];
    task
}

pub fn with_memory(mut task: Task, mebibytes: u64) -> Task {
    task.limits = Limits { memory_bytes: Some(mebibytes << 20), ..Limits::default() };
    task
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: u8,
    pub message: String,
    pub stdout: String,
    pub stderr: String,
}

/// A run under way.
pub struct Running {
    pub stopper: Stopper,
    pub address: Option<SocketAddr>,
    outcome: JoinHandle<Outcome>,
    stdout: Reader,
    stderr: Reader,
}

/// Reads a pipe to its end in a thread of its own.
struct Reader(JoinHandle<String>);

impl Reader {
    fn new() -> (Self, OwnedFd) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let read = move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        (Self(std::thread::spawn(read)), writer.into())
    }
}

/// Runs to the end, with nothing on standard input.
pub fn run(program: Program, task: Task) -> Ended {
    start(program, task, "").ended()
}

/// Starts a run; a server is waited for until it listens.
pub fn start(program: Program, task: Task, stdin: &str) -> Running {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let text = stdin.to_owned();
    std::thread::spawn(move || writer.write_all(text.as_bytes()).unwrap());
    start_over(program, task, reader.into())
}

/// The same over a standard input of the test's own.
pub fn start_over(program: Program, task: Task, stdin: OwnedFd) -> Running {
    let (stdout, stdout_end) = Reader::new();
    let (stderr, stderr_end) = Reader::new();
    let stdio = Stdio { stdin, stdout: stdout_end, stderr: stderr_end };
    let (outcome, stopper, address) = start_with(program, task, stdio);
    Running { stopper, address, outcome, stdout, stderr }
}

/// Starts a run over streams of the test's own.
pub fn start_with(
    program: Program,
    task: Task,
    stdio: Stdio,
) -> (JoinHandle<Outcome>, Stopper, Option<SocketAddr>) {
    let (stopper, stop): (Stopper, Stop) = morph_host::stop();
    let is_server = matches!(task.run, Run::Server(_));
    let (listening, listens) = std::sync::mpsc::channel();
    let outcome = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let run = morph_host::run(
            program,
            task,
            stdio,
            stop,
            move |address| listening.send(address).unwrap(),
            None,
        );
        let outcome = runtime.block_on(async { tokio::time::timeout(PATIENCE, run).await.unwrap() });
        runtime.shutdown_background();
        outcome
    });
    let address = is_server.then(|| listens.recv_timeout(PATIENCE).ok()).flatten();
    (outcome, stopper, address)
}

impl Running {
    /// Waits for the end.
    pub fn ended(self) -> Ended {
        let outcome = self.outcome.join().unwrap();
        Ended {
            code: outcome.code,
            message: outcome.message.unwrap_or_default(),
            stdout: self.stdout.0.join().unwrap(),
            stderr: self.stderr.0.join().unwrap(),
        }
    }

    /// Says stop and waits for the end.
    pub fn stopped(self) -> Ended {
        self.stopper.stop();
        self.ended()
    }
}
