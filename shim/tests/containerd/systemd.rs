//! Tasks where systemd owns the cgroups: run by `hack/vm-tests -s`, in a VM whose first process is systemd.

use crate::harness::{Containerd, wait_for};
use crate::spec::{Spec, document};
use std::path::{Path, PathBuf};
use std::process::Command;

const SLICE: &str = "/sys/fs/cgroup/morphtest.slice";

fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().unwrap();
    assert!(output.status.success(), "systemctl {arguments:?}: {}", crate::harness::told(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A property of a unit.
fn shown(unit: &str, property: &str) -> String {
    systemctl(&["show", "--value", "-p", property, unit])
}

/// The name of a scope that no other test has.
fn scope(id: &str) -> String {
    format!("t{}-{id}.scope", std::process::id())
}

fn directory(id: &str) -> PathBuf {
    Path::new(SLICE).join(scope(id))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| error.to_string()).trim().to_owned()
}

/// A pod in a slice whose container loops.
fn looping(containerd: &Containerd) -> i32 {
    let place = |id: &str| format!("morphtest.slice:t{}:{id}", std::process::id());
    let image = containerd.guest("command");
    let grant = document(&image, "command", &["loop"]);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant).placed(&place("s1")));
    let sandbox = containerd.task("s1").0;
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    let log = containerd.start_task("c1", &spec.memory(64 << 20).placed(&place("c1")));
    wait_for("looping", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("looping")));
    containerd.task("c1").0
}

#[test]
fn a_task_is_a_scope_and_systemd_keeps_its_limits() {
    let containerd = Containerd::start();
    let pid = looping(&containerd);
    assert_eq!(shown(&scope("c1"), "ActiveState"), "active");
    assert_eq!(shown(&scope("c1"), "Slice"), "morphtest.slice");
    assert_eq!(shown(&scope("c1"), "Delegate"), "yes");
    assert_eq!(shown(&scope("c1"), "CollectMode"), "inactive-or-failed");
    assert_eq!(shown(&scope("c1"), "MemoryMax"), "67108864");
    assert_eq!(read(&directory("c1").join("cgroup.procs")), pid.to_string());
    let limit = directory("c1").join("memory.max");
    assert_eq!(read(&limit), "67108864");
    systemctl(&["daemon-reload"]);
    assert_eq!(read(&limit), "67108864", "after a reload");
    // A neighbour that comes and goes makes systemd look at the controllers of the whole slice.
    let neighbour = format!("neighbour-{}", std::process::id());
    let unit = format!("--unit={neighbour}");
    let mut command = Command::new("systemd-run");
    command.args(["--scope", "--slice=morphtest.slice", &unit, "true"]);
    assert!(command.output().unwrap().status.success());
    wait_for("neighbour gone", || !Path::new(SLICE).join(format!("{neighbour}.scope")).exists());
    systemctl(&["daemon-reload"]);
    assert_eq!(read(&limit), "67108864", "after a neighbour");
    assert_eq!(read(&directory("c1").join("cgroup.procs")), pid.to_string());
}

#[test]
fn an_ended_task_leaves_no_scope_and_its_id_can_be_used_again() {
    let containerd = Containerd::start();
    for _ in 0..2 {
        looping(&containerd);
        containerd.remove("c1");
        containerd.remove("s1");
        for id in ["c1", "s1"] {
            wait_for("scope gone", || shown(&scope(id), "LoadState") == "not-found");
            assert!(!directory(id).exists());
        }
    }
}
