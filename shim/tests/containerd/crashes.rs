//! Deaths, again and again: of containerd, of servers, of zygotes and of workers. What lives goes on, what is
//! dead leaves nothing behind. `hack/soak` does it more often.

use crate::harness::{Containerd, crash, is_alive, times, told, wait_for, wait_seconds};
use crate::life::cgroups;
use crate::spec::{Spec, document};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Starts that go on at once.
const STARTERS: usize = 4;

/// A pod whose container does nothing for long: pids of sandbox and container.
fn idle_pod(containerd: &Containerd, image: &str, number: usize) -> (i32, i32) {
    let grant = document(image, "command", &["sleep", "3600000"]);
    let (sandbox, id) = (format!("s{number}"), format!("c{number}"));
    containerd.start_task(&sandbox, &Spec::sandbox(&sandbox, "demo").granted(&grant));
    let pid = containerd.task(&sandbox).0;
    let spec = Spec::container(&id, &sandbox, "demo", "morph", image).joined(pid).granted(&grant);
    containerd.start_task(&id, &spec);
    (pid, containerd.task(&id).0)
}

/// Many of them, a few at a time.
fn idle_pods(containerd: &Containerd, image: &str, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..STARTERS.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    idle_pod(containerd, image, number);
                }
            });
        }
    });
}

/// Deletes a task that has ended, and wants it to have ended with this code.
#[track_caller]
fn delete_ended(containerd: &Containerd, id: &str, code: i32) {
    containerd.wait_status(id, "STOPPED");
    let output = containerd.ctr(&["task", "delete", id]).output().unwrap();
    // Some releases of ctr end with the task's code, others only tell it.
    let is_told = told(&output).contains(&format!("exit code {code}"));
    assert!(is_told || output.status.code() == Some(code), "{id}: {}", told(&output));
    containerd.must(&["container", "delete", id]);
}

/// Bundles that containerd has.
fn bundles(containerd: &Containerd) -> Vec<String> {
    let place = containerd.path("state/io.containerd.runtime.v2.task/k8s.io");
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Counts the exits of each container until it is asked.
struct Exits {
    watcher: Child,
    log: std::path::PathBuf,
}

impl Exits {
    fn watch(containerd: &Containerd) -> Self {
        let log = containerd.path("events.log");
        let file = File::create(&log).unwrap();
        let watcher = containerd.ctr(&["events"]).stdout(file).spawn().unwrap();
        Self { watcher, log }
    }

    /// Waits for an event that is published last, and answers how often each container exited.
    fn until_deleted(mut self, container: &str) -> BTreeMap<String, usize> {
        let read = || std::fs::read_to_string(&self.log).unwrap();
        let last =
            |line: &str| line.contains("/containers/delete") && line.contains(&format!("\"{container}\""));
        wait_for("the last event", || read().lines().any(last));
        self.watcher.kill().unwrap();
        self.watcher.wait().unwrap();
        let mut exits = BTreeMap::new();
        for line in read().lines().filter(|line| line.contains("/tasks/exit")) {
            let event: serde_json::Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
            *exits.entry(event["container_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        exits
    }
}

#[test]
fn containerd_killed_again_and_again_finds_every_pod_and_every_end() {
    let mut containerd = Containerd::start();
    let image = containerd.guest("command");
    let pods = times("MORPH_TEST_PODS", 20);
    idle_pods(&containerd, &image, pods);
    let mut running: BTreeMap<String, i32> =
        containerd.tasks().into_iter().map(|(id, pid, _)| (id, pid)).collect();
    assert_eq!(running.len(), 2 * pods);
    let restarts = times("MORPH_TEST_RESTARTS", 2);
    for round in 0..restarts {
        println!("restart {round} of {restarts}, {} tasks", running.len());
        let victim = format!("c{}", round % pods);
        containerd.kill();
        let dies = running.remove(&victim);
        if let Some(pid) = dies {
            crash(pid);
            wait_for("dead", || !is_alive(pid));
        }
        containerd.begin();
        if dies.is_some() {
            delete_ended(&containerd, &victim, 137);
        }
        let found = containerd.tasks();
        assert!(found.iter().all(|(.., status)| status == "RUNNING"), "{found:?}");
        let found: BTreeMap<String, i32> = found.into_iter().map(|(id, pid, _)| (id, pid)).collect();
        assert_eq!(found, running, "round {round}");
        assert!(running.values().all(|pid| is_alive(*pid)), "round {round}");
    }
    assert_eq!(containerd.server_pids().len(), 1);
    containerd.must(&["task", "kill", "--signal", "SIGTERM", "s0"]);
    delete_ended(&containerd, "s0", 0);
    running.remove("s0");
    for (id, pid) in &running {
        containerd.remove(id);
        assert!(!is_alive(*pid), "{id}");
        assert!(cgroups(id).is_empty(), "{id}");
    }
    assert!(bundles(&containerd).is_empty(), "{:?}", bundles(&containerd));
}

/// Reads numbered lines from a fifo that it opens and lets go of, without losing what it has read.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    next: u64,
}

impl Lines {
    /// Reads until this many lines have come, or all have.
    fn read(&mut self, fifo: &mut File, wanted: u64) {
        let mut chunk = vec![0; 1 << 16];
        while self.next < wanted {
            let length = fifo.read(&mut chunk).unwrap();
            assert!(length > 0, "the end after line {}", self.next);
            self.rest.extend_from_slice(&chunk[..length]);
            let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in self.rest.drain(..whole).collect::<Vec<_>>().split_inclusive(|byte| *byte == b'\n') {
                let number = std::str::from_utf8(line).unwrap().split(' ').next().unwrap();
                assert_eq!(number.parse(), Ok(self.next));
                self.next += 1;
            }
        }
    }
}

/// Bytes that a process has written.
fn written(pid: i32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

#[test]
fn a_guest_that_writes_while_containerd_is_away_waits_and_loses_no_line() {
    const LINES: u64 = 100_000;
    let mut containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut grant = document(&image, "command", &["flood", "10"]);
    grant.components[0].limits.output_bytes_per_second = Some(1 << 30);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant));
    let sandbox = containerd.task("s1").0;
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    let path = containerd.path("output");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let uri = format!("fifo://{}", path.display());
    let output = containerd.run("c1", &spec, &["--detach", "--log-uri", &uri]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let pid = containerd.task("c1").0;
    let mut lines = Lines::default();
    lines.read(&mut File::open(&path).unwrap(), LINES / 10);
    containerd.kill();
    // Nobody reads now: it writes until the fifo is full, and no further.
    let mut before = 0;
    wait_for("waiting", || std::mem::replace(&mut before, written(pid)) == before);
    assert!(is_alive(pid));
    containerd.begin();
    assert_eq!(containerd.task("c1"), (pid, "RUNNING".into()));
    lines.read(&mut File::open(&path).unwrap(), LINES);
    delete_ended(&containerd, "c1", 0);
    containerd.remove("s1");
}

#[test]
fn a_server_killed_again_and_again_takes_all_along_and_leaves_nothing() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let rounds = times("MORPH_TEST_SERVER_DEATHS", 10);
    // A second, where the machine is a whole one.
    let soon = times("MORPH_TEST_GONE_SECONDS", 1) as u64;
    let exits = Exits::watch(&containerd);
    for round in 0..rounds {
        println!("death {round} of {rounds}");
        let (id, sandbox) = (format!("c{round}"), format!("s{round}"));
        let (first, second) = idle_pod(&containerd, &image, round);
        let server = containerd.server_pids()[0];
        let zygote = containerd.zygote_pids()[0];
        crash(server);
        wait_seconds(soon, "workers gone", || [first, second, zygote].iter().all(|pid| !is_alive(*pid)));
        wait_for("tasks gone", || containerd.tasks().is_empty());
        wait_for("bundles gone", || bundles(&containerd).is_empty());
        for task in [&id, &sandbox] {
            assert!(cgroups(task).is_empty(), "round {round}: {:?}", cgroups(task));
            containerd.must(&["container", "delete", task]);
        }
        // The last `delete` takes them along, and ends after its task's.
        let left = || ["sock", "life", "lock"].map(|suffix| containerd.servers(suffix));
        wait_for(&format!("round {round}: the server's files gone"), || left().iter().all(Vec::is_empty));
    }
    let exits = exits.until_deleted(&format!("s{}", rounds - 1));
    assert!(exits.values().all(|count| *count == 1), "{exits:?}");
    assert_eq!(exits.keys().filter(|id| id.starts_with('s')).count(), rounds, "{exits:?}");
}

#[test]
fn a_zygote_that_is_killed_takes_nobody_along_and_the_next_start_works() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let deaths = times("MORPH_TEST_ZYGOTE_DEATHS", 3);
    let mut pids = Vec::new();
    for round in 0..deaths {
        println!("death {round} of {deaths}");
        // From the second on each is the start after a death.
        pids.push(idle_pod(&containerd, &image, round));
        let zygote = containerd.zygote_pids()[0];
        crash(zygote);
        wait_for("dead", || !is_alive(zygote));
        assert!(pids.iter().all(|(sandbox, worker)| is_alive(*sandbox) && is_alive(*worker)));
    }
    idle_pod(&containerd, &image, deaths);
    for (round, (_, worker)) in pids.into_iter().enumerate() {
        assert_eq!(containerd.task(&format!("c{round}")), (worker, "RUNNING".into()));
    }
    assert_eq!(containerd.server_pids().len(), 1);
}

#[test]
fn a_worker_that_is_killed_exits_once_and_its_id_is_free_again() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let exits = Exits::watch(&containerd);
    let (sandbox, worker) = idle_pod(&containerd, &image, 1);
    crash(worker);
    delete_ended(&containerd, "c1", 137);
    assert!(is_alive(sandbox));
    let exits = exits.until_deleted("c1");
    assert_eq!(exits, BTreeMap::from([("c1".to_owned(), 1)]));
    let grant = document(&image, "command", &["sleep", "3600000"]);
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    containerd.start_task("c1", &spec);
    assert_eq!(containerd.task("c1").1, "RUNNING");
}

/// What a namespace is, as a process in it sees it.
fn namespaces(command: &mut Command) -> Vec<String> {
    let kinds = ["net", "ipc", "uts"].map(|kind| format!("/proc/self/ns/{kind}"));
    let output = command.arg("readlink").args(kinds).stderr(Stdio::inherit()).output().unwrap();
    BufReader::new(&output.stdout[..]).lines().map_while(Result::ok).collect()
}

#[test]
fn who_joins_the_namespaces_of_a_pod_is_in_the_pods_and_never_in_the_nodes() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let (sandbox, worker) = idle_pod(&containerd, &image, 1);
    let nodes = namespaces(&mut Command::new("env"));
    for target in [sandbox, worker] {
        let mut joins = Command::new("nsenter");
        joins.args(["--target", &target.to_string(), "--net", "--ipc", "--uts", "--pid"]);
        let joined = namespaces(&mut joins);
        assert_eq!(joined.len(), 3);
        assert!(joined.iter().zip(&nodes).all(|(one, other)| one != other), "{joined:?} {nodes:?}");
    }
    // A debug container of the worker sees the guest's process as pid 1 and is beside it.
    let mut joins = Command::new("nsenter");
    joins.args(["--target", &worker.to_string(), "--pid", "--", "sh", "-c", "echo $$"]);
    let pid: i32 = String::from_utf8(joins.output().unwrap().stdout).unwrap().trim().parse().unwrap();
    assert!((2..100).contains(&pid), "{pid} is a pid of the node");
    let link =
        |pid: i32| std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("ns/pid")).unwrap();
    assert_ne!(link(worker), link(std::process::id().cast_signed()));
}

/// A file system of this size at a path, as long as it lives.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(path: std::path::PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k,mode=0700", "small"]).arg(&path);
        assert!(mount.status().unwrap().success());
        Self(path)
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0).status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_of_the_cache_is_named_and_a_later_try_works() {
    let containerd = Containerd::start();
    let cache = Small::mount(containerd.path("cache"));
    let image = containerd.guest("command");
    let run = |id: &str| containerd.run(id, &Spec::alone(id, &image), &["--rm"]).output().unwrap();
    let full = run("c1");
    assert!(!full.status.success());
    let text = told(&full);
    assert!(text.contains("No space left on device") && text.contains("/cache/"), "{text}");
    assert!(cgroups("c1").is_empty(), "{:?}", cgroups("c1"));
    cache.grow();
    let output = run("c2");
    assert!(output.status.success(), "{}", told(&output));
}
