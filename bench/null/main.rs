//! A shim that runs nothing: its tasks are names. A pod under it takes what containerd takes for itself, and
//! no runtime can be faster. One server for all tasks, as a runtime would have that wants to be fast.

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use containerd_shim_protos::api::{
    ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse,
    Empty, KillRequest, ShutdownRequest, StartRequest, StartResponse, StateRequest, StateResponse, Status,
    WaitRequest, WaitResponse,
};
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::shim_async::{Task, create_task};
use containerd_shim_protos::types::introspection::RuntimeInfo;
use rustix::fs::{FlockOperation, flock};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use ttrpc::r#async::transport::Listener;
use ttrpc::r#async::{Server, TtrpcContext};

/// The sub-command that is the server.
const SERVE: &str = "serve";

/// Name of the service in version 2, which a bare address stands for.
const SERVICE_V2: &str = "containerd.task.v2.Task";

/// What a task that was killed ends with: 128 and SIGKILL.
const KILLED: u32 = 137;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words
        .iter()
        .find(|word| !word.starts_with('-') && ["start", "delete", SERVE].contains(&word.as_str()))
    {
        Some(action) if action == SERVE => serve(),
        Some(action) if action == "start" => start(),
        // Nothing is there to be deleted.
        Some(_) => Ok(()),
        None if words.iter().any(|word| word == "-info") => info(),
        None => bail!("it only knows start, delete and -info; containerd calls it"),
    }
}

/// Its name, and nothing that it could do.
fn info() -> Result<()> {
    let info = RuntimeInfo { name: "io.containerd.null.v1".to_owned(), ..RuntimeInfo::default() };
    Ok(std::io::stdout().write_all(&info.write_to_bytes()?)?)
}

/// Finds the server, or makes it, and says where it listens.
fn start() -> Result<()> {
    // Parameters come that way; who doesn't read them may get an error for writing.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let socket = beside("null.sock")?;
    let lock = File::create(beside("null.lock")?)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if UnixStream::connect(&socket).is_err() {
        begin(&socket)?;
    }
    write!(std::io::stdout(), "unix://{}", socket.display())?;
    Ok(())
}

fn begin(socket: &Path) -> Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
    let mut server = Command::new("/proc/self/exe");
    server
        .arg(SERVE)
        .current_dir("/")
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It outlives who has started it, and is nobody's of that group.
    server.process_group(0).spawn()?;
    Ok(())
}

/// A path beside this program.
fn beside(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().context("a program lies in a directory")?.join(name))
}

#[tokio::main(flavor = "current_thread")]
async fn serve() -> Result<()> {
    let listener: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let listener = UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    let (service, mut unused) = Null::new();
    let service: Arc<dyn Task + Send + Sync> = Arc::new(service);
    let mut methods: HashMap<_, _> = create_task(Arc::clone(&service));
    methods.extend(create_task(service).into_values().map(|methods| (SERVICE_V2.to_owned(), methods)));
    let mut server = Server::new().add_listener(Listener::try_from(listener)?).register_service(methods);
    server.start().await?;
    unused.wait_for(|unused| *unused).await?;
    server.shutdown().await?;
    Ok(())
}

/// The service: tasks by their ids, each with whether it was killed.
struct Null {
    tasks: Mutex<BTreeMap<String, watch::Sender<bool>>>,
    unused: watch::Sender<bool>,
}

impl Null {
    fn new() -> (Self, watch::Receiver<bool>) {
        let (unused, receiver) = watch::channel(false);
        (Self { tasks: Mutex::default(), unused }, receiver)
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<bool>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn killed(&self, id: &str) -> ttrpc::Result<watch::Receiver<bool>> {
        self.tasks().get(id).map(watch::Sender::subscribe).ok_or_else(|| not_found(id))
    }
}

fn not_found(id: &str) -> ttrpc::Error {
    let status = ttrpc::get_status(ttrpc::Code::NOT_FOUND, format!("task {id} not found"));
    ttrpc::Error::RpcStatus(status)
}

/// Every task is said to be this process.
fn pid() -> u32 {
    std::process::id()
}

fn now() -> MessageField<Timestamp> {
    let now = jiff::Timestamp::now();
    let (seconds, nanos) = (now.as_second(), now.subsec_nanosecond());
    MessageField::some(Timestamp { seconds, nanos, ..Timestamp::default() })
}

#[async_trait]
impl Task for Null {
    async fn create(
        &self,
        _: &TtrpcContext,
        request: CreateTaskRequest,
    ) -> ttrpc::Result<CreateTaskResponse> {
        self.tasks().insert(request.id, watch::Sender::new(false));
        Ok(CreateTaskResponse { pid: pid(), ..CreateTaskResponse::default() })
    }

    async fn start(&self, _: &TtrpcContext, _: StartRequest) -> ttrpc::Result<StartResponse> {
        Ok(StartResponse { pid: pid(), ..StartResponse::default() })
    }

    async fn state(&self, _: &TtrpcContext, request: StateRequest) -> ttrpc::Result<StateResponse> {
        let is_killed = *self.killed(&request.id)?.borrow();
        let (status, exit_status) = if is_killed { (Status::STOPPED, KILLED) } else { (Status::RUNNING, 0) };
        Ok(StateResponse {
            id: request.id,
            pid: pid(),
            status: status.into(),
            exit_status,
            exited_at: if is_killed { now() } else { MessageField::none() },
            ..StateResponse::default()
        })
    }

    async fn kill(&self, _: &TtrpcContext, request: KillRequest) -> ttrpc::Result<Empty> {
        self.tasks().get(&request.id).ok_or_else(|| not_found(&request.id))?.send_replace(true);
        Ok(Empty::default())
    }

    async fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> ttrpc::Result<WaitResponse> {
        // A task that is deleted has ended as well.
        drop(self.killed(&request.id)?.wait_for(|killed| *killed).await);
        Ok(WaitResponse { exit_status: KILLED, exited_at: now(), ..WaitResponse::default() })
    }

    async fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> ttrpc::Result<DeleteResponse> {
        self.tasks().remove(&request.id).ok_or_else(|| not_found(&request.id))?;
        Ok(DeleteResponse { pid: pid(), exit_status: KILLED, exited_at: now(), ..DeleteResponse::default() })
    }

    async fn connect(&self, _: &TtrpcContext, _: ConnectRequest) -> ttrpc::Result<ConnectResponse> {
        Ok(ConnectResponse { shim_pid: pid(), task_pid: pid(), ..ConnectResponse::default() })
    }

    async fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> ttrpc::Result<Empty> {
        if self.tasks().is_empty() {
            self.unused.send_replace(true);
        }
        Ok(Empty::default())
    }
}
