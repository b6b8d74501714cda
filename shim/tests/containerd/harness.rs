//! A containerd that ends with its test, and what is asked of it.

use crate::spec::{Spec, remove_cgroups};
use morph_grant::SigningKey;
use morph_testkit::artifact::Artifact;
use morph_testkit::layout;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// containerd's namespace in these tests.
const NAMESPACE: &str = "k8s.io";

/// The cluster that the node's configuration names.
pub(crate) const CLUSTER: &str = "cluster-of-tests";

/// The key whose grants the node takes.
pub(crate) fn signer() -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(1))
}

/// Waits for a condition, a minute at most.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_seconds(60, what, condition);
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn wait_seconds(seconds: u64, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(Instant::now() < end, "not {what} after {seconds} s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) struct Containerd {
    directory: tempfile::TempDir,
    process: Option<Child>,
    /// Variables that it, and so its shims, have.
    variables: Vec<(String, OsString)>,
}

impl Containerd {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with these variables.
    pub(crate) fn start_with(variables: &[(&str, &OsStr)]) -> Self {
        // Short: sockets lie in it.
        let directory = tempfile::Builder::new().prefix("mc").tempdir_in("/tmp").unwrap();
        let root = directory.path();
        let disabled =
            ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"];
        // Version 2 is what all releases read; later ones turn it into their own.
        let text = format!(
            "version = 2\nroot = '{0}/root'\nstate = '{0}/state'\ndisabled_plugins = {disabled:?}\n\
             [grpc]\naddress = '{0}/c.sock'\n[ttrpc]\naddress = '{0}/c.sock.ttrpc'\n\
             [plugins.'io.containerd.nri.v1.nri']\ndisable = true\n",
            root.display()
        );
        std::fs::write(root.join("config.toml"), text).unwrap();
        let text = format!(
            "cluster = '{CLUSTER}'\ncache_dir = '{0}/cache'\nrun_dir = '{0}/run'\n\
             kubelet_dir = '{0}/kubelet'\ntrusted_keys_dir = '{0}/keys'\n",
            root.display()
        );
        std::fs::write(root.join("node.toml"), text).unwrap();
        std::fs::create_dir(root.join("keys")).unwrap();
        std::fs::write(root.join("keys/1.pem"), signer().public().to_pem().unwrap()).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut containerd = Self { directory, process: None, variables };
        containerd.begin();
        containerd
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the daemon (again) and waits until it answers.
    pub(crate) fn begin(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("containerd.log")).unwrap();
        let process = Command::new(program("containerd"))
            .arg("--config")
            .arg(self.path("config.toml"))
            .env("MORPH_NODE_CONFIG", self.path("node.toml"))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        wait_for("containerd answering", || self.ctr(&["version"]).output().unwrap().status.success());
    }

    /// Kills the daemon as a crash would.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn ctr(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("ctr"));
        command.arg("--address").arg(self.path("c.sock")).args(["--namespace", NAMESPACE]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `ctr` and wants it to succeed; answers what it printed.
    #[track_caller]
    pub(crate) fn must(&self, arguments: &[&str]) -> String {
        let output = self.ctr(arguments).output().unwrap();
        assert!(output.status.success(), "ctr {arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `ctr run` with a spec.
    pub(crate) fn run(&self, id: &str, spec: &Spec, flags: &[&str]) -> Command {
        let config = self.path(&format!("{id}.json"));
        std::fs::write(&config, spec.json().to_string()).unwrap();
        let mut command = self.ctr(&["run", "--runtime", crate::SHIM]);
        command.args(flags).arg("--config").arg(config).arg(id);
        command
    }

    /// Starts a task in the background; its output goes to the file that this answers.
    #[track_caller]
    pub(crate) fn start_task(&self, id: &str, spec: &Spec) -> PathBuf {
        let log = self.path(&format!("{id}.log"));
        let uri = format!("file://{}", log.display());
        let output = self.run(id, spec, &["--detach", "--log-uri", &uri]).output().unwrap();
        assert!(output.status.success(), "{}\n{}", told(&output), self.logs());
        log
    }

    /// Pid and status of each task.
    pub(crate) fn tasks(&self) -> Vec<(String, i32, String)> {
        let text = self.must(&["task", "list"]);
        let words = |line: &str| -> Vec<String> { line.split_whitespace().map(Into::into).collect() };
        let lines = text.lines().skip(1).map(words).filter(|words| words.len() == 3);
        lines.map(|words| (words[0].clone(), words[1].parse().unwrap(), words[2].clone())).collect()
    }

    #[track_caller]
    pub(crate) fn task(&self, id: &str) -> (i32, String) {
        let found = self.tasks().into_iter().find(|(task, ..)| task == id);
        let (_, pid, status) = found.unwrap_or_else(|| panic!("no task {id}\n{}", self.logs()));
        (pid, status)
    }

    pub(crate) fn wait_status(&self, id: &str, status: &str) {
        wait_for(&format!("{id} {status}"), || {
            self.tasks().iter().any(|(task, _, s)| task == id && s == status)
        });
    }

    /// Kills and removes a task and its container.
    pub(crate) fn remove(&self, id: &str) {
        drop(self.ctr(&["task", "kill", "--signal", "SIGKILL", id]).output());
        if self.tasks().iter().any(|(task, ..)| task == id) {
            self.wait_status(id, "STOPPED");
            self.must(&["task", "delete", id]);
        }
        self.must(&["container", "delete", id]);
    }

    /// Puts an image into the store; answers its name with digest.
    pub(crate) fn image(&self, name: &str, config_type: &str, layer_type: &str, layer: &[u8]) -> String {
        let artifact = Artifact::with_config(layer, &json!({})).changed(|manifest| {
            manifest["config"]["mediaType"] = json!(config_type);
            manifest["layers"][0]["mediaType"] = json!(layer_type);
        });
        let tar = self.path("image.tar");
        layout::archive(&tar, name, &artifact).unwrap();
        self.must(&["image", "import", "--all-platforms", "--no-unpack", tar.to_str().unwrap()]);
        let repository = name.rsplit_once(':').unwrap().0;
        format!("{repository}@{}", artifact.digest())
    }

    /// Puts a guest of `hack/guests` into the store.
    pub(crate) fn guest(&self, guest: &str) -> String {
        self.image(
            &format!("registry.test/{guest}:1"),
            "application/vnd.wasm.config.v0+json",
            "application/wasm",
            &guest_bytes(guest),
        )
    }

    /// Files of servers in the run directory with this suffix.
    pub(crate) fn servers(&self, suffix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("run")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == suffix))
            .collect()
    }

    /// Pids of this containerd's servers.
    pub(crate) fn server_pids(&self) -> Vec<i32> {
        let mark = self.path("run").display().to_string();
        processes()
            .into_iter()
            .filter(|(_, line)| line.contains("serve") && line.contains(&mark))
            .map(|p| p.0)
            .collect()
    }

    /// Pids of the zygotes of this containerd's servers.
    pub(crate) fn zygote_pids(&self) -> Vec<i32> {
        let servers = self.server_pids();
        let is_ours = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(1)?.parse().ok());
            stat.contains("(morph-zygote)") && parent.is_some_and(|parent| servers.contains(&parent))
        };
        processes().into_iter().map(|process| process.0).filter(is_ours).collect()
    }

    /// What servers and containerd said.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for log in self.servers("log") {
            text += &std::fs::read_to_string(log).unwrap_or_default();
        }
        let own = std::fs::read_to_string(self.path("containerd.log")).unwrap_or_default();
        let tail: Vec<&str> = own.lines().rev().take(15).collect();
        text + &tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(writeln!(std::io::stderr(), "{}", self.logs()));
        }
        for pid in self.server_pids() {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
        remove_cgroups();
    }
}

/// Pid and command line of every process.
fn processes() -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let line = |pid: i32| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?));
    pids.filter_map(line).collect()
}

/// Kills a process as a crash would.
pub(crate) fn crash(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// How often something is done: as a variable says, for those who let it run for hours.
pub(crate) fn times(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

pub(crate) fn told(output: &Output) -> String {
    format!(
        "{}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A guest built by `hack/guests`, which puts them beside the profiles' directories.
pub(crate) fn guest_bytes(guest: &str) -> Vec<u8> {
    let shim = Path::new(crate::SHIM);
    let target = shim.parent().and_then(Path::parent).unwrap();
    let path = target.join("guests").join(format!("{guest}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run hack/guests", path.display()))
}

/// A program of containerd's.
fn program(name: &str) -> PathBuf {
    morph_testkit::tools::tool("containerd", name).unwrap()
}
