//! A node of the benchmark's own: a containerd with CRI and three runtimes under a temporary root, and what
//! is done with pods there. All of it is gone at the end, also after an error.

mod cni;
mod config;
mod remains;

use crate::cri::{ContainerLook, Cri, PodSandboxConfig, container_state};
use crate::pod::{Image, Place, Pod, Runtime};
use crate::process;
use crate::programs::{Programs, succeed};
use anyhow::{Context, Result, anyhow, bail};
use morph_grant::SigningKey;
use morph_testkit::artifact::{Artifact, digest};
use morph_testkit::layout;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long anything that is waited for may take, in seconds: pods of a storm come one after the other.
pub const WAIT_SECONDS_MAX: u64 = 60;

/// containerd's namespace of CRI's pods.
const NAMESPACE: &str = "k8s.io";

/// The node.
#[derive(Debug)]
pub struct Node {
    directory: tempfile::TempDir,
    daemon: Option<Child>,
    /// Its CRI.
    pub cri: Cri,
    signer: SigningKey,
    shims: BTreeMap<Runtime, Result<PathBuf, String>>,
    names: config::Names,
    /// Pods that are up, to be removed at the end.
    pods: Mutex<BTreeSet<String>>,
}

/// A pod that is up.
#[derive(Debug)]
pub struct Up {
    /// Its name.
    pub name: String,
    /// Its id.
    pub pod: String,
    /// Its container's id.
    pub container: String,
    /// How long RunPodSandbox, CreateContainer and StartContainer took.
    pub took: [Duration; 3],
}

impl Up {
    /// The three calls together, in milliseconds, and each.
    #[must_use]
    pub fn millis(&self) -> Vec<f64> {
        let millis = self.took.map(|took| took.as_secs_f64() * 1e3);
        vec![millis.iter().sum(), millis[0], millis[1], millis[2]]
    }
}

impl Node {
    /// Starts one. Peers that can't be had are noted; Morph's shim must be there.
    ///
    /// # Errors
    /// A containerd that isn't there or doesn't come up.
    pub async fn start(programs: &Programs) -> Result<Self> {
        anyhow::ensure!(rustix::process::geteuid().is_root(), "a containerd of its own needs root");
        // Short: sockets lie in it.
        let directory = tempfile::Builder::new().prefix("mb").tempdir()?;
        let signer = SigningKey::generate(&mut rand::rng());
        let names = config::Names::new();
        let cri = Cri::new(&directory.path().join("c.sock"))?;
        let shims = shims(directory.path(), programs)?;
        config::write(directory.path(), &names, &shims, &signer)?;
        let pods = Mutex::default();
        let mut node = Self { directory, daemon: None, cri, signer, shims, names, pods };
        node.begin().await?;
        node.native_image("bench.example/pause:1", &Programs::tool("pause", "pause")?, &["/pause"])?;
        Ok(node)
    }

    async fn begin(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.path("containerd.log"))?;
        let daemon = Command::new(Programs::tool("containerd", "containerd")?)
            .arg("--config")
            .arg(self.path("config.toml"))
            .env("MORPH_NODE_CONFIG", self.path("node.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("containerd")?;
        self.daemon = Some(daemon);
        self.until("containerd serving CRI", async || Ok(self.cri.version().await.is_ok())).await
    }

    /// A path of the node.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Program of a runtime's shim.
    ///
    /// # Errors
    /// Why there is none.
    pub fn shim(&self, runtime: Runtime) -> Result<&Path> {
        match self.shims.get(&runtime) {
            Some(Ok(path)) => Ok(path),
            Some(Err(why)) => Err(anyhow!("{why}")),
            None => bail!("no shim of {}", runtime.handler()),
        }
    }

    /// The cgroup of something by this name.
    #[must_use]
    pub fn cgroup(&self, name: &str) -> String {
        format!("{}/{name}", self.names.cgroup)
    }

    /// Where a pod's things lie.
    fn place(&self) -> (String, String) {
        (self.path("logs").display().to_string(), self.names.cgroup.clone())
    }

    /// Puts a component into the store.
    ///
    /// # Errors
    /// What containerd says.
    pub fn component(&self, name: &str, bytes: &[u8]) -> Result<Image> {
        let artifact = Artifact::of(bytes);
        let name = format!("bench.example/{name}:1");
        self.import(&name, &artifact, &["--no-unpack"])?;
        Ok(Image { name, manifest: artifact.digest(), content: digest(bytes) })
    }

    /// Puts an image of one program into the store.
    ///
    /// # Errors
    /// What containerd says.
    pub fn native_image(&self, name: &str, program: &Path, entrypoint: &[&str]) -> Result<()> {
        let root = tempfile::tempdir_in(self.directory.path())?;
        let file = program.file_name().context("a program has a name")?;
        fs::copy(program, root.path().join(file)).with_context(|| program.display().to_string())?;
        self.import(name, &layout::native(root.path(), entrypoint)?, &[])
    }

    /// Puts what runc runs into the store; answers its name.
    ///
    /// # Errors
    /// A build that fails, or what containerd says.
    pub fn static_server(&self) -> Result<&'static str> {
        let name = "bench.example/static-server:1";
        let built = tempfile::tempdir_in(self.directory.path())?;
        Programs::static_server(built.path())?;
        self.native_image(name, &built.path().join("static-server"), &["/static-server"])?;
        Ok(name)
    }

    fn import(&self, name: &str, artifact: &Artifact, flags: &[&str]) -> Result<()> {
        let archive = tempfile::NamedTempFile::new_in(self.directory.path())?;
        layout::archive(archive.path(), name, artifact)?;
        let mut ctr = Command::new(Programs::tool("containerd", "ctr")?);
        ctr.arg("--address").arg(self.path("c.sock")).args(["--namespace", NAMESPACE, "image", "import"]);
        succeed(ctr.args(flags).arg("--all-platforms").arg(archive.path()), "importing an image")
    }

    /// Makes a pod with its container, and wants it to run.
    ///
    /// # Errors
    /// A runtime that isn't there, what containerd says, or a container that has ended.
    pub async fn up(&self, pod: &Pod<'_>) -> Result<Up> {
        let config = self.sandbox_config(pod)?;
        let begun = Instant::now();
        let id = self.empty(&config, pod.runtime).await?;
        let up = self.fill(pod, &config, id, begun.elapsed()).await?;
        if pod.work != crate::pod::Work::End {
            self.must_run(pod, &up.container).await?;
        }
        Ok(up)
    }

    /// The sandbox of a pod; its directory of logs is made.
    ///
    /// # Errors
    /// A runtime that isn't there.
    pub fn sandbox_config(&self, pod: &Pod<'_>) -> Result<PodSandboxConfig> {
        self.shim(pod.runtime)?;
        let (logs, cgroup) = self.place();
        let config = pod.sandbox(&Place { logs: &logs, cgroup: &cgroup, signer: &self.signer })?;
        fs::create_dir_all(&config.log_directory)?;
        Ok(config)
    }

    /// Makes a pod without a container; answers its id.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn empty(&self, config: &PodSandboxConfig, runtime: Runtime) -> Result<String> {
        let id = self.cri.run_pod(config, runtime.handler()).await?;
        self.note(|pods| pods.insert(id.clone()));
        Ok(id)
    }

    /// Makes and starts the container of a pod that is there.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn fill(
        &self,
        pod: &Pod<'_>,
        config: &PodSandboxConfig,
        id: String,
        took: Duration,
    ) -> Result<Up> {
        let begun = Instant::now();
        let container = self.cri.create(&id, &pod.container(), config).await?;
        let created = Instant::now();
        self.cri.start(&container).await?;
        let took = [took, created - begun, created.elapsed()];
        Ok(Up { name: pod.name.clone(), pod: id, container, took })
    }

    async fn must_run(&self, pod: &Pod<'_>, container: &str) -> Result<()> {
        let look = self.cri.look(container).await?;
        if look.state == container_state::RUNNING {
            return Ok(());
        }
        let log = fs::read_to_string(self.path("logs").join(&pod.name).join("0.log")).unwrap_or_default();
        bail!("container ended with {}: {log}{}", look.exit_code, self.logs())
    }

    /// Waits until a container has ended.
    ///
    /// # Errors
    /// One that goes on.
    pub async fn ended(&self, container: &str) -> Result<()> {
        let ended = async || Ok(self.cri.look(container).await?.state == container_state::EXITED);
        self.until("the container's end", ended).await
    }

    /// The process of a container.
    ///
    /// # Errors
    /// One that has ended.
    pub async fn pid(&self, container: &str) -> Result<i32> {
        let ContainerLook { pid, .. } = self.cri.look(container).await?;
        pid.with_context(|| format!("container {container} has no process"))
    }

    /// Kills a pod's container and removes the pod, with the cgroup that a kubelet would have made for it.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn down(&self, up: &Up) -> Result<()> {
        self.cri.stop(&up.container, 0).await?;
        self.cri.remove_pod(&up.pod).await?;
        remains::remove_cgroup(&self.cgroup(&up.name));
        self.note(|pods| pods.remove(&up.pod));
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        // A panic while it is held has ended everything anyway.
        if let Ok(mut pods) = self.pods.lock() {
            change(&mut pods);
        }
    }

    /// Processes of a runtime's pods: shims, servers, sandboxes, guests.
    ///
    /// # Errors
    /// A runtime that isn't there.
    pub fn processes(&self, runtime: Runtime) -> Result<BTreeSet<i32>> {
        process::family(self.shim(runtime)?)
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// One that doesn't come about.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(WAIT_SECONDS_MAX);
        while !holds().await? {
            if Instant::now() > end {
                bail!("not {what} after {WAIT_SECONDS_MAX} s: {}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The last lines of what Morph's servers and containerd wrote.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut lines = self.server_logs();
        lines += &fs::read_to_string(self.path("containerd.log")).unwrap_or_default();
        let tail: Vec<&str> = lines.lines().rev().take(8).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// What Morph's servers wrote.
    #[must_use]
    pub fn server_logs(&self) -> String {
        let entries = fs::read_dir(self.path("run")).into_iter().flatten().flatten();
        let logs =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "log"));
        logs.map(|log| fs::read_to_string(log).unwrap_or_default()).collect()
    }

    /// What is there of pods besides their processes: cgroups, mounts, network namespaces.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn remains(&self) -> Result<usize> {
        Ok(remains::cgroups(&self.names.cgroup).len() + remains::mounts(self.directory.path())?.len())
    }

    /// Removes every pod and ends the node.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn end(self) -> Result<()> {
        let pods = self.pods.lock().map(|pods| pods.clone()).unwrap_or_default();
        for pod in pods {
            self.cri.remove_pod(&pod).await?;
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // It has been told all that matters; it may have ended.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let shims = self.shims.values().flatten();
        remains::remove(self.directory.path(), shims, &self.names);
    }
}

/// Copies of the shims in the node's own directory: by their path its processes are told from others.
fn shims(directory: &Path, programs: &Programs) -> Result<BTreeMap<Runtime, Result<PathBuf, String>>> {
    let place = directory.join("bin");
    fs::create_dir(&place)?;
    let copy = |program: PathBuf, name: &str| -> Result<PathBuf> {
        let to = place.join(name);
        fs::copy(&program, &to).with_context(|| program.display().to_string())?;
        Ok(to)
    };
    let morph = copy(programs.shim.clone(), "containerd-shim-morph-v1")?;
    let peer = programs.peer().and_then(|program| copy(program, "containerd-shim-peer-v1"));
    let runc = Programs::tool("containerd", "containerd-shim-runc-v2")
        .and_then(|program| copy(program, "containerd-shim-runc-v2"));
    let null = programs.null().and_then(|program| copy(program, "containerd-shim-null-v1"));
    let reason = |error: anyhow::Error| format!("{error:#}");
    Ok(BTreeMap::from([
        (Runtime::Morph, Ok(morph)),
        (Runtime::Peer, peer.map_err(reason)),
        (Runtime::Runc, runc.map_err(reason)),
        (Runtime::Null, null.map_err(reason)),
    ]))
}
