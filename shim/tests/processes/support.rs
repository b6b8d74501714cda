//! What the tests share: a zygote, compiled guests, a worker with its streams, and `/proc` as a witness.

use morph_grant::Digest;
use morph_host::{EngineKind, Http, Run, Task};
use morph_shim::cache::{Cache, Options};
use morph_shim::process::{Exit, Namespace, Worker, WorkerSpec, Zygote};
use morph_shim::wire::FromChild;
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The built program.
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-morph-v1");

/// How long anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A zygote of its own for each test.
pub(crate) async fn zygote() -> Zygote {
    Zygote::start(Path::new(SHIM)).await.expect("zygote")
}

/// A guest that `hack/guests` has built.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let target = Path::new(SHIM).parent().and_then(Path::parent).expect("target directory");
    let path = target.join("guests").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run hack/guests", path.display()))
}

/// A command that ends at once with success.
pub(crate) fn tiny() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.3" (instance $r)))"#,
    )
    .expect("component")
}

/// How a cache for tests is kept.
pub(crate) fn options(directory: PathBuf, baseline_first: bool) -> Options {
    let engine = |kind| (kind, morph_host::engine_hash(kind).expect("engine"));
    let engines = EngineKind::ALL.map(engine).into();
    Options { directory, bytes_max: 1 << 30, baseline_first, engines }
}

/// The code of a component, from a cache that all tests and runs share.
pub(crate) async fn code(component: Vec<u8>, kind: EngineKind) -> File {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code");
    let options = options(directory, false);
    let cache = Cache::open(options, Path::new(SHIM)).await.expect("cache");
    let digest = Digest::of(&component);
    cache.code(&digest, kind, async { Ok::<_, std::io::Error>(component) }).await.expect("code").file
}

/// Ten starts of the tiny command at once, on two servers in turn; answers how often its bytes were read.
pub(crate) async fn ten_starts(servers: &[Arc<Cache>; 2]) -> usize {
    let reads = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (cache, reads) = (Arc::clone(&servers[number % 2]), Arc::clone(&reads));
        tasks.spawn(async move {
            let read = async {
                reads.fetch_add(1, Ordering::SeqCst);
                Ok::<_, std::io::Error>(tiny())
            };
            cache.code(&Digest::of(&tiny()), EngineKind::P2, read).await.map(drop)
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("task").expect("code");
    }
    reads.load(Ordering::SeqCst)
}

/// A command's task.
pub(crate) fn command(args: &[&str]) -> Task {
    let mut task = Task::ungranted("command", Run::Command);
    task.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    task.grants.environment = true;
    task
}

/// A server's task, on a port that the system chooses.
pub(crate) fn server() -> Task {
    let http = Http {
        address: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        lame_duck_seconds: 0,
        grace_period_seconds: 5,
        requests: morph_host::Requests::default(),
    };
    Task::ungranted("hello", Run::Server(http))
}

/// Reading ends of a worker's output.
pub(crate) struct Output {
    stdout: PipeReader,
    stderr: PipeReader,
}

impl Output {
    /// Reads both streams to their ends in threads of their own, which answer how much it was.
    pub(crate) fn drained(self) -> Vec<std::thread::JoinHandle<u64>> {
        let drain = |mut pipe: PipeReader| {
            std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()).expect("output"))
        };
        vec![drain(self.stdout), drain(self.stderr)]
    }
}

/// A worker's spec with nothing granted, and its output. The network is this process's own.
pub(crate) fn spec(code: File, engine: EngineKind, task: Task) -> (WorkerSpec, Output) {
    let (stdout, to_stdout) = std::io::pipe().expect("pipe");
    let (stderr, to_stderr) = std::io::pipe().expect("pipe");
    let stdin: OwnedFd = File::open("/dev/null").expect("null").into();
    let spec = WorkerSpec {
        id: "c0ffee".into(),
        net: Namespace::Host,
        ipc: Namespace::New,
        uts: Namespace::New,
        cgroup_procs: Vec::new(),
        oom_score_adj: None,
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        rlimits: Vec::new(),
        mounts: Vec::new(),
        stdio: [stdin, to_stdout.into(), to_stderr.into()],
        code,
        engine,
        task,
    };
    (spec, Output { stdout, stderr })
}

/// A worker that is sealed and waits, running the tiny command.
pub(crate) async fn waiting(zygote: &Zygote) -> Worker {
    let (spec, _) = spec(code(tiny(), EngineKind::P2).await, EngineKind::P2, command(&[]));
    zygote.fork_worker(spec).await.expect("worker")
}

/// How a run went.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: u8,
    pub(crate) message: Option<String>,
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a worker to its end.
pub(crate) async fn run(zygote: &Zygote, (spec, output): (WorkerSpec, Output)) -> Ended {
    let mut worker = zygote.fork_worker(spec).await.expect("worker");
    worker.control.start().await.expect("start");
    finish(worker, output).await
}

/// Takes what a started worker says and writes until its end.
pub(crate) async fn finish(mut worker: Worker, mut output: Output) -> Ended {
    let reader = std::thread::spawn(move || {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        output.stdout.read_to_string(&mut stdout).expect("stdout");
        output.stderr.read_to_string(&mut stderr).expect("stderr");
        (stdout, stderr)
    });
    let last =
        tokio::time::timeout(PATIENCE, worker.control.next()).await.expect("in time").expect("control");
    let Some(FromChild::Outcome { code, message }) = last else { panic!("{last:?} instead of an outcome") };
    let exit = tokio::time::timeout(PATIENCE, worker.child.wait()).await.expect("in time").expect("wait");
    let (stdout, stderr) = reader.join().expect("reader");
    Ended { code, message, exit, stdout, stderr }
}

/// Waits until something holds, and says what didn't.
pub(crate) async fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A process as `/proc` shows it.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) i32);

impl Process {
    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }

    pub(crate) fn read(self, file: &str) -> String {
        let path = self.path(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A field of `status`, its words joined by one space.
    pub(crate) fn status(self, field: &str) -> String {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {field}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn namespace(self, kind: &str) -> PathBuf {
        fs::read_link(self.path("ns").join(kind)).expect(kind)
    }

    /// Whether it lives; a zombie doesn't.
    pub(crate) fn is_alive(self) -> bool {
        fs::read_to_string(self.path("stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with(['Z', 'X']))
    }

    /// Mount points with their options, sorted.
    pub(crate) fn mounts(self) -> Vec<(String, String)> {
        let info = self.read("mountinfo");
        let mut mounts: Vec<(String, String)> = info
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                (fields[4].to_owned(), fields[5].to_owned())
            })
            .collect();
        mounts.sort();
        mounts
    }

    /// Names in its root, sorted.
    pub(crate) fn root(self) -> Vec<String> {
        let entries = fs::read_dir(self.path("root/")).expect("root");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// This process.
pub(crate) fn own() -> Process {
    Process(std::process::id().cast_signed())
}
