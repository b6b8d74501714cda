//! The matrix: places, and what happens there.

use crate::harness::{Containerd, is_alive, told, wait_for};
use crate::spec::{Spec, cgroup, document};
use morph_grant::Document;
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::Child;

/// Every place there is, in the order of a pod's life.
const PLACES: [&str; 26] = [
    "start.spawn",
    "serve.begin",
    "zygote.begin",
    "start.answer",
    "create.record",
    "create.cgroup",
    "create.fork",
    "keeper.fork",
    "zygote.fork",
    "zygote.forked",
    "keeper.place",
    "sandbox.seal",
    "worker.seal",
    "worker.load",
    "create.note",
    "create.tell",
    "watch.wait",
    "start.run",
    "worker.run",
    "kill.signal",
    "watch.status",
    "watch.tell",
    "watch.answer",
    "delete.cgroup",
    "delete.record",
    "cleanup.process",
];

/// Places of the action `delete` that are reached only when there is no server.
const PLACES_OF_DELETE: [&str; 3] = ["cleanup.process", "cleanup.cgroup", "cleanup.record"];

/// A containerd whose shim reads this table.
struct Node {
    containerd: Containerd,
    image: String,
    table: std::path::PathBuf,
    events: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.events.kill());
        drop(self.events.wait());
    }
}

impl Node {
    fn start() -> Self {
        let table = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
        let containerd = Containerd::start_with(&[("MORPH_FAILPOINTS", table.as_os_str())]);
        let image = containerd.guest("command");
        let log = File::create(containerd.path("events.log")).unwrap();
        let events = containerd.ctr(&["events"]).stdout(log).spawn().unwrap();
        Self { containerd, image, table, events }
    }

    /// What happens at a place from now on.
    fn set(&self, line: &str) {
        std::fs::write(&self.table, line).unwrap();
    }

    /// Starts a pod; answers how far it came.
    fn pod(&self) -> Result<Vec<i32>, String> {
        let sandbox = self.sandbox()?;
        Ok(vec![sandbox, self.container(sandbox)?])
    }

    fn sandbox(&self) -> Result<i32, String> {
        self.start_task("s1", &Spec::sandbox("s1", "demo").granted(&self.grant()))
    }

    fn container(&self, sandbox: i32) -> Result<i32, String> {
        let spec = Spec::container("c1", "s1", "demo", "morph", &self.image).joined(sandbox);
        self.start_task("c1", &spec.granted(&self.grant()))
    }

    fn grant(&self) -> Document {
        document(&self.image, "command", &["sleep", "3600000"])
    }

    fn start_task(&self, id: &str, spec: &Spec) -> Result<i32, String> {
        let log = format!("file://{}", self.containerd.path(&format!("{id}.log")).display());
        let output = self.containerd.run(id, spec, &["--detach", "--log-uri", &log]).output().unwrap();
        let found = self.containerd.tasks().into_iter().find(|task| task.0 == id);
        match found {
            Some((_, pid, _)) if output.status.success() => Ok(pid),
            _ => Err(told(&output)),
        }
    }

    /// containerd dies and is there again.
    fn restart(&mut self) {
        self.containerd.kill();
        self.containerd.begin();
    }

    /// Takes down what is there, as containerd's callers do: again and again until it is gone.
    fn take_down(&self) {
        wait_for("all taken down", || {
            for id in ["c1", "s1"] {
                for words in [
                    &["task", "kill", "--signal", "SIGKILL", id][..],
                    &["task", "delete", "--force", id],
                    &["container", "delete", id],
                ] {
                    drop(self.containerd.ctr(words).output().unwrap());
                }
            }
            self.containerd.tasks().is_empty()
                && self.containerd.must(&["container", "list", "-q"]).is_empty()
        });
    }

    /// Wants that nothing is left of a pod.
    #[track_caller]
    fn check_nothing_left(&self, case: &str) {
        wait_for(&format!("{case}: `delete` has ended"), || self.deletes() == 0);
        let bundles = self.containerd.path("state/io.containerd.runtime.v2.task/k8s.io");
        let bundles = || std::fs::read_dir(&bundles).into_iter().flatten().count();
        wait_for(&format!("{case}: bundles gone"), || bundles() == 0);
        wait_for(&format!("{case}: processes gone"), || processes_of_pod().is_empty());
        for id in ["c1", "s1"] {
            wait_for(&format!("{case}: cgroup of {id} gone"), || cgroups(id).is_empty());
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = self.containerd.path("state").display().to_string();
        assert!(!mounts.contains(&root), "{case}: a mount is left");
    }

    /// How many actions `delete` run. One goes on when the containerd that called it is killed, and would
    /// take a later pod of the same id for its own.
    fn deletes(&self) -> usize {
        let directory = self.containerd.path("").display().to_string();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let commands = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
        commands.filter(|line| line.contains(&directory) && line.ends_with("\0delete\0")).count()
    }

    /// Topic and text of each event of a task.
    fn events(&self, id: &str) -> Vec<(String, String)> {
        let log = std::fs::read_to_string(self.containerd.path("events.log")).unwrap();
        let own = log.lines().filter(|line| line.contains(&format!("\"container_id\":\"{id}\"")));
        let topic = |line: &str| Some(line.split(' ').find(|word| word.starts_with("/tasks/"))?.to_owned());
        own.filter_map(|line| Some((topic(line)?, line.to_owned()))).collect()
    }

    /// How often an event of this topic came for a task.
    fn count(&self, id: &str, topic: &str) -> usize {
        self.events(id).iter().filter(|event| event.0 == topic).count()
    }

    /// How often each task ended, and with which codes.
    fn ends(&self, id: &str) -> Vec<u64> {
        let ends = self.events(id).into_iter().filter(|event| event.0 == "/tasks/exit");
        let json = |line: String| serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
        // What is zero is left out.
        ends.map(|(_, line)| json(line))
            .map(|event: Value| event["exit_status"].as_u64().unwrap_or(0))
            .collect()
    }

    /// A pod with something happening at a place, then one without; between its calls containerd may die.
    fn case(&mut self, place: &str, action: &str, restarts: bool) {
        let case = format!("{action} at {place}");
        println!("{case}");
        self.set(&format!("{place} {action}\n"));
        let begun = self.pod();
        if restarts {
            self.restart();
        }
        if let Ok(pids) = &begun {
            drop(self.containerd.ctr(&["task", "kill", "--signal", "SIGKILL", "c1"]).output().unwrap());
            drop(self.containerd.ctr(&["task", "delete", "c1"]).output().unwrap());
            assert!(pids.iter().all(|pid| *pid > 0));
        }
        self.set("");
        self.take_down();
        self.check_nothing_left(&case);
        let pids =
            self.pod().unwrap_or_else(|error| panic!("after {case}: {error}\n{}", self.containerd.logs()));
        assert!(pids.iter().all(|pid| is_alive(*pid)), "after {case}");
        self.take_down();
        self.check_nothing_left(&format!("after {case}"));
        if action == "delay" {
            assert!(begun.is_ok(), "{case}: {begun:?}");
        }
        // Nobody listens while containerd is away.
        if restarts {
            return;
        }
        for id in ["s1", "c1"] {
            wait_for(&format!("{case}: an end for each start"), || {
                let of = |topic: &str| self.count(id, topic);
                let (created, started, ended) = (of("/tasks/create"), of("/tasks/start"), of("/tasks/exit"));
                // Where the server lives, it tells each end, once. It doesn't without its keeper.
                let lives = action != "kill" && (action != "panic" || !place.starts_with("keeper."));
                started <= created && ended >= started && (!lives || ended == created)
            });
        }
    }

    fn all(&mut self, action: &str) {
        let mut places = PLACES;
        // Those last that end the server: containerd tells of tasks, too, that never came to be.
        places.sort_by_key(|place| place.starts_with("keeper."));
        for place in places {
            self.case(place, action, false);
        }
    }

    /// Something happens at a place of the watch over `c1`, which runs or is just made, and is told to stop
    /// if that place comes then.
    fn watched(&self, place: &str, action: &str) {
        let sandbox = self.sandbox().unwrap();
        let line = format!("{place} {action}\n");
        if place == "watch.wait" {
            self.set(&line);
            // It may be killed before it starts.
            drop(self.container(sandbox));
        } else {
            self.container(sandbox).unwrap();
            self.set(&line);
            self.containerd.must(&["task", "kill", "--signal", "SIGTERM", "c1"]);
        }
    }
}

/// Directories of a task's cgroup that are there.
fn cgroups(id: &str) -> Vec<String> {
    let places = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    let paths = places.chain([Path::new("/sys/fs/cgroup").to_path_buf()]);
    let own = paths.map(|place| place.join(cgroup(id)));
    own.filter(|path| path.exists()).map(|path| path.display().to_string()).collect()
}

/// Processes that are in a cgroup of this test.
fn processes_of_pod() -> Vec<String> {
    let mark = cgroup("");
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cgroup"));
    entries
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&mark)))
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn an_error_at_each_step_leaves_nothing() {
    Node::start().all("error");
}

#[test]
fn a_delay_at_each_step_changes_nothing() {
    Node::start().all("delay");
}

#[test]
fn a_panic_at_each_step_leaves_nothing() {
    Node::start().all("panic");
}

#[test]
fn a_process_killed_at_each_step_leaves_nothing() {
    Node::start().all("kill");
}

#[test]
fn a_restart_of_containerd_after_each_step_that_failed_leaves_nothing() {
    let mut node = Node::start();
    for place in PLACES {
        node.case(place, "error", true);
    }
}

#[test]
fn an_end_that_cannot_be_watched_is_told_once_and_its_server_goes_on() {
    // Told to stop it ends with 143, if that is seen.
    for (place, code) in
        [("watch.wait", 137_u64), ("watch.status", 137), ("watch.tell", 143), ("watch.answer", 143)]
    {
        for action in ["error", "panic"] {
            let case = format!("{action} at {place}");
            let node = Node::start();
            node.watched(place, action);
            wait_for(&format!("{case}: an end"), || !node.ends("c1").is_empty());
            node.set("");
            assert_eq!(node.containerd.server_pids().len(), 1, "{case}");
            assert_eq!(node.containerd.task("s1").1, "RUNNING", "{case}");
            node.take_down();
            wait_for(&format!("{case}: told of its removal"), || node.count("c1", "/tasks/delete") > 0);
            assert_eq!(node.ends("c1"), [code], "{case}");
            node.check_nothing_left(&case);
        }
    }
}

#[test]
fn a_server_that_can_neither_watch_nor_kill_ends_and_delete_tells_for_it() {
    let node = Node::start();
    node.sandbox().and_then(|sandbox| node.container(sandbox)).unwrap();
    let server = node.containerd.server_pids()[0];
    node.set("watch.status panic\nwatch.kill panic\n");
    // The server that would answer may have ended by then.
    drop(node.containerd.ctr(&["task", "kill", "--signal", "SIGTERM", "c1"]).output().unwrap());
    wait_for("ended", || !is_alive(server));
    node.set("");
    wait_for("told", || node.containerd.tasks().is_empty());
    node.take_down();
    node.check_nothing_left("after its end");
    for id in ["s1", "c1"] {
        wait_for("an end", || !node.ends(id).is_empty());
        assert_eq!(node.ends(id).len(), 1, "{id}");
    }
}

#[test]
fn a_delete_that_fails_at_each_step_without_a_server_is_done_by_the_next() {
    let mut node = Node::start();
    for place in PLACES_OF_DELETE {
        for action in ["error", "delay", "panic", "kill"] {
            let pids = node.pod().unwrap();
            node.set(&format!("{place} {action}\n"));
            crate::harness::crash(node.containerd.server_pids()[0]);
            wait_for("dead", || pids.iter().all(|pid| !is_alive(*pid)));
            wait_for("told", || node.containerd.tasks().is_empty());
            node.set("");
            // containerd calls `delete` once; what is left then it finds when it begins the next time.
            node.restart();
            node.take_down();
            node.check_nothing_left(&format!("{action} at {place}"));
            node.pod().unwrap_or_else(|error| panic!("after {action} at {place}: {error}"));
            node.take_down();
            node.check_nothing_left(&format!("after {action} at {place}"));
        }
    }
}

#[test]
fn the_program_under_test_has_failpoints() {
    let program = std::fs::read(crate::SHIM).unwrap();
    let mark = b"morph-failpoint ";
    assert!(program.windows(mark.len()).any(|window| window == mark));
}
