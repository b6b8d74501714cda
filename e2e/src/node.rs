//! The node from outside: its daemons, which tests stop and start, and what pods leave behind on it.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The address of the local cluster's node.
pub const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 245, 0, 1);

/// A process of the local cluster, as `hack/cluster/process names` lists them.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub &'static str);

impl Process {
    /// `start`, `stop`, `kill` or `pid`.
    ///
    /// # Errors
    /// When the script ends badly.
    pub fn ask(self, what: &str) -> Result<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/cluster/process");
        let output = Command::new(&script).args([what, self.0]).output().context("hack/cluster/process")?;
        if !output.status.success() {
            bail!("hack/cluster/process {what} {}: {}", self.0, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The node that this machine is.
pub struct Node;

impl Node {
    /// Everything on the node that belongs to the pod of this uid: processes in its cgroups, cgroups, mounts,
    /// directories of the kubelet. One line each; empty when nothing is left.
    ///
    /// # Errors
    /// When the node can't be looked at.
    pub fn traces_of_pod(uid: &str) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let escaped = uid.replace('-', "_");
        let names = |text: &str| text.contains(uid) || text.contains(&escaped);
        for directory in directories(Path::new("/sys/fs/cgroup"), 6)? {
            if names(&directory.to_string_lossy()) {
                found.insert(format!("cgroup {}", directory.display()));
                let processes = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
                found.extend(processes.lines().map(|pid| format!("process {pid}")));
            }
        }
        for line in std::fs::read_to_string("/proc/self/mountinfo")?.lines().filter(|line| names(line)) {
            found.insert(format!("mount {}", line.split(' ').nth(4).unwrap_or(line)));
        }
        let pods = Self::state()?.join("kubelet/pods").join(uid);
        if pods.exists() {
            found.insert(format!("directory {}", pods.display()));
        }
        Ok(found)
    }

    /// Where the local cluster keeps its state.
    ///
    /// # Errors
    /// When `MORPH_STATE` isn't set.
    pub fn state() -> Result<PathBuf> {
        let state =
            std::env::var_os("MORPH_STATE").context("MORPH_STATE is not set; eval \"$(hack/env)\"")?;
        Ok(PathBuf::from(state))
    }

    /// The end of what the container of this name wrote in the pod of this uid: the file that is written to
    /// and the one before it, which `kubectl logs` doesn't read. Begins anywhere in a line where there is
    /// more before it, which the kubelet has compressed or thrown away.
    ///
    /// # Errors
    /// When there is no such log, or a line isn't one of the container runtime interface's.
    pub fn end_of_log(uid: &str, container: &str) -> Result<String> {
        let mut files = Vec::new();
        for pod in std::fs::read_dir(Self::state()?.join("pod-logs"))? {
            let pod = pod?.path();
            if pod.to_string_lossy().ends_with(&format!("_{uid}")) {
                for file in std::fs::read_dir(pod.join(container))? {
                    files.push(file?.path());
                }
            }
        }
        // `0.log` is being written; `0.log.20261201-072351` was until then; others end in a word.
        files.retain(|file| file.extension().is_some_and(|end| end == "log" || is_a_time(end)));
        files.sort();
        if files.is_empty() {
            bail!("no log of {container} in pod {uid}");
        }
        files.rotate_left(1);
        let mut text = String::new();
        for file in &files {
            for line in std::fs::read_to_string(file)?.lines() {
                let words: Vec<_> = line.splitn(4, ' ').collect();
                let [_time, _stream, tag, written] = words[..] else {
                    bail!("{}: no line of a log: {line}", file.display())
                };
                text.push_str(written);
                text.push_str(if tag == "P" { "" } else { "\n" });
            }
        }
        Ok(text)
    }

    /// What a file of a container's cgroup says, by its names in version 1 and 2.
    ///
    /// # Errors
    /// When there is no such file, or more than one container has this in its name.
    pub fn cgroup_file(container: &str, names: [&str; 2]) -> Result<String> {
        let mut found = Vec::new();
        for directory in directories(Path::new("/sys/fs/cgroup"), 6)? {
            if directory.to_string_lossy().contains(container) {
                let files = names.iter().map(|name| directory.join(name));
                found.extend(files.filter_map(|file| std::fs::read_to_string(file).ok()));
            }
        }
        match found.as_slice() {
            [one] => Ok(one.trim().to_owned()),
            other => bail!("{names:?} of container {container}: {} files", other.len()),
        }
    }

    /// Pids of all processes whose cgroup is that of this container, and which are not the sandbox's.
    ///
    /// # Errors
    /// When the node can't be looked at.
    pub fn pids_of_container(id: &str) -> Result<BTreeSet<u32>> {
        let mut pids = BTreeSet::new();
        for directory in directories(Path::new("/sys/fs/cgroup"), 6)? {
            if directory.to_string_lossy().contains(id) {
                let text = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
                pids.extend(text.lines().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Ok(pids)
    }

    /// Pids of this machine's processes whose name is `name` (as `/proc/<pid>/comm` has it) or whose program
    /// is.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn processes_named(name: &str) -> Result<BTreeSet<u32>> {
        let mut pids = BTreeSet::new();
        for entry in std::fs::read_dir("/proc")? {
            let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let program_is = program.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name));
            if program_is || comm.trim() == name {
                pids.insert(pid);
            }
        }
        Ok(pids)
    }

    /// Sends SIGKILL to a process of the test's own cluster.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(pid: u32) -> Result<()> {
        let status = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status()?;
        if status.success() { Ok(()) } else { bail!("kill {pid}: {status}") }
    }
}

/// Whether a file's ending is the time at which the kubelet put it aside: `20261201-072351`.
fn is_a_time(end: &OsStr) -> bool {
    end.as_encoded_bytes().iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
}

/// Directories below `root`, to this depth. Those that vanish meanwhile are left out.
fn directories(root: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut next = vec![(root.to_path_buf(), depth)];
    while let Some((directory, depth)) = next.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth > 0 {
                next.push((entry.path(), depth - 1));
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}
