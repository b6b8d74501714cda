//! Layouts as machines have them, and real cgroups of this machine.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const V1: &str = "\
30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 /x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
35 30 0:30 /x /mnt/memory rw - cgroup cgroup rw,memory
";

const V2: &str = "\
24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
";

#[test]
fn separate_hierarchies_are_version_1_even_beside_an_empty_unified_one() {
    let layout = Layout::parse(V1);
    assert_eq!(layout.version, Version::V1);
    let roots: Vec<_> =
        layout.hierarchies.iter().map(|h| (h.controllers.join(","), h.root.clone())).collect();
    assert_eq!(
        roots,
        [
            ("cpu,cpuacct".to_owned(), PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")),
            ("memory".to_owned(), PathBuf::from("/sys/fs/cgroup/memory")),
        ]
    );
}

#[test]
fn one_hierarchy_is_version_2() {
    let layout = Layout::parse(V2);
    assert_eq!(layout.version, Version::V2);
    assert_eq!(layout.hierarchies[0].root, Path::new("/sys/fs/cgroup"));
}

/// A cgroup that ends with the test.
struct Own(Cgroup);

impl Own {
    fn new(name: &str, resources: &str) -> Self {
        let path = PathBuf::from("morph-test").join(format!("{name}-{}", std::process::id()));
        Self(Cgroup::create(&path, &serde_json::from_str(resources).unwrap()).unwrap())
    }

    fn add(&self, child: &std::process::Child) {
        for file in self.0.procs_files() {
            write(&file, &child.id().to_string()).unwrap();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.remove().unwrap();
    }
}

fn sleeper() -> std::process::Child {
    std::process::Command::new("sleep").arg("1000").spawn().unwrap()
}

#[test]
fn a_cgroup_is_made_limited_and_removed() {
    let own = Own::new("made", r#"{"memory": {"limit": 67108864}, "pids": {"limit": 9}}"#);
    let file = match own.0.version() {
        Version::V1 => own.0.file("memory", "memory.limit_in_bytes"),
        Version::V2 => own.0.file("memory", "memory.max"),
    };
    assert_eq!(std::fs::read_to_string(file.unwrap()).unwrap().trim(), "67108864");
    let pids = own.0.file("pids", "pids.max").unwrap();
    assert_eq!(std::fs::read_to_string(&pids).unwrap().trim(), "9");
    own.0.remove().unwrap();
    assert!(!pids.exists());
    own.0.remove().unwrap();
}

#[test]
fn killing_ends_frozen_processes_too_and_twice_is_fine() {
    let own = Own::new("killed", "{}");
    let mut child = sleeper();
    own.add(&child);
    assert_eq!(own.0.processes().unwrap(), [child.id().cast_signed()]);
    own.0.freeze(true).unwrap();
    let reaper = std::thread::spawn(move || child.wait().unwrap());
    own.0.kill().unwrap();
    assert!(!reaper.join().unwrap().success());
    own.0.kill().unwrap();
}

#[test]
fn a_frozen_process_goes_on_when_thawed() {
    let own = Own::new("thawed", "{}");
    let mut child = sleeper();
    own.add(&child);
    own.0.freeze(true).unwrap();
    own.0.freeze(false).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    own.0.kill().unwrap();
}

#[test]
fn nothing_was_killed_for_memory_in_a_new_cgroup() {
    assert!(!Starved::watch(&Own::new("oom", "{}").0).is_seen());
}

#[test]
fn a_limit_without_its_controller_is_an_error_that_names_it() {
    let root = tempfile::tempdir().unwrap();
    let hierarchies = vec![layout::Hierarchy { controllers: vec!["cpu".into()], root: root.path().into() }];
    let layout = Layout { version: Version::V1, hierarchies };
    let limits: Resources = serde_json::from_str(r#"{"pids": {"limit": 9}}"#).unwrap();
    let error = Cgroup::create_in(&layout, Path::new("x"), &limits).unwrap_err().to_string();
    assert!(error.contains("pids"), "{error}");
    assert!(!root.path().join("x").exists(), "what was made is left behind");
}

/// What a file of a cgroup says, by its name in version 1 and 2.
fn read(cgroup: &Cgroup, controller: &str, files: [&str; 2]) -> String {
    let file = if cgroup.version() == Version::V1 { files[0] } else { files[1] };
    std::fs::read_to_string(cgroup.file(controller, file).unwrap()).unwrap().trim().to_owned()
}

fn resources(json: &str) -> Resources {
    serde_json::from_str(json).unwrap()
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let own = Own::new(
        "updated",
        r#"{"memory": {"limit": 67108864}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}}"#,
    );
    let mut child = sleeper();
    own.add(&child);
    own.0.update(&resources(r#"{"memory": {"limit": 33554432}, "cpu": {"quota": 20000}}"#)).unwrap();
    assert_eq!(read(&own.0, "memory", ["memory.limit_in_bytes", "memory.max"]), "33554432");
    let quota = read(&own.0, "cpu", ["cpu.cfs_quota_us", "cpu.max"]);
    assert!(["20000", "20000 100000"].contains(&&*quota), "{quota}");
    assert!(["512", "20"].contains(&&*read(&own.0, "cpu", ["cpu.shares", "cpu.weight"])));
    own.0.update(&resources(r#"{"cpu": {"quota": -1}}"#)).unwrap();
    let quota = read(&own.0, "cpu", ["cpu.cfs_quota_us", "cpu.max"]);
    assert!(["-1", "max 100000"].contains(&&*quota), "{quota}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_period_that_only_fits_with_its_quota_is_set_with_it() {
    let pod = Own::new("pod", r#"{"cpu": {"quota": 50000, "period": 100000}}"#);
    let name = PathBuf::from("morph-test").join(format!("pod-{}", std::process::id())).join("container");
    let own =
        Own(Cgroup::create(&name, &resources(r#"{"cpu": {"quota": 40000, "period": 100000}}"#)).unwrap());
    own.0.update(&resources(r#"{"cpu": {"quota": 20000, "period": 50000}}"#)).unwrap();
    let period = read(&own.0, "cpu", ["cpu.cfs_period_us", "cpu.max"]);
    assert!(["50000", "20000 50000"].contains(&&*period), "{period}");
    let error = own.0.update(&resources(r#"{"cpu": {"quota": 90000, "period": 100000}}"#));
    // Version 2 lets a child have a larger number than its parent, of which it gets no more.
    assert_eq!(error.is_err(), own.0.version() == Version::V1, "more than the pod has");
    drop(own);
    drop(pod);
}

#[test]
fn a_memory_limit_below_what_is_in_use_is_refused_with_both_figures_and_kills_nobody() {
    use std::io::Write as _;
    let own = Own::new("used", r#"{"memory": {"limit": 134217728}, "cpu": {"shares": 512}}"#);
    let mut command = std::process::Command::new("tail");
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    own.add(&child);
    // Without an end of line it has to keep all of it.
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 48 << 20]).unwrap();
    let error = own.0.update(&resources(r#"{"memory": {"limit": 16777216}, "cpu": {"shares": 256}}"#));
    let error = error.unwrap_err();
    let CgroupError::InUse { limit_bytes: 16_777_216, used_bytes } = error else { panic!("{error}") };
    assert!((40 << 20..128 << 20).contains(&used_bytes), "{used_bytes}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(read(&own.0, "memory", ["memory.limit_in_bytes", "memory.max"]), "134217728");
    assert!(["512", "20"].contains(&&*read(&own.0, "cpu", ["cpu.shares", "cpu.weight"])), "nor this");
    assert!(child.try_wait().unwrap().is_none(), "nobody was killed");
    own.0.update(&resources(r#"{"memory": {"limit": 100663296}}"#)).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}
