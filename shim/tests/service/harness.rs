//! A node without containerd: bundles, a configuration, someone who takes events, and a client.

use async_trait::async_trait;
use containerd_shim_protos::api::{ConnectRequest, CreateTaskRequest, DeleteRequest, Empty, ForwardRequest};
use containerd_shim_protos::api::{KillRequest, StartRequest, WaitRequest};
use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult};
use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::shim_async::{Client, Events, TaskClient, create_events};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use ttrpc::r#async::{Server, TtrpcContext};
use ttrpc::context::Context;

const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-morph-v1");

/// How long anything may take, in seconds.
const PATIENCE_SECONDS: u64 = 20;

pub(crate) fn patience() -> Context {
    ttrpc::context::with_duration(Duration::from_secs(PATIENCE_SECONDS))
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
    while !condition() {
        assert!(Instant::now() < end, "not {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Subscriber(mpsc::Sender<String>);

#[async_trait]
impl Events for Subscriber {
    async fn forward(&self, _: &TtrpcContext, request: ForwardRequest) -> ttrpc::Result<Empty> {
        self.0.send(request.envelope.topic.clone()).await.unwrap();
        Ok(Empty::new())
    }
}

pub(crate) struct Node {
    directory: tempfile::TempDir,
    _events: Server,
    pub(crate) topics: mpsc::Receiver<String>,
}

impl Node {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ms").tempdir_in("/tmp").unwrap();
        let root = directory.path().display();
        let config =
            format!("cache_dir = '{root}/cache'\nrun_dir = '{root}/run'\nkubelet_dir = '{root}/kubelet'\n");
        std::fs::write(directory.path().join("node.toml"), config).unwrap();
        let (sender, topics) = mpsc::channel(1_000);
        let service = create_events(Arc::new(Subscriber(sender)));
        let mut events =
            Server::new().bind(&format!("unix://{root}/ttrpc")).unwrap().register_service(service);
        events.start().await.unwrap();
        Self { directory, _events: events, topics }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A bundle with a sandbox's spec.
    pub(crate) fn sandbox(&self, id: &str, namespace: &str) -> PathBuf {
        let spec = json!({
            "annotations": {
                "io.kubernetes.cri.container-type": "sandbox",
                "io.kubernetes.cri.sandbox-id": id,
                "io.kubernetes.cri.sandbox-namespace": namespace,
            },
            "linux": {
                "cgroupsPath": format!("/morph-test/service-{}-{id}", std::process::id()),
                "namespaces": [
                    { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "pid" },
                ],
            },
        });
        self.bundle(id, &spec)
    }

    pub(crate) fn bundle(&self, id: &str, spec: &serde_json::Value) -> PathBuf {
        let bundle = self.path("bundles").join(id);
        std::fs::create_dir_all(&bundle).unwrap();
        std::fs::write(bundle.join("config.json"), spec.to_string()).unwrap();
        bundle
    }

    /// The program, as containerd calls it.
    pub(crate) fn command(&self, id: &str, action: &str) -> Command {
        let mut command = Command::new(SHIM);
        command
            .args(["-namespace", "k8s.io", "-publish-binary", "/bin/true", "-id", id, "-address"])
            .arg(self.path("grpc"))
            .arg(action)
            .current_dir(self.path("bundles").join(id))
            .env("MORPH_NODE_CONFIG", self.path("node.toml"))
            .env("TTRPC_ADDRESS", self.path("ttrpc"))
            .stdin(Stdio::null());
        command
    }

    /// `start` with flags alone; answers the address.
    #[track_caller]
    pub(crate) fn start(&self, id: &str) -> String {
        let output = self.command(id, "start").output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `start` with parameters on standard input.
    pub(crate) fn start_with_parameters(&self, id: &str) -> BootstrapResult {
        let parameters = BootstrapParams {
            instance_id: id.into(),
            namespace: "k8s.io".into(),
            containerd_grpc_address: self.path("grpc").display().to_string(),
            containerd_ttrpc_address: self.path("ttrpc").display().to_string(),
            ..BootstrapParams::default()
        };
        let mut command = self.command(id, "start");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&parameters.write_to_bytes().unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        BootstrapResult::parse_from_bytes(&output.stdout).unwrap()
    }

    /// Pid of the server at an address.
    pub(crate) async fn server(&self, address: &str, id: &str) -> u32 {
        client(address).await.connect(patience(), &connect(id)).await.unwrap().shim_pid
    }

    /// A created sandbox: the client of its server, and its pid.
    pub(crate) async fn created(&self, id: &str) -> (TaskClient, u32) {
        let bundle = self.sandbox(id, "demo");
        let client = client(&self.start(id)).await;
        let request = CreateTaskRequest {
            id: id.into(),
            bundle: bundle.display().to_string(),
            ..CreateTaskRequest::default()
        };
        let pid = client.create(patience(), &request).await.unwrap().pid;
        (client, pid)
    }

    pub(crate) async fn next_topic(&mut self) -> String {
        tokio::time::timeout(Duration::from_secs(PATIENCE_SECONDS), self.topics.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mark = self.path("run").display().to_string();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if line.contains("\0serve\0") && line.contains(&mark) {
                let pid = rustix::process::Pid::from_raw(pid).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        for entry in std::fs::read_dir(self.path("bundles")).into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().unwrap().to_owned();
            drop(self.command(&id, "delete").output());
        }
    }
}

pub(crate) async fn client(address: &str) -> TaskClient {
    TaskClient::new(Client::connect(address).await.unwrap())
}

pub(crate) fn connect(id: &str) -> ConnectRequest {
    ConnectRequest { id: id.into(), ..ConnectRequest::default() }
}

pub(crate) fn start(id: &str) -> StartRequest {
    StartRequest { id: id.into(), ..StartRequest::default() }
}

pub(crate) fn kill(id: &str, signal: i32) -> KillRequest {
    KillRequest { id: id.into(), signal: signal.unsigned_abs(), ..KillRequest::default() }
}

pub(crate) fn wait(id: &str) -> WaitRequest {
    WaitRequest { id: id.into(), ..WaitRequest::default() }
}

pub(crate) fn delete(id: &str) -> DeleteRequest {
    DeleteRequest { id: id.into(), ..DeleteRequest::default() }
}

/// The code with which a call failed.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(result: ttrpc::Result<T>) -> ttrpc::Code {
    match result.unwrap_err() {
        ttrpc::Error::RpcStatus(status) => status.code.enum_value().unwrap(),
        other => panic!("{other}"),
    }
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
