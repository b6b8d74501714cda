//! Tasks whose server is gone, taken down for real.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::bundle::Process;
use crate::cgroup::Cgroup;
use crate::spec::Resources;

/// A directory of bundles, as containerd has it.
struct Bundles(tempfile::TempDir);

struct Left {
    record: Record,
    bundle: PathBuf,
    reaper: std::thread::JoinHandle<Option<i32>>,
}

impl Bundles {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A task that was left behind: a record, a cgroup, a process in it.
    fn leave(&self, id: &str, sandbox: &str) -> Left {
        use std::os::unix::process::ExitStatusExt;
        let bundle = self.0.path().join(id);
        std::fs::create_dir(&bundle).unwrap();
        let path = PathBuf::from("morph-test").join(format!("delete-{id}-{}", std::process::id()));
        let cgroup = Cgroup::create(&path, &Resources::default()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        for file in cgroup.procs_files() {
            std::fs::write(file, child.id().to_string()).unwrap();
        }
        let mut record = Record::new(id, Some(sandbox), "unix:///nowhere", cgroup);
        record.process = Some(Process::of(child.id().cast_signed()).unwrap());
        record.write(&bundle).unwrap();
        let reaper = std::thread::spawn(move || child.wait().unwrap().signal());
        Left { record, bundle, reaper }
    }
}

impl Left {
    fn check_gone(self) {
        assert_eq!(self.reaper.join().unwrap(), Some(libc::SIGKILL), "{}", self.record.id);
        for file in self.record.cgroup.procs_files() {
            assert!(!file.exists(), "{}", file.display());
        }
        assert_eq!(Record::read(&self.bundle).unwrap(), None);
    }
}

#[test]
fn what_a_task_left_is_gone_and_once_more_does_nothing() {
    let bundles = Bundles::new();
    let left = bundles.leave("once", "other");
    let pid = left.record.process.unwrap().pid.unsigned_abs();
    for expected in [pid, 0] {
        let answer = DeleteResponse::parse_from_bytes(&delete(&left.bundle, "once").unwrap()).unwrap();
        assert_eq!((answer.exit_status, answer.pid), (137, expected));
        assert!(answer.exited_at.seconds > 0);
    }
    left.check_gone();
}

#[test]
fn a_sandbox_takes_its_pod_along_and_nobody_else() {
    let bundles = Bundles::new();
    let sandbox = bundles.leave("pod", "pod");
    let container = bundles.leave("inside", "pod");
    let stranger = bundles.leave("stranger", "elsewhere");
    std::fs::create_dir(bundles.0.path().join("no-record")).unwrap();
    delete(&sandbox.bundle, "pod").unwrap();
    sandbox.check_gone();
    container.check_gone();
    assert!(stranger.record.process.unwrap().is_there());
    delete(&stranger.bundle, "stranger").unwrap();
    stranger.check_gone();
}

#[test]
fn a_bundle_that_never_had_a_task_is_fine() {
    let bundle = tempfile::tempdir().unwrap();
    delete(bundle.path(), "never").unwrap();
}

#[test]
fn a_pid_that_is_another_ones_by_now_is_left_alone() {
    let bundles = Bundles::new();
    let mut left = bundles.leave("reused", "x");
    let own = Process::of(std::process::id().cast_signed()).unwrap();
    left.record.process = Some(Process { start_ticks: own.start_ticks + 1, ..own });
    left.record.write(&left.bundle).unwrap();
    delete(&left.bundle, "reused").unwrap();
    left.check_gone();
}
