//! containerd's task service, all 17 calls, in both versions of its name. It turns requests into events of a
//! task and answers from its state; what happens then is `life`'s, how a task comes to be is `create`'s.

mod announce;
mod create;
mod fault;
mod guarded;
mod inspect;
mod laps;
mod life;
mod list;
mod prepare;
mod server;
mod worlds;

pub use fault::Fault;
pub(crate) use list::LINGER_MILLIS;
#[cfg(test)]
pub(crate) use prepare::PREPARE_SECONDS_MAX;
pub use server::{Parts, Server};

use crate::events::timestamp;
use crate::spec::Resources;
use crate::state::{Event, State, signal_event};
use crate::stats;
use async_trait::async_trait;
use containerd_shim_protos::api::{
    CheckpointTaskRequest, CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest,
    CreateTaskResponse, DeleteRequest, DeleteResponse, Empty, ExecProcessRequest, KillRequest, PauseRequest,
    PidsRequest, PidsResponse, ProcessInfo, ResizePtyRequest, ResumeRequest, ShutdownRequest, StartRequest,
    StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse, Status, UpdateTaskRequest,
    WaitRequest, WaitResponse,
};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::shim_async::{Task, create_task};
use std::collections::HashMap;
use std::sync::Arc;
use ttrpc::r#async::{Service as Methods, TtrpcContext};

/// Name of the service that containerd 1.7 calls; its messages are those of version 3.
const SERVICE_V2: &str = "containerd.task.v2.Task";

/// The service of one server.
#[derive(Debug, Clone)]
pub struct Service {
    server: Arc<Server>,
}

impl Service {
    /// The service under both its names.
    #[must_use]
    pub fn methods(server: &Arc<Server>) -> HashMap<String, Methods> {
        let make = || create_task(Arc::new(Self { server: Arc::clone(server) }));
        let guarded = |(name, service)| (name, guarded::guarded(service));
        let mut methods: HashMap<_, _> = make().into_iter().map(guarded).collect();
        methods
            .extend(make().into_values().map(|service| (SERVICE_V2.to_owned(), guarded::guarded(service))));
        methods
    }

    fn task(&self, id: &str, exec_id: &str) -> Result<Arc<life::Task>, Fault> {
        self.server.touch();
        if exec_id.is_empty() { self.server.task(id) } else { Err(Fault::not_found("exec", exec_id)) }
    }
}

fn unimplemented(what: &'static str) -> ttrpc::Error {
    Fault::Unimplemented(what).into()
}

#[async_trait]
impl Task for Service {
    async fn state(&self, _: &TtrpcContext, request: StateRequest) -> ttrpc::Result<StateResponse> {
        let task = self.task(&request.id, &request.exec_id)?;
        let (state, end) = task.look().await?;
        Ok(StateResponse {
            id: request.id,
            bundle: task.bundle.display().to_string(),
            pid: task.pid.unsigned_abs(),
            status: status(state).into(),
            stdin: task.streams.stdin.clone(),
            stdout: task.streams.stdout.clone(),
            stderr: task.streams.stderr.clone(),
            terminal: task.streams.terminal,
            exit_status: end.map_or(0, |end| end.status),
            exited_at: end.map(|end| timestamp(end.at)).into(),
            ..StateResponse::default()
        })
    }

    async fn create(
        &self,
        _: &TtrpcContext,
        request: CreateTaskRequest,
    ) -> ttrpc::Result<CreateTaskResponse> {
        self.server.touch();
        // In a task of its own: a caller who gives up leaves a whole task or none, never half of one.
        let creation = self.server.run(create::create(Arc::clone(&self.server), request));
        let pid = creation.await.unwrap_or_else(|_| Err(Fault::Internal("creation ended early".into())))?;
        Ok(CreateTaskResponse { pid: pid.unsigned_abs(), ..CreateTaskResponse::default() })
    }

    async fn start(&self, _: &TtrpcContext, request: StartRequest) -> ttrpc::Result<StartResponse> {
        let task = self.task(&request.id, &request.exec_id)?;
        // In a task of its own, as above: one that nobody waits for any more has started all the same.
        let starting = self.server.run(Arc::clone(&task).start());
        starting.await.unwrap_or_else(|_| Err(Fault::Internal("the start ended early".into())))?;
        Ok(StartResponse { pid: task.pid.unsigned_abs(), ..StartResponse::default() })
    }

    async fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> ttrpc::Result<DeleteResponse> {
        self.server.touch();
        if !request.exec_id.is_empty() {
            return Err(Fault::not_found("exec", &request.exec_id).into());
        }
        let task = self.server.task_to_delete(&request.id)?;
        task.handle(Event::Delete).await?;
        self.server.forget(&task);
        let end = task.end();
        Ok(DeleteResponse {
            pid: task.pid.unsigned_abs(),
            exit_status: end.map_or(0, |end| end.status),
            exited_at: end.map(|end| timestamp(end.at)).into(),
            ..DeleteResponse::default()
        })
    }

    async fn pids(&self, _: &TtrpcContext, request: PidsRequest) -> ttrpc::Result<PidsResponse> {
        let task = self.task(&request.id, "")?;
        let mut pids = task.cgroup.processes().unwrap_or_default();
        // containerd deletes a task without processes when it comes back: one that has ended is there until
        // Delete.
        if !pids.contains(&task.pid) {
            pids.insert(0, task.pid);
        }
        let process = |pid: i32| ProcessInfo { pid: pid.unsigned_abs(), ..ProcessInfo::default() };
        Ok(PidsResponse { processes: pids.into_iter().map(process).collect(), ..PidsResponse::default() })
    }

    async fn pause(&self, _: &TtrpcContext, request: PauseRequest) -> ttrpc::Result<Empty> {
        self.task(&request.id, "")?.handle(Event::Pause).await?;
        Ok(Empty::new())
    }

    async fn resume(&self, _: &TtrpcContext, request: ResumeRequest) -> ttrpc::Result<Empty> {
        self.task(&request.id, "")?.handle(Event::Resume).await?;
        Ok(Empty::new())
    }

    async fn checkpoint(&self, _: &TtrpcContext, _: CheckpointTaskRequest) -> ttrpc::Result<Empty> {
        Err(unimplemented("checkpoint"))
    }

    async fn kill(&self, _: &TtrpcContext, request: KillRequest) -> ttrpc::Result<Empty> {
        self.task(&request.id, &request.exec_id)?.handle(signal_event(request.signal)).await?;
        Ok(Empty::new())
    }

    async fn exec(&self, _: &TtrpcContext, _: ExecProcessRequest) -> ttrpc::Result<Empty> {
        Err(unimplemented("exec: there is no program in a component's container that could be run"))
    }

    async fn resize_pty(&self, _: &TtrpcContext, request: ResizePtyRequest) -> ttrpc::Result<Empty> {
        let task = self.task(&request.id, &request.exec_id)?;
        let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        task.resize(cells(request.width), cells(request.height)).await?;
        Ok(Empty::new())
    }

    async fn close_io(&self, _: &TtrpcContext, request: CloseIORequest) -> ttrpc::Result<Empty> {
        let task = self.task(&request.id, &request.exec_id)?;
        if request.stdin {
            task.close_stdin().await;
        }
        Ok(Empty::new())
    }

    async fn update(&self, _: &TtrpcContext, request: UpdateTaskRequest) -> ttrpc::Result<Empty> {
        let task = self.task(&request.id, "")?;
        let json = request.resources.into_option().unwrap_or_default().value;
        let resources: Resources = serde_json::from_slice(&json)
            .map_err(|error| Fault::Invalid(format!("resources are not those of an OCI spec: {error}")))?;
        task.update(resources).await?;
        Ok(Empty::new())
    }

    async fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> ttrpc::Result<WaitResponse> {
        let end = self.task(&request.id, &request.exec_id)?.ended().await?;
        Ok(WaitResponse {
            exit_status: end.status,
            exited_at: MessageField::some(timestamp(end.at)),
            ..WaitResponse::default()
        })
    }

    async fn stats(&self, _: &TtrpcContext, request: StatsRequest) -> ttrpc::Result<StatsResponse> {
        let task = self.task(&request.id, "")?;
        let figures = stats::read(&task.cgroup).map_err(|error| Fault::Internal(error.to_string()))?;
        Ok(StatsResponse { stats: MessageField::some(figures), ..StatsResponse::default() })
    }

    async fn connect(&self, _: &TtrpcContext, request: ConnectRequest) -> ttrpc::Result<ConnectResponse> {
        // Who asks for a task that isn't there is a `start`, which promises its task this server.
        let task = self.task(&request.id, "").inspect_err(|_| self.server.expect(&request.id))?;
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            task_pid: task.pid.unsigned_abs(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..ConnectResponse::default()
        })
    }

    async fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> ttrpc::Result<Empty> {
        // It comes after every Delete. The server ends by itself, some time after its last task.
        self.server.touch();
        Ok(Empty::new())
    }
}

fn status(state: State) -> Status {
    match state {
        State::Created | State::Starting => Status::CREATED,
        State::Running => Status::RUNNING,
        State::Paused => Status::PAUSED,
        State::Stopped => Status::STOPPED,
    }
}
