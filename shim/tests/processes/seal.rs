//! The walls round a worker that is sealed and waits for its start.

use super::support::{Process, code, command, own, spec, tiny, waiting, zygote};
use morph_host::EngineKind;
use morph_shim::process::{
    Granted, Namespace, Rlimit, SandboxSpec, Worker, WorkerSpec, Zygote, open_beneath,
};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const P2: EngineKind = EngineKind::P2;

/// `SECCOMP_MODE_FILTER`, as `/proc` has it.
const FILTERED: &str = "2";

async fn worker_with(zygote: &Zygote, change: impl FnOnce(&mut WorkerSpec)) -> Worker {
    let (mut spec, _) = spec(code(tiny(), P2).await, P2, command(&[]));
    change(&mut spec);
    zygote.fork_worker(spec).await.expect("worker")
}

#[tokio::test]
async fn a_worker_is_nobody_and_can_do_nothing() {
    let zygote = zygote().await;
    let worker = waiting(&zygote).await;
    let process = Process(worker.child.pid);
    for (field, expected) in [
        ("Uid", "65532 65532 65532 65532"),
        ("Gid", "65532 65532 65532 65532"),
        ("Groups", ""),
        ("NoNewPrivs", "1"),
        ("Seccomp", FILTERED),
        ("Threads", "1"),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
    ] {
        assert_eq!(process.status(field), expected, "{field}");
    }
    assert_eq!(process.read("comm").trim(), "morph-c0ffee");
}

#[tokio::test]
async fn a_worker_has_the_user_and_groups_of_its_container_but_never_root() {
    let zygote = zygote().await;
    let worker = worker_with(&zygote, |spec| {
        (spec.uid, spec.gid, spec.groups) = (1000, 2000, vec![0, 3000]);
    })
    .await;
    let process = Process(worker.child.pid);
    assert_eq!(process.status("Uid"), "1000 1000 1000 1000");
    assert_eq!(process.status("Gid"), "2000 2000 2000 2000");
    assert_eq!(process.status("Groups"), "3000");
}

#[tokio::test]
async fn a_workers_root_holds_its_code_and_nothing_else() {
    let zygote = zygote().await;
    let worker = waiting(&zygote).await;
    let process = Process(worker.child.pid);
    assert_eq!(process.root(), ["code"]);
    let mounts = process.mounts();
    let points: Vec<&str> = mounts.iter().map(|(point, _)| point.as_str()).collect();
    assert_eq!(points, ["/", "/code"]);
    for (point, options) in &mounts {
        for option in ["ro", "nosuid", "nodev"] {
            assert!(options.split(',').any(|found| found == option), "{point}: no {option} in {options}");
        }
    }
}

#[tokio::test]
async fn a_worker_has_namespaces_of_its_own() {
    let zygote = zygote().await;
    let worker = waiting(&zygote).await;
    let process = Process(worker.child.pid);
    for kind in ["mnt", "pid", "ipc", "uts"] {
        assert_ne!(process.namespace(kind), own().namespace(kind), "{kind}");
    }
    assert!(process.status("NSpid").ends_with(" 1"), "{}", process.status("NSpid"));
}

#[tokio::test]
async fn a_worker_joins_its_sandbox() {
    let zygote = zygote().await;
    let sandbox = SandboxSpec {
        net: Namespace::New,
        ipc: Namespace::New,
        uts: Namespace::New,
        own_pid_namespace: false,
        hostname: Some("pod".into()),
        cgroup_procs: Vec::new(),
        oom_score_adj: None,
    };
    let sandbox = zygote.fork_sandbox(sandbox).await.expect("sandbox");
    let join = |kind: &str| Namespace::Join(PathBuf::from(format!("/proc/{}/ns/{kind}", sandbox.pid)));
    let worker = worker_with(&zygote, |spec| {
        (spec.net, spec.ipc, spec.uts) = (join("net"), join("ipc"), join("uts"));
    })
    .await;
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(Process(worker.child.pid).namespace(kind), Process(sandbox.pid).namespace(kind), "{kind}");
    }
}

#[tokio::test]
async fn a_granted_volume_is_where_the_grant_says_and_as_it_says() {
    let zygote = zygote().await;
    let volume = tempfile::tempdir().expect("directory");
    fs::create_dir_all(volume.path().join("data/deep")).expect("directory");
    fs::write(volume.path().join("data/number"), "7").expect("file");
    let granted = |relative: &str, target: &str, read_only| Granted {
        source: open_beneath(volume.path(), Path::new(relative)).expect("source"),
        target: target.into(),
        read_only,
    };
    let mounts = vec![
        granted("data", "/a/b/data", false),
        granted("data", "/fixed", true),
        granted("data/number", "/number", true),
    ];
    let worker = worker_with(&zygote, |spec| spec.mounts = mounts).await;
    let process = Process(worker.child.pid);
    assert_eq!(process.root(), ["a", "code", "fixed", "number"]);
    let mounts = process.mounts();
    let options = |point: &str| {
        let found = mounts.iter().find(|(found, _)| found == point);
        found.unwrap_or_else(|| panic!("no {point} in {mounts:?}")).1.split(',').collect::<Vec<_>>()
    };
    for (point, access) in [("/a/b/data", "rw"), ("/fixed", "ro"), ("/number", "ro")] {
        for option in [access, "nosuid", "nodev", "noexec"] {
            assert!(options(point).contains(&option), "{point}: no {option} in {:?}", options(point));
        }
    }
    let number = fs::read_to_string(format!("/proc/{}/root/fixed/number", process.0)).expect("number");
    assert_eq!(number, "7");
}

#[tokio::test]
async fn a_mount_point_that_is_none_is_refused_by_name() {
    let zygote = zygote().await;
    let volume = tempfile::tempdir().expect("directory");
    let named = [
        ("relative", "relative"),
        ("/a/../../b", "/a/../../b"),
        ("/", "/"),
        ("", ""),
        ("/code/below", "/code"),
    ];
    for (target, name) in named {
        let (mut spec, _) = spec(code(tiny(), P2).await, P2, command(&[]));
        spec.mounts = vec![Granted {
            source: open_beneath(volume.path(), Path::new(".")).expect("source"),
            target: target.into(),
            read_only: true,
        }];
        let error = zygote.fork_worker(spec).await.expect_err(target);
        assert!(error.to_string().contains(&format!("mounting {name}: ")), "{error}");
    }
}

#[tokio::test]
async fn limits_are_the_containers_and_no_core_is_dumped() {
    let zygote = zygote().await;
    let limit = |name: &str, value| Rlimit { name: name.into(), soft: value, hard: value };
    let rlimits = vec![limit("RLIMIT_NOFILE", 123), limit("RLIMIT_CORE", 1 << 20)];
    let worker = worker_with(&zygote, |spec| spec.rlimits = rlimits).await;
    let limits = Process(worker.child.pid).read("limits");
    let line = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).expect(name);
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("Max open files"), ["123", "123"]);
    assert_eq!(line("Max core file size"), ["0", "0"]);
}

#[tokio::test]
async fn a_limit_that_does_not_exist_is_refused_by_name() {
    let zygote = zygote().await;
    let (mut spec, _) = spec(code(tiny(), P2).await, P2, command(&[]));
    spec.rlimits = vec![Rlimit { name: "RLIMIT_LUCK".into(), soft: 1, hard: 1 }];
    let error = zygote.fork_worker(spec).await.expect_err("refused");
    assert!(error.to_string().contains("setting RLIMIT_LUCK"), "{error}");
}

#[tokio::test]
async fn nobody_but_root_may_look_into_a_worker() {
    let zygote = zygote().await;
    let worker = waiting(&zygote).await;
    // Files of a process that can't be traced belong to root, whatever its own user is.
    let status = fs::metadata(format!("/proc/{}/environ", worker.child.pid)).expect("status");
    assert_eq!((status.uid(), status.gid()), (0, 0));
}

#[tokio::test]
async fn a_worker_holds_no_descriptor_but_its_own() {
    let zygote = zygote().await;
    let worker = waiting(&zygote).await;
    let directory = format!("/proc/{}/fd", worker.child.pid);
    let mut sockets = 0;
    for entry in fs::read_dir(directory).expect("descriptors") {
        let target =
            fs::read_link(entry.expect("entry").path()).expect("link").to_string_lossy().into_owned();
        sockets += usize::from(target.starts_with("socket:"));
        let known = ["socket:", "pipe:", "/dev/null", "/code"].iter().any(|start| target.starts_with(start));
        assert!(known, "{target}");
    }
    assert_eq!(sockets, 1, "its control socket, and not the zygote's");
}

/// A cgroup that a test made in one hierarchy with a pids controller.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make() -> Self {
        let info = own().read("mountinfo");
        let hierarchy = info.lines().find(|line| {
            line.contains(" - cgroup2 ") || line.contains(" - cgroup ") && line.ends_with("pids")
        });
        let point = hierarchy.expect("a hierarchy").split(' ').nth(4).expect("mount point");
        let path = Path::new(point).join(format!("morph-test-{}", std::process::id()));
        fs::create_dir(&path).expect("cgroup");
        Self(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).expect("an empty cgroup");
    }
}

#[tokio::test]
async fn a_worker_is_in_its_cgroup_before_it_does_anything() {
    let cgroup = Cgroup::make();
    let zygote = zygote().await;
    let worker = worker_with(&zygote, |spec| spec.cgroup_procs = vec![cgroup.0.join("cgroup.procs")]).await;
    let members = fs::read_to_string(cgroup.0.join("cgroup.procs")).expect("members");
    assert_eq!(members.trim(), worker.child.pid.to_string());
    worker.child.signal(rustix::process::Signal::KILL).expect("kill");
    worker.child.wait().await.expect("wait");
}

#[tokio::test]
async fn a_cgroup_that_is_not_there_is_named_and_the_next_worker_is_well() {
    let zygote = zygote().await;
    let (mut spec, _) = spec(code(tiny(), P2).await, P2, command(&[]));
    spec.cgroup_procs = vec!["/sys/fs/cgroup/no-such-group/cgroup.procs".into()];
    let error = zygote.fork_worker(spec).await.expect_err("refused");
    assert!(error.to_string().contains("no-such-group"), "{error}");
    waiting(&zygote).await;
}

#[tokio::test]
async fn a_score_for_the_oom_killer_is_set() {
    let zygote = zygote().await;
    let worker = worker_with(&zygote, |spec| spec.oom_score_adj = Some(999)).await;
    assert_eq!(Process(worker.child.pid).read("oom_score_adj").trim(), "999");
}
