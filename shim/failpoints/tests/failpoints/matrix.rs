//! The matrix: places, and what happens there.

use crate::harness::{Containerd, is_alive, told, wait_for};
use crate::spec::{Spec, cgroup, document};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Child;

/// Every place there is, in the order of a pod's life.
const PLACES: [&str; 21] = [
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
    "start.run",
    "worker.run",
    "kill.signal",
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
        let grant = document(&self.image, "command", &["sleep", "3600000"]);
        let start = |id: &str, spec: &Spec| {
            let log = format!("file://{}", self.containerd.path(&format!("{id}.log")).display());
            let output = self.containerd.run(id, spec, &["--detach", "--log-uri", &log]).output().unwrap();
            let found = self.containerd.tasks().into_iter().find(|task| task.0 == id);
            match found {
                Some((_, pid, _)) if output.status.success() => Ok(pid),
                _ => Err(told(&output)),
            }
        };
        let sandbox = start("s1", &Spec::sandbox("s1", "demo").granted(&grant))?;
        let spec = Spec::container("c1", "s1", "demo", "morph", &self.image).joined(sandbox);
        Ok(vec![sandbox, start("c1", &spec.granted(&grant))?])
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

    /// How often each event came for a task.
    fn events(&self, id: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for line in std::fs::read_to_string(self.containerd.path("events.log")).unwrap().lines() {
            let topic = line.split(' ').find(|word| word.starts_with("/tasks/"));
            if let Some(topic) = topic.filter(|_| line.contains(&format!("\"container_id\":\"{id}\""))) {
                *found.entry(topic.to_owned()).or_default() += 1;
            }
        }
        found
    }

    /// A pod with something happening at a place, then one without.
    fn case(&self, place: &str, action: &str) {
        let case = format!("{action} at {place}");
        self.set(&format!("{place} {action}\n"));
        let begun = self.pod();
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
        for id in ["s1", "c1"] {
            wait_for(&format!("{case}: an end for each start"), || {
                let events = self.events(id);
                let of = |topic: &str| events.get(topic).copied().unwrap_or_default();
                let (created, started, ended) = (of("/tasks/create"), of("/tasks/start"), of("/tasks/exit"));
                // Where the server lives, it tells each end, once.
                let is_told = matches!(action, "error" | "delay");
                started <= created && ended >= started && (!is_told || ended == created)
            });
        }
    }

    fn all(&self, action: &str) {
        for place in PLACES {
            self.case(place, action);
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
fn a_process_killed_at_each_step_leaves_nothing() {
    Node::start().all("kill");
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
            node.containerd.kill();
            node.containerd.begin();
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
