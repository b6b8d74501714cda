//! The call Create: a cgroup, a record for `delete`, a process in both, and a task that owns them. What fails
//! half way is taken down again.

mod unfinished;

use self::unfinished::Unfinished;
use super::laps::Laps;
use super::life::{Guest, Parts, Task};
use super::prepare::{Failure, Prepared, prepare};
use super::{Fault, Server, inspect};
use crate::bundle::{Process, Record};
use crate::cgroup::{Cgroup, CgroupError};
use crate::denial::Witness;
use crate::failpoint::failpoint;
use crate::grant::{Decision, Pin};
use crate::keys;
use crate::log::TaskLog;
use crate::process::{Child, SandboxSpec, WorkerSpec};
use crate::sandbox;
use crate::spec::{Pod, Role, Spec};
use crate::state::Event;
use crate::stdio::{Kept, Streams};
use crate::termination::TerminationFile;
use containerd_shim_protos::api::CreateTaskRequest;
use containerd_shim_protos::events::task::{TaskCreate, TaskIO};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::topics::TASK_CREATE_EVENT_TOPIC;
use morph_grant::TrustedKeys;
use morph_host::{Outcome, Run, code};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Creates a task; answers its pid.
pub(super) async fn create(server: Arc<Server>, request: CreateTaskRequest) -> Result<i32, Fault> {
    let mut laps = Laps::begin();
    let id = request.id.clone();
    let _reserved = server.reserve(&id)?;
    if !request.checkpoint.is_empty() {
        return Err(Fault::Invalid("a guest can't be restored from a checkpoint".into()));
    }
    let bundle = PathBuf::from(&request.bundle);
    let spec = Spec::read(&bundle, &id).map_err(|error| Fault::internal(&error))?;
    let streams = streams(&request);
    let log = TaskLog::open(&bundle, &id);
    laps.lap("spec");
    let cgroup = Cgroup::planned(&spec.cgroup).map_err(|error| Fault::internal(&error))?;
    // Before anything says that it is this task's.
    cgroup.ensure_free().map_err(|error| Fault::internal(&error))?;
    let sandbox = match &spec.role {
        Role::Sandbox(_) => Some(id.as_str()),
        other => other.sandbox(),
    };
    let record = Record::new(&id, sandbox, &server.address, cgroup.clone());
    let unfinished = Unfinished::new(&cgroup, &bundle);
    let made = async {
        failpoint!("create.record").map_err(|error| Fault::internal(&error))?;
        // First of all: `delete` takes down what is written here, whenever this server dies.
        record.write(&bundle).map_err(|error| Fault::internal(&error))?;
        make_cgroup(&spec).await?;
        laps.lap("cgroup");
        failpoint!("create.fork").map_err(|error| Fault::internal(&error))?;
        let made = make(&server, &spec, &streams, &cgroup, &mut laps).await?;
        note_process(record, &bundle, &made.child).await?;
        adopt(&cgroup, &spec, &made.child).await?;
        laps.lap("record");
        Ok(made)
    };
    let made = match made.await {
        Ok(made) => made,
        Err(fault) => {
            unfinished.take_down().await;
            return Err(fault);
        }
    };
    let task = Task::new(Parts {
        termination: termination(&spec, &server),
        witness: made.witness,
        publisher: server.publisher.clone(),
        id,
        bundle,
        streams,
        cgroup,
        pin: made.pin,
        child: made.child,
        guest: made.guest,
        kept: made.kept,
        log,
    });
    let pid = hand_over(&server, &task, request, unfinished).await?;
    laps.lap("event");
    tracing::debug!(task = task.id, %laps, "created");
    Ok(pid)
}

fn streams(request: &CreateTaskRequest) -> Streams {
    Streams {
        stdin: request.stdin.clone(),
        stdout: request.stdout.clone(),
        stderr: request.stderr.clone(),
        terminal: request.terminal,
    }
}

/// Makes the task the server's, unless somebody has deleted it while it was made: then nobody would ever do
/// so again.
async fn hand_over(
    server: &Server,
    task: &Arc<Task>,
    request: CreateTaskRequest,
    unfinished: Unfinished,
) -> Result<i32, Fault> {
    if let Err(error) = failpoint!("create.tell") {
        unfinished.take_down().await;
        return Err(Fault::internal(&error));
    }
    announce(server, task, request).await;
    // At one go: a task that is listed and that nobody watches would have no end.
    let entered = server.enter(task);
    server.watch(task);
    unfinished.done();
    // `delete` takes the record along.
    if entered && matches!(Record::read(&task.bundle), Ok(Some(_))) {
        return Ok(task.pid);
    }
    match task.handle(Event::Delete).await {
        // Whoever deletes it at the same time does as well.
        Ok(()) | Err(Fault::NotFound(_)) => {}
        Err(fault) => tracing::error!(task = task.id, %fault, "a task that nobody wants is left behind"),
    }
    server.forget(task);
    Err(deleted(&task.id))
}

fn deleted(id: &str) -> Fault {
    Fault::NotFound(format!("task {id} was deleted while it was made"))
}

async fn make_cgroup(spec: &Spec) -> Result<(), Fault> {
    failpoint!("create.cgroup").map_err(|error| Fault::internal(&error))?;
    let (path, resources) = (spec.cgroup.clone(), spec.resources.clone());
    let made = spawn_blocking(move || Cgroup::create(&path, &resources).map(drop)).await;
    made.map_err(|error| Fault::internal(&error))?.map_err(|error| Fault::internal(&error))
}

/// Not earlier: systemd keeps no scope without a process.
async fn adopt(cgroup: &Cgroup, spec: &Spec, child: &Child) -> Result<(), Fault> {
    let (own, resources, pid) = (cgroup.clone(), spec.resources.clone(), child.pid);
    let adopted = spawn_blocking(move || own.adopt(pid, &resources)).await;
    if matches!(adopted, Ok(Ok(()))) {
        return Ok(());
    }
    give_up(child).await;
    let adopted = adopted.map_err(|error| Fault::internal(&error))?;
    if adopted.as_ref().is_err_and(CgroupError::is_refused) {
        // Now: whoever takes the rest down would have systemd stop the other scope of this name.
        let own = cgroup.clone();
        let removed = spawn_blocking(move || own.remove_refused()).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::error!(?removed, "a cgroup that systemd has refused is left behind");
        }
    }
    adopted.map_err(|error| Fault::internal(&error))
}

/// Writes down whom `delete` would have to kill.
async fn note_process(mut record: Record, bundle: &Path, child: &Child) -> Result<(), Fault> {
    let noted = failpoint!("create.note").and_then(|()| Process::of(child.pid)).and_then(|process| {
        record.process = Some(process);
        // `delete` may have been here: it would find nothing the next time either.
        let is_wanted = Record::read(bundle)?.is_some();
        if is_wanted { record.write(bundle).map(|()| true) } else { Ok(false) }
    });
    let fault = match noted {
        Ok(true) => return Ok(()),
        Ok(false) => deleted(&record.id),
        Err(error) => Fault::internal(&error),
    };
    give_up(child).await;
    Err(fault)
}

async fn give_up(child: &Child) {
    let ended = match child.signal(Signal::KILL) {
        Ok(()) => child.wait().await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::error!(%error, "a process that nobody wants can't be ended");
    }
}

struct Made {
    child: Child,
    guest: Guest,
    kept: Kept,
    pin: Option<Pin>,
    witness: Option<Witness>,
}

async fn make(
    server: &Server,
    spec: &Spec,
    streams: &Streams,
    cgroup: &Cgroup,
    laps: &mut Laps,
) -> Result<Made, Fault> {
    let walls = Walls { spec, streams, cgroup };
    match &spec.role {
        Role::Sandbox(pod) => {
            let made = make_sandbox(server, spec, pod, cgroup).await;
            laps.lap("sandbox");
            made
        }
        Role::Container { name, image, .. } if inspect::is_asked(spec, name) => {
            make_container(server, walls, Err(inspect::answer(server, image).await?), laps).await
        }
        Role::Container { sandbox, name, image, pod } => {
            let sandbox = server.task(sandbox)?;
            let pin = sandbox.pin.as_ref();
            let pin = pin.ok_or_else(|| Fault::Invalid(format!("task {} is no sandbox", sandbox.id)))?;
            let again;
            let pin = if pin.is_refused() {
                again = pin.again(pod, &server.config, &trusted(server).await?);
                &again
            } else {
                pin
            };
            let decision = pin.decide(name, image, spec, &server.config);
            let made = make_container(server, walls, decision, laps).await?;
            let reporter = Arc::clone(&server.denials);
            let witness = Some(Witness::new(pod.clone(), pin.morph_uid(), reporter));
            Ok(Made { witness, ..made })
        }
        Role::Alone { image: Some(image) } => {
            let decision = Pin::nothing(spec).decide("alone", image, spec, &server.config);
            make_container(server, walls, decision, laps).await
        }
        Role::Alone { image: None } => {
            let why = "no component is named: the annotation io.kubernetes.cri.image-name is missing";
            let refused = Err(Outcome::because(code::BAD_COMPONENT, why));
            make_container(server, walls, refused, laps).await
        }
    }
}

async fn make_sandbox(server: &Server, spec: &Spec, pod: &Pod, cgroup: &Cgroup) -> Result<Made, Fault> {
    let wanted =
        sandbox::fork_spec(spec, cgroup.procs_files()).map_err(|error| Fault::Invalid(error.to_string()))?;
    let trusted = trusted(server).await?;
    let child = server.zygote.fork_sandbox(wanted).await.map_err(|error| Fault::internal(&error))?;
    let (pid, sysctls) = (child.pid, spec.sysctls.clone());
    let set = spawn_blocking(move || sandbox::set_sysctls(pid, &sysctls)).await;
    let set = set.map_err(|error| Fault::internal(&error));
    if let Err(fault) = set.and_then(|set| set.map_err(|error| Fault::internal(&error))) {
        give_up(&child).await;
        return Err(fault);
    }
    let pin = Pin::of_sandbox(spec, pod, &server.config, &trusted);
    Ok(Made { child, guest: Guest::None, kept: Kept::default(), pin: Some(pin), witness: None })
}

async fn trusted(server: &Server) -> Result<TrustedKeys, Fault> {
    let directory = server.config.trusted_keys_dir.clone();
    let read = spawn_blocking(move || keys::read(&directory)).await;
    let found = read.map_err(|error| Fault::internal(&error))?;
    for problem in &found.problems {
        tracing::error!(problem, "a file among the trusted keys is passed over");
    }
    Ok(found.keys)
}

/// What is round a container, whatever runs in it.
struct Walls<'a> {
    spec: &'a Spec,
    streams: &'a Streams,
    cgroup: &'a Cgroup,
}

async fn make_container(
    server: &Server,
    Walls { spec, streams, cgroup }: Walls<'_>,
    decision: Result<Decision, Outcome>,
    laps: &mut Laps,
) -> Result<Made, Fault> {
    laps.lap("decision");
    let prepared = match decision {
        Ok(decision) => prepare(server, &decision).await,
        Err(outcome) => Err(Failure::Fate(outcome)),
    };
    laps.lap("code and volumes");
    let opened = streams.open().map_err(|error| Fault::internal(&error))?;
    laps.lap("streams");
    match prepared {
        Ok(prepared) => {
            let serves = matches!(prepared.task.run, Run::Server(_));
            let wanted = worker_spec(spec, cgroup, prepared, opened.process);
            let worker =
                server.zygote.fork_worker(wanted).await.map_err(|error| Fault::of_process(&error))?;
            laps.lap("worker");
            Ok(Made {
                child: worker.child,
                guest: Guest::Sealed(worker.control, serves),
                kept: opened.kept,
                pin: None,
                witness: None,
            })
        }
        Err(Failure::Fate(outcome)) => {
            let child = server.zygote.fork_sandbox(stand_in(spec, cgroup)).await;
            let child = child.map_err(|error| Fault::internal(&error))?;
            Ok(Made {
                child,
                guest: Guest::Fated(outcome, opened.process),
                kept: opened.kept,
                pin: None,
                witness: None,
            })
        }
        Err(Failure::Fault(fault)) => Err(fault),
    }
}

fn worker_spec(
    spec: &Spec,
    cgroup: &Cgroup,
    prepared: Prepared,
    stdio: [std::os::fd::OwnedFd; 3],
) -> WorkerSpec {
    WorkerSpec {
        id: cgroup_name(spec),
        net: spec.net.clone(),
        ipc: spec.ipc.clone(),
        uts: spec.uts.clone(),
        cgroup_procs: cgroup.procs_files(),
        oom_score_adj: spec.oom_score_adj,
        uid: spec.uid,
        gid: spec.gid,
        groups: spec.groups.clone(),
        rlimits: spec.rlimits.clone(),
        mounts: prepared.mounts,
        stdio,
        code: prepared.code.file,
        engine: prepared.code.engine,
        task: prepared.task,
    }
}

/// What names a worker in a list of processes: the pod says more than an id of 64 digits.
fn cgroup_name(spec: &Spec) -> String {
    match spec.role.pod() {
        Some(pod) if !pod.name.is_empty() => pod.name.clone(),
        _ => spec.cgroup.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// The process of a container that will end as soon as it is started: containerd needs a pid until then. It
/// is where the container would be: who enters namespaces by that pid must not find himself in the node's.
fn stand_in(spec: &Spec, cgroup: &Cgroup) -> SandboxSpec {
    SandboxSpec {
        net: spec.net.clone(),
        ipc: spec.ipc.clone(),
        uts: spec.uts.clone(),
        own_pid_namespace: true,
        hostname: None,
        cgroup_procs: cgroup.procs_files(),
        oom_score_adj: None,
    }
}

fn termination(spec: &Spec, server: &Server) -> Option<TerminationFile> {
    TerminationFile::of(spec, spec.role.pod()?, &server.config.kubelet_dir)
}

async fn announce(server: &Server, task: &Task, request: CreateTaskRequest) {
    let io = TaskIO {
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
        terminal: request.terminal,
        ..TaskIO::default()
    };
    let event = TaskCreate {
        container_id: request.id,
        bundle: request.bundle,
        io: MessageField::some(io),
        pid: task.pid.unsigned_abs(),
        ..TaskCreate::default()
    };
    server.publisher.publish(TASK_CREATE_EVENT_TOPIC, &event).await;
}
