//! One task while it lives: `state`'s table with hands. All that changes it goes through one lock, so that
//! events are published in the order in which things happened.

mod end;

use super::{Fault, announce};
use crate::bundle::Record;
use crate::cgroup::{Cgroup, Starved};
use crate::denial::{Account, Witness};
use crate::events::Publisher;
use crate::failpoint::failpoint;
use crate::grant::Pin;
use crate::log::TaskLog;
use crate::process::{Child, Control};
use crate::spec::Resources;
use crate::state::{Action, Event, Next, State, Topic, step};
use crate::stdio::{Kept, Streams};
use crate::termination::TerminationFile;
use crate::wire::FromChild;
use morph_host::Outcome;
use rustix::process::Signal;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Mutex, MutexGuard, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// How long Start waits for a Server to listen, in milliseconds; a few it takes. Who sees a container that
/// has started may connect, so that no probe has to find out when. A busy node's goes on starting past that.
const LISTENING_MILLIS_MAX: u64 = 2_000;

/// Bytes of a worker's words in one line of the log.
const LOGGED_BYTES_MAX: usize = 1024;

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Exit code, or 128 and the signal.
    pub(super) status: u32,
    /// When.
    pub(super) at: SystemTime,
}

/// What runs in a task's process.
#[derive(Debug)]
pub(super) enum Guest {
    /// Nothing: a sandbox.
    None,
    /// A worker that waits, and whether it will listen once it runs.
    Sealed(Control, bool),
    /// Nothing ever: this is how the container ends as soon as it is started, so that its reason stands where
    /// people look for it. Its streams stay open to the end: a reader that is slow to open them would miss
    /// it.
    Fated(Outcome, [OwnedFd; 3]),
    /// A guest, and who listens to what its worker says.
    Running(JoinHandle<Option<Outcome>>),
}

/// A task.
#[derive(Debug)]
pub(super) struct Task {
    /// Its id.
    pub(super) id: String,
    /// Its bundle.
    pub(super) bundle: PathBuf,
    /// Its process.
    pub(super) pid: i32,
    /// Its streams, as containerd named them.
    pub(super) streams: Streams,
    /// Its cgroup.
    pub(super) cgroup: Cgroup,
    /// What tells whether the kernel has killed its process for memory.
    starved: Starved,
    /// What was granted to the pod; of a sandbox.
    pub(super) pin: Option<Pin>,
    termination: Option<TerminationFile>,
    /// Who tells of its denials; none where there is no grant to be exceeded.
    witness: Option<Witness>,
    child: Child,
    publisher: Publisher,
    life: Mutex<Life>,
    end: watch::Sender<Option<End>>,
}

#[derive(Debug)]
struct Life {
    /// `None` once it is deleted.
    state: Option<State>,
    guest: Guest,
    kept: Kept,
    /// What containerd hears about it.
    log: Option<TaskLog>,
    /// Limits of an Update under way.
    limits: Resources,
    /// Whether somebody asked for its death.
    killed: bool,
    /// How its process ended, before anybody is told.
    end: Option<End>,
    /// What Start waits for: its end says that a Server listens, or has ended.
    unheard: Option<oneshot::Receiver<()>>,
    /// What containerd's subscribers have been told of what is told once.
    told: Vec<Topic>,
}

/// What a new task is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    pub(super) streams: Streams,
    pub(super) cgroup: Cgroup,
    pub(super) pin: Option<Pin>,
    pub(super) termination: Option<TerminationFile>,
    pub(super) witness: Option<Witness>,
    pub(super) child: Child,
    pub(super) guest: Guest,
    pub(super) kept: Kept,
    pub(super) log: Option<TaskLog>,
    pub(super) publisher: Publisher,
}

impl Task {
    /// A created task. Its end is seen once somebody runs [`Self::watch`].
    #[must_use]
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let life = Life {
            state: Some(State::Created),
            guest: parts.guest,
            kept: parts.kept,
            log: parts.log,
            limits: Resources::default(),
            killed: false,
            end: None,
            unheard: None,
            told: Vec::new(),
        };
        Arc::new(Self {
            id: parts.id,
            bundle: parts.bundle,
            pid: parts.child.pid,
            streams: parts.streams,
            starved: Starved::watch(&parts.cgroup),
            cgroup: parts.cgroup,
            pin: parts.pin,
            termination: parts.termination,
            witness: parts.witness,
            child: parts.child,
            publisher: parts.publisher,
            life: Mutex::new(life),
            end: watch::Sender::new(None),
        })
    }

    /// Its state, and its end if it has ended.
    pub(super) async fn look(&self) -> Result<(State, Option<End>), Fault> {
        let state = self.life.lock().await.state;
        Ok((state.ok_or_else(|| Fault::not_found("task", &self.id))?, self.end()))
    }

    /// How it ended.
    #[must_use]
    pub(super) fn end(&self) -> Option<End> {
        *self.end.borrow()
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> Result<End, Fault> {
        let mut end = self.end.subscribe();
        let found = end.wait_for(Option::is_some).await.map(|end| *end);
        found.ok().flatten().ok_or_else(|| Fault::not_found("task", &self.id))
    }

    /// Lets go of standard input.
    pub(super) async fn close_stdin(&self) {
        self.life.lock().await.kept.close_stdin();
    }

    /// Says how large the window of its terminal is.
    pub(super) async fn resize(&self, columns: u16, rows: u16) -> Result<(), Fault> {
        match self.life.lock().await.kept.resize(columns, rows) {
            Some(resized) => resized.map_err(|error| Fault::internal(&error)),
            None => Err(Fault::Precondition(format!("task {} has no terminal", self.id))),
        }
    }

    /// Sets limits.
    pub(super) async fn update(&self, limits: Resources) -> Result<(), Fault> {
        let mut life = self.life.lock().await;
        life.limits = limits;
        self.take(&mut life, Event::Update).await.map(drop)
    }

    /// The call Start. The lock is free while a Server is waited for: until it listens it can be looked at
    /// and stopped.
    pub(super) async fn start(self: Arc<Self>) -> Result<(), Fault> {
        let mut life = self.life.lock().await;
        self.take(&mut life, Event::Start).await?;
        let unheard = life.unheard.take();
        drop(life);
        if let Some(unheard) = unheard
            && timeout(Duration::from_millis(LISTENING_MILLIS_MAX), unheard).await.is_err()
        {
            tracing::warn!(task = self.id, "started, and does not listen yet");
        }
        match self.handle(Event::Started).await {
            // It has ended since, and was deleted.
            Err(Fault::NotFound(_)) => Ok(()),
            started => started,
        }
    }

    /// Treats an event.
    pub(super) async fn handle(&self, event: Event) -> Result<(), Fault> {
        loop {
            let mut life = self.life.lock().await;
            if self.take(&mut life, event).await? {
                return Ok(());
            }
            drop(life);
            self.ended().await?;
        }
    }

    /// Does what the table says; `false` if the event is to be treated again after the end.
    async fn take(&self, life: &mut MutexGuard<'_, Life>, event: Event) -> Result<bool, Fault> {
        let state = life.state.ok_or_else(|| Fault::not_found("task", &self.id))?;
        let (next, actions) =
            step(state, event).map_err(|refusal| Fault::refused(refusal, state, event, &self.id))?;
        let mut done = true;
        for action in actions {
            match action {
                Action::AwaitEnd => done = false,
                action => self.act(*action, life).await?,
            }
        }
        life.state = match next {
            Next::State(state) => Some(state),
            Next::Gone => None,
        };
        Ok(done)
    }

    async fn act(&self, action: Action, life: &mut Life) -> Result<(), Fault> {
        match action {
            Action::Run => self.run(life).await,
            Action::Freeze => self.freeze(true).await,
            Action::Thaw => self.freeze(false).await,
            Action::Ask => self.signal(Signal::TERM),
            Action::Kill => {
                life.killed = true;
                self.kill(life.state).await
            }
            Action::Limit => {
                let (limits, cgroup) = (std::mem::take(&mut life.limits), self.cgroup.clone());
                let limited = spawn_blocking(move || cgroup.update(&limits)).await;
                limited.map_err(|error| Fault::internal(&error))?.map_err(|error| Fault::of_cgroup(&error))
            }
            // Told before somebody panicked, and treated again.
            Action::Publish(topic) if life.told.contains(&topic) => Ok(()),
            Action::Publish(topic) => {
                announce::publish(&self.publisher, topic, &self.id, self.pid, life.end).await;
                if matches!(topic, Topic::Start | Topic::Exit) {
                    life.told.push(topic);
                }
                if topic == Topic::Exit {
                    failpoint!("watch.answer").map_err(|error| Fault::internal(&error))?;
                }
                Ok(())
            }
            Action::AnswerWait => {
                self.end.send_replace(life.end);
                Ok(())
            }
            Action::Remove => self.remove(life).await,
            Action::AwaitEnd => Ok(()),
        }
    }

    async fn run(&self, life: &mut Life) -> Result<(), Fault> {
        failpoint!("start.run").map_err(|error| Fault::internal(&error))?;
        match std::mem::replace(&mut life.guest, Guest::None) {
            Guest::Sealed(mut control, serves) => {
                if let Err(error) = control.start().await {
                    // Kept: without it another Start would find nothing to do, and say that it is done.
                    life.guest = Guest::Sealed(control, serves);
                    let text = format!("the worker of task {} has ended: {error}", self.id);
                    return Err(Fault::Precondition(text));
                }
                let account = Account::new(&self.id, self.witness.clone(), Instant::now());
                let (deaf, unheard) = oneshot::channel();
                let listening = listen(control, self.id.clone(), account, deaf);
                life.guest = Guest::Running(tokio::spawn(listening));
                life.unheard = serves.then_some(unheard);
                Ok(())
            }
            Guest::Fated(outcome, streams) => {
                self.say(outcome.message.as_deref(), true);
                life.guest = Guest::Fated(outcome, streams);
                self.signal(Signal::KILL)
            }
            other => {
                life.guest = other;
                Ok(())
            }
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), Fault> {
        self.child.signal(signal).map_err(|error| Fault::internal(&error))
    }

    async fn freeze(&self, frozen: bool) -> Result<(), Fault> {
        let cgroup = self.cgroup.clone();
        self.blocking(move || cgroup.freeze(frozen)).await
    }

    /// With cgroups of version 1 a frozen process dies only once it is thawed, and one can be frozen that is
    /// not paused: a pause may have failed half way.
    async fn kill(&self, state: Option<State>) -> Result<(), Fault> {
        failpoint!("kill.signal").map_err(|error| Fault::internal(&error))?;
        self.signal(Signal::KILL)?;
        if state == Some(State::Paused) {
            return self.freeze(false).await;
        }
        let cgroup = self.cgroup.clone();
        self.blocking(move || {
            cgroup.thaw_dying();
            Ok::<_, std::convert::Infallible>(())
        })
        .await
    }

    async fn remove(&self, life: &mut Life) -> Result<(), Fault> {
        failpoint!("delete.cgroup").map_err(|error| Fault::internal(&error))?;
        life.kept = Kept::default();
        life.log = None;
        let (cgroup, bundle) = (self.cgroup.clone(), self.bundle.clone());
        self.blocking(move || cgroup.remove()).await?;
        failpoint!("delete.record").map_err(|error| Fault::internal(&error))?;
        Record::remove(&bundle).map_err(|error| Fault::internal(&error))
    }

    async fn blocking<E: std::error::Error + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> Result<(), Fault> {
        let done = spawn_blocking(work).await.map_err(|error| Fault::internal(&error))?;
        done.map_err(|error| Fault::internal(&error))
    }

    /// Tells people why: in the termination message, and on standard error where the worker hasn't done so.
    fn say(&self, message: Option<&str>, on_stderr: bool) {
        let Some(message) = message else { return };
        let why = morph_host::one_line(message, LOGGED_BYTES_MAX);
        tracing::info!(task = self.id, why, "container ends");
        if on_stderr && let Err(error) = self.streams.write_error(&format!("morph: {message}")) {
            tracing::warn!(task = self.id, %error, "reason not logged");
        }
        if let Some(Err(error)) = self.termination.as_ref().map(|file| file.write(message)) {
            tracing::warn!(task = self.id, %error, "no termination message");
        }
    }
}

/// Listens to a worker until it is gone; answers its outcome. Drops `unheard` once the worker listens, or is
/// gone.
async fn listen(
    mut control: Control,
    id: String,
    mut account: Account,
    unheard: oneshot::Sender<()>,
) -> Option<Outcome> {
    let mut unheard = Some(unheard);
    loop {
        match control.next().await {
            Ok(Some(FromChild::Outcome { code, message })) => return Some(Outcome { code, message }),
            Ok(Some(FromChild::Listening { address })) if unheard.is_some() => {
                unheard = None;
                tracing::info!(task = id, %address, "listening");
            }
            Ok(Some(FromChild::Denied(denied))) if account.take(&denied, Instant::now()) => {}
            // A worker that is no longer ours could talk for ever: whoever says nonsense is not listened to.
            Ok(Some(other)) => {
                let words = morph_host::one_line(&format!("{other:?}"), LOGGED_BYTES_MAX);
                tracing::warn!(task = id, words, "unexpected words of a worker");
                return None;
            }
            Ok(None) => return None,
            Err(error) => {
                tracing::warn!(task = id, %error, "a worker's words can't be read");
                return None;
            }
        }
    }
}
