//! How long a worker takes from its fork to its first connection, and what a process costs that waits:
//! printed for whoever measures, and held to ends that only something broken would miss.

use super::support::{Output, PATIENCE, code, guest, server, spec, zygote};
use morph_host::EngineKind;
use morph_shim::process::{Worker, Zygote};
use morph_shim::wire::FromChild;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Rounds of which the median counts.
const ROUNDS: usize = 15;

/// What anything here may take; some hundred times what it does.
const SLOW: Duration = Duration::from_millis(500);

/// A server that listens: the time of its fork, and from its start to its listening.
async fn listening(zygote: &Zygote, kind: EngineKind) -> (Worker, Output, [Duration; 2]) {
    let (worker, output, times, _) = listening_as(zygote, "hello.wasm", kind).await;
    (worker, output, times)
}

async fn listening_as(
    zygote: &Zygote,
    name: &str,
    kind: EngineKind,
) -> (Worker, Output, [Duration; 2], SocketAddr) {
    let (spec, output) = spec(code(guest(name), kind).await, kind, server());
    let begun = Instant::now();
    let mut worker = zygote.fork_worker(spec).await.expect("worker");
    let forked = begun.elapsed();
    worker.control.start().await.expect("start");
    let said = tokio::time::timeout(PATIENCE, worker.control.next()).await.expect("in time");
    let listens = begun.elapsed() - forked;
    let Ok(Some(FromChild::Listening { address })) = said else { panic!("{said:?}") };
    (worker, output, [forked, listens], address)
}

/// Processor time that a process has used, in milliseconds: its 14th and 15th field, in ticks of ten.
fn processor_millis(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace().skip(11).take(2);
    10 * fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()
}

/// Requests that are answered one after the other.
const REQUESTS: u64 = 200;

#[tokio::test]
async fn code_of_both_compilers_answers_request_after_request() {
    let zygote = zygote().await;
    for (name, kinds) in [
        ("hello.wasm", [EngineKind::P2, EngineKind::P2Baseline]),
        ("hello-p3.wasm", [EngineKind::P3, EngineKind::P3Baseline]),
    ] {
        for kind in kinds {
            let (worker, _output, _, address) = listening_as(&zygote, name, kind).await;
            let before = processor_millis(worker.child.pid);
            for _ in 0..REQUESTS {
                let mut stream = TcpStream::connect(address).expect("connect");
                let head = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
                stream.write_all(head.as_bytes()).expect("request");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("answer");
                assert!(answer.starts_with("HTTP/1.1 200"), "{name} {kind}: {answer}");
            }
            let used = processor_millis(worker.child.pid) - before;
            let told = format!("{name} {kind}: {used} ms of processor time for {REQUESTS} requests\n");
            std::io::stderr().write_all(told.as_bytes()).expect("stderr");
            worker.child.signal(rustix::process::Signal::KILL).expect("kill");
            worker.child.wait().await.expect("wait");
        }
    }
}

/// How often the threads of a process have been woken so far.
fn wakeups(pid: i32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("tasks");
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status"));
    let texts = tasks.filter_map(|task| status(task.ok()?).ok());
    let of = |text: String| -> u64 {
        let lines = text.lines().filter(|line| line.contains("voluntary_ctxt_switches"));
        lines.filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok()).sum()
    };
    texts.map(of).sum()
}

/// A figure of a process's memory, in bytes.
fn memory_bytes(pid: i32, figure: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let line = text.lines().find_map(|line| line.strip_prefix(figure)).expect("the figure");
    line.trim().strip_suffix(" kB").expect("kB").parse::<u64>().expect("a number") << 10
}

/// Bytes of a process that nothing else maps, and its share of the others.
fn proportional_bytes(pid: i32) -> u64 {
    memory_bytes(pid, "Pss:")
}

#[tokio::test]
async fn a_server_that_has_nothing_to_do_is_never_woken() {
    let zygote = zygote().await;
    let (worker, _output, _) = listening(&zygote, EngineKind::P2).await;
    let end = Instant::now() + PATIENCE;
    loop {
        let before = wakeups(worker.child.pid);
        // The time in which it is watched.
        tokio::time::sleep(Duration::from_secs(2)).await;
        if wakeups(worker.child.pid) == before {
            break;
        }
        assert!(Instant::now() < end, "it is still woken");
    }
    worker.child.signal(rustix::process::Signal::KILL).expect("kill");
    worker.child.wait().await.expect("wait");
}

/// Most that one of twenty servers which wait may cost, in bytes; among a hundred it is less.
const WAITING_BYTES_MAX: u64 = 3 << 20;

/// Most that most of them have written to, in bytes, and for each thread that runs guests: what is allocated
/// lies together and not between what the zygote has, and stacks are given back. Without both it is half as
/// much again.
const OWN_BYTES_MAX: u64 = 480 << 10;
const OWN_BYTES_MAX_OF_THREAD: u64 = 60 << 10;

/// Such threads at most, as in `worker`.
const SERVER_THREADS_MAX: usize = 4;

#[tokio::test]
async fn twenty_servers_that_wait_share_nearly_all_they_have() {
    let zygote = zygote().await;
    let mut workers = Vec::new();
    for _ in 0..20 {
        workers.push(listening(&zygote, EngineKind::P2).await);
    }
    let total: u64 = workers.iter().map(|(worker, ..)| proportional_bytes(worker.child.pid)).sum();
    let each = total / workers.len() as u64;
    let zygote = proportional_bytes(zygote.pid().await.expect("pid"));
    let told = format!("a server that waits: {} KiB; their zygote: {} KiB\n", each >> 10, zygote >> 10);
    std::io::stderr().write_all(told.as_bytes()).expect("stderr");
    assert!(each < WAITING_BYTES_MAX, "{told}");
    let mut own: Vec<u64> =
        workers.iter().map(|(worker, ..)| memory_bytes(worker.child.pid, "Private_Dirty:")).collect();
    own.sort_unstable();
    let own = own[own.len() / 2];
    let threads =
        std::thread::available_parallelism().expect("processors").get().min(SERVER_THREADS_MAX) as u64;
    assert!(own <= OWN_BYTES_MAX + threads * OWN_BYTES_MAX_OF_THREAD, "{} KiB of its own", own >> 10);
    for (worker, ..) in workers {
        worker.child.signal(rustix::process::Signal::KILL).expect("kill");
        worker.child.wait().await.expect("wait");
    }
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

#[tokio::test]
async fn a_worker_listens_soon_after_its_fork() {
    let zygote = zygote().await;
    for kind in [EngineKind::P2, EngineKind::P2Baseline] {
        let (mut forks, mut starts) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (worker, _output, [fork, start]) = listening(&zygote, kind).await;
            worker.child.signal(rustix::process::Signal::KILL).expect("kill");
            worker.child.wait().await.expect("wait");
            forks.push(fork);
            starts.push(start);
        }
        let (fork, start) = (median(forks), median(starts));
        let told = format!("{kind}: fork, seal and map {fork:.2?}, start to listening {start:.2?}\n");
        std::io::stderr().write_all(told.as_bytes()).expect("stderr");
        assert!(fork < SLOW && start < SLOW, "{told}");
    }
}
