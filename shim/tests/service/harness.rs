//! A node without containerd: bundles, a configuration, someone who takes events, and a client.

use async_trait::async_trait;
use containerd_shim_protos::api::{ConnectRequest, CreateTaskRequest, DeleteRequest, Empty, ForwardRequest};
use containerd_shim_protos::api::{KillRequest, StartRequest, WaitRequest};
use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult};
use containerd_shim_protos::events::task::{TaskCreate, TaskDelete, TaskExit, TaskStart};
use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::shim_async::{Client, Events, TaskClient, create_events};
use morph_grant::SigningKey;
use morph_shim::cgroup::Cgroup;
use morph_shim::spec::Resources;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use ttrpc::r#async::{Server, TtrpcContext};
use ttrpc::context::Context;

const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-morph-v1");

/// The cluster that the node's configuration names.
pub(crate) const CLUSTER: &str = "cluster-of-tests";

/// The key whose grants the node takes.
pub(crate) fn signer() -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(1))
}

/// How long anything may take, in seconds.
pub(crate) const PATIENCE_SECONDS: u64 = 60;

pub(crate) fn patience() -> Context {
    ttrpc::context::with_duration(Duration::from_secs(PATIENCE_SECONDS))
}

/// A number that somebody has set, for more than the short form of a test.
pub(crate) fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect("a number"))
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

/// A process in a cgroup that nobody else makes.
pub(crate) fn occupied(place: &Path) -> (Cgroup, Child) {
    let cgroup = Cgroup::create(place, &Resources::default()).unwrap();
    let child = Command::new("sleep").arg("1000").spawn().unwrap();
    for file in cgroup.procs_files() {
        std::fs::write(file, child.id().to_string()).unwrap();
    }
    (cgroup, child)
}

/// An event that was told, as far as tests look at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) topic: String,
    pub(crate) id: String,
    pub(crate) pid: u32,
    pub(crate) status: u32,
}

impl Told {
    fn of(topic: String, bytes: &[u8]) -> Self {
        let (id, pid, status) = match topic.as_str() {
            "/tasks/create" => {
                let event = TaskCreate::parse_from_bytes(bytes).unwrap();
                (event.container_id, event.pid, 0)
            }
            "/tasks/exit" => {
                let event = TaskExit::parse_from_bytes(bytes).unwrap();
                (event.container_id, event.pid, event.exit_status)
            }
            "/tasks/delete" => {
                let event = TaskDelete::parse_from_bytes(bytes).unwrap();
                (event.container_id, event.pid, event.exit_status)
            }
            // All others begin with the id, and some have a pid.
            _ => {
                let event = TaskStart::parse_from_bytes(bytes).unwrap();
                (event.container_id, event.pid, 0)
            }
        };
        Self { topic, id, pid, status }
    }
}

struct Subscriber(mpsc::Sender<Told>);

#[async_trait]
impl Events for Subscriber {
    async fn forward(&self, _: &TtrpcContext, request: ForwardRequest) -> ttrpc::Result<Empty> {
        let envelope = request.envelope.unwrap();
        // A test that has seen enough takes no more.
        drop(self.0.send(Told::of(envelope.topic, &envelope.event.value)).await);
        Ok(Empty::new())
    }
}

pub(crate) struct Node {
    directory: tempfile::TempDir,
    /// In a mutex because it can't be shared without.
    _events: Mutex<Server>,
    pub(crate) told: mpsc::Receiver<Told>,
}

impl Node {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ms").tempdir_in("/tmp").unwrap();
        let root = directory.path().display();
        let config = format!(
            "cluster = '{CLUSTER}'\ncache_dir = '{root}/cache'\nrun_dir = '{root}/run'\n\
             kubelet_dir = '{root}/kubelet'\ntrusted_keys_dir = '{root}/keys'\n"
        );
        std::fs::write(directory.path().join("node.toml"), config).unwrap();
        std::fs::create_dir(directory.path().join("keys")).unwrap();
        std::fs::write(directory.path().join("keys/1.pem"), signer().public().to_pem().unwrap()).unwrap();
        let (sender, told) = mpsc::channel(1_000);
        let service = create_events(Arc::new(Subscriber(sender)));
        let mut events =
            Server::new().bind(&format!("unix://{root}/ttrpc")).unwrap().register_service(service);
        events.start().await.unwrap();
        Self { directory, _events: Mutex::new(events), told }
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

    /// What servers said.
    pub(crate) fn logs(&self) -> String {
        let files = std::fs::read_dir(self.path("run")).into_iter().flatten().flatten();
        let logs = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "log"));
        logs.map(|log| std::fs::read_to_string(log).unwrap_or_default()).collect()
    }

    pub(crate) async fn next_topic(&mut self) -> String {
        let told = tokio::time::timeout(Duration::from_secs(PATIENCE_SECONDS), self.told.recv()).await;
        told.unwrap().unwrap().topic
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.logs());
        }
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

/// A guest built by `hack/guests`, which puts them beside the profiles' directories.
pub(crate) fn guest_bytes(guest: &str) -> Vec<u8> {
    let target = Path::new(SHIM).parent().and_then(Path::parent).unwrap();
    let path = target.join("guests").join(format!("{guest}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run hack/guests", path.display()))
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
