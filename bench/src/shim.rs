//! Morph's shim, driven as containerd drives it but without containerd's own time in between: for the row
//! that looks into the task's calls. Components come from the node's containerd all the same.

use crate::node::Node;
use crate::pod::{Image, PORT, Runtime};
use anyhow::{Context, Result, bail, ensure};
use containerd_shim_protos::api::{CreateTaskRequest, DeleteRequest, KillRequest, StartRequest, WaitRequest};
use containerd_shim_protos::shim_async::{Client, TaskClient};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a call may take, in seconds.
const CALL_SECONDS_MAX: u64 = 20;

/// The signal that nobody can ignore.
const KILL: u32 = 9;

/// A shim's server with the sandbox of one pod.
pub struct Shim<'a> {
    node: &'a Node,
    client: TaskClient,
    sandbox: i32,
    name: String,
}

/// How long a container's two calls took, and from the first to a worker that listens.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// Create.
    pub create: Duration,
    /// From Start's beginning to the listening worker.
    pub start: Duration,
}

impl<'a> Shim<'a> {
    /// Starts the server, and a sandbox in it.
    ///
    /// # Errors
    /// What the shim says.
    pub async fn start(node: &'a Node, name: &str) -> Result<Self> {
        let bundle = bundle(node, name, &sandbox_spec(node, name))?;
        let output = Command::new(node.shim(Runtime::Morph)?)
            .args(["-namespace", "k8s.io", "-publish-binary", "/bin/true", "-id", name, "-address"])
            .arg(node.path("c.sock"))
            .arg("start")
            .current_dir(&bundle)
            .env("MORPH_NODE_CONFIG", node.path("node.toml"))
            .env("TTRPC_ADDRESS", node.path("c.sock.ttrpc"))
            .stdin(Stdio::null())
            .output()?;
        let address = String::from_utf8(output.stdout)?;
        if !output.status.success() {
            bail!("start of the shim: {}", String::from_utf8_lossy(&output.stderr));
        }
        let client = TaskClient::new(Client::connect(address.trim()).await.context("the shim's server")?);
        let mut shim = Self { node, client, sandbox: 0, name: name.into() };
        shim.sandbox = shim.create(name, &bundle).await?;
        shim.begin(name).await?;
        Ok(shim)
    }

    /// Creates and starts a container with a Server, waits until it listens, and removes it.
    ///
    /// # Errors
    /// What the shim says, or a worker that doesn't listen.
    pub async fn serve(&self, id: &str, image: &Image) -> Result<Started> {
        let bundle = bundle(self.node, id, &self.container_spec(id, image))?;
        let begun = Instant::now();
        let pid = self.create(id, &bundle).await?;
        let created = Instant::now();
        self.begin(id).await?;
        let started = Started { create: created - begun, start: created.elapsed() };
        // Looked at afterwards: a table of the kernel's takes longer to read than the worker takes to listen.
        ensure!(listens(pid)?, "Start was answered and the worker doesn't listen: {}", self.node.logs());
        self.remove(id).await?;
        Ok(started)
    }

    /// Removes the sandbox; the server ends by itself.
    ///
    /// # Errors
    /// What the shim says.
    pub async fn end(self) -> Result<()> {
        self.remove(&self.name).await
    }

    async fn create(&self, id: &str, bundle: &std::path::Path) -> Result<i32> {
        let bundle = bundle.display().to_string();
        let request = CreateTaskRequest { id: id.into(), bundle, ..CreateTaskRequest::default() };
        let answer = self.client.create(patience(), &request).await;
        Ok(answer.with_context(|| format!("Create of {id}"))?.pid.try_into()?)
    }

    async fn begin(&self, id: &str) -> Result<()> {
        let request = StartRequest { id: id.into(), ..StartRequest::default() };
        self.client.start(patience(), &request).await.with_context(|| format!("Start of {id}"))?;
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let kill = KillRequest { id: id.into(), signal: KILL, ..KillRequest::default() };
        self.client.kill(patience(), &kill).await.with_context(|| format!("Kill of {id}"))?;
        let wait = WaitRequest { id: id.into(), ..WaitRequest::default() };
        self.client.wait(patience(), &wait).await.with_context(|| format!("Wait for {id}"))?;
        let delete = DeleteRequest { id: id.into(), ..DeleteRequest::default() };
        self.client.delete(patience(), &delete).await.with_context(|| format!("Delete of {id}"))?;
        Ok(())
    }

    fn container_spec(&self, id: &str, image: &Image) -> Value {
        let path = |file: &str| format!("/proc/{}/ns/{file}", self.sandbox);
        let join = |kind: &str, file: &str| json!({ "type": kind, "path": path(file) });
        let namespaces =
            json!([{ "type": "pid" }, join("ipc", "ipc"), join("uts", "uts"), join("network", "net")]);
        let mut spec = spec(self.node, id, &self.name, "container", namespaces);
        let (repository, _) = image.name.rsplit_once(':').unwrap_or((&image.name, ""));
        spec["annotations"]["io.kubernetes.cri.container-name"] = json!("morph");
        spec["annotations"]["io.kubernetes.cri.image-name"] =
            json!(format!("{repository}@{}", image.manifest));
        spec
    }
}

fn patience() -> ttrpc::context::Context {
    ttrpc::context::with_duration(Duration::from_secs(CALL_SECONDS_MAX))
}

fn sandbox_spec(node: &Node, name: &str) -> Value {
    let own = ["pid", "ipc", "uts", "network"].map(|kind| json!({ "type": kind }));
    spec(node, name, name, "sandbox", json!(own))
}

fn spec(node: &Node, id: &str, sandbox: &str, kind: &str, namespaces: Value) -> Value {
    json!({
        "ociVersion": "1.2.0",
        "process": { "user": { "uid": 65532, "gid": 65532 }, "args": ["/"], "cwd": "/", "env": [] },
        "root": { "path": "rootfs" },
        "annotations": {
            "io.kubernetes.cri.container-type": kind,
            "io.kubernetes.cri.sandbox-id": sandbox,
            "io.kubernetes.cri.sandbox-namespace": "bench",
            "io.kubernetes.cri.sandbox-name": sandbox,
            "io.kubernetes.cri.sandbox-uid": sandbox,
        },
        "mounts": [],
        "linux": { "cgroupsPath": node.cgroup(id), "namespaces": namespaces },
    })
}

fn bundle(node: &Node, id: &str, spec: &Value) -> Result<PathBuf> {
    let bundle = node.path("bundles").join(id);
    fs::create_dir_all(&bundle)?;
    fs::write(bundle.join("config.json"), spec.to_string())?;
    Ok(bundle)
}

/// Whether anybody listens at the servers' port in a process's network.
fn listens(pid: i32) -> Result<bool> {
    for table in ["tcp", "tcp6"] {
        let path = format!("/proc/{pid}/net/{table}");
        let text = fs::read_to_string(&path).with_context(|| format!("{path}: the worker has ended"))?;
        if text.lines().any(is_listener) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A line of a socket table: the local address with its port in hex, the remote one, the state.
fn is_listener(line: &str) -> bool {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = fields.get(1).and_then(|local| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok());
    port == Some(PORT) && fields.get(3) == Some(&LISTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_listens_at_the_port_counts() {
        let line = |local: &str, state: &str| {
            let nobody = "0".repeat(32);
            format!("   0: {nobody}:{local} {nobody}:0000 {state} 0")
        };
        assert!(is_listener(&line("1F90", "0A")));
        assert!(!is_listener(&line("1F90", "01")));
        assert!(!is_listener(&line("1F91", "0A")));
        assert!(!is_listener("  sl  local_address rem_address   st tx_queue rx_queue"));
    }
}
