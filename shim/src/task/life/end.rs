//! A task's end: its process is waited for, and how it ended becomes the task's, told once. Whatever fails on
//! the way, an end is told: a task without one could be neither stopped nor deleted.

use super::{End, Guest, Task, announce};
use crate::failpoint::failpoint;
use crate::process::{EndOnPanic, Exit};
use crate::state::{Event, State};
use crate::task::Fault;
use crate::termination;
use futures::FutureExt as _;
use morph_host::Outcome;
use rustix::process::Signal;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long the last words of a process that has ended may take, in milliseconds: they are in the socket
/// already.
const LAST_WORDS_MILLIS_MAX: u64 = 1_000;

/// How a task ends that is killed, and one whose end can't be seen.
const KILLED: Exit = Exit::Signal(Signal::KILL.as_raw());

impl Task {
    /// Waits for the end of the process and makes it the task's. Where that fails or panics, the task is
    /// killed and told as killed; where even that panics, the server ends, and `delete` does both.
    pub(in crate::task) async fn watch(self: Arc<Self>) {
        let _end = EndOnPanic("who ends a task that can't be watched");
        // What it leaves behind is behind a lock and in some state of the table.
        let why = match AssertUnwindSafe(self.see()).catch_unwind().await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "a panic".to_owned(),
        };
        tracing::error!(task = self.id, why, "its end can't be seen: it is killed");
        self.put_down().await;
    }

    async fn see(&self) -> Result<(), Fault> {
        failpoint!("watch.wait").map_err(|error| Fault::internal(&error))?;
        let exit = self.child.wait().await.map_err(|error| Fault::internal(&error))?;
        failpoint!("watch.status").map_err(|error| Fault::internal(&error))?;
        // Once, and before anything that takes time: systemd removes what counts.
        let starved = exit == KILLED && self.starved.is_seen();
        // What comes now is to stand behind all that the guest has written.
        self.life.lock().await.kept.drained().await;
        let status = self.status(exit, starved).await;
        self.life.lock().await.end = Some(End { status, at: SystemTime::now() });
        failpoint!("watch.tell").map_err(|error| Fault::internal(&error))?;
        if starved {
            announce::out_of_memory(&self.publisher, &self.id).await;
        }
        self.tell().await
    }

    /// Ends what is left of the task, and tells its end: how it was, where that has been seen.
    async fn put_down(&self) {
        let cgroup = self.cgroup.clone();
        let emptied = async {
            failpoint!("watch.kill").map_err(|error| Fault::internal(&error))?;
            self.blocking(move || cgroup.kill()).await
        };
        if let Err(fault) = emptied.await {
            tracing::error!(task = self.id, %fault, "its cgroup can't be emptied");
        }
        let ended = match self.child.signal(Signal::KILL) {
            Ok(()) => self.child.wait().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            // It was waited for before, most likely.
            tracing::warn!(task = self.id, %error, "its process can't be waited for");
        }
        let mut life = self.life.lock().await;
        life.guest = Guest::None;
        if life.end.is_none() {
            self.say(Some("killed: a defect of the shim kept it from seeing how this ends"), true);
            life.end = Some(End { status: KILLED.code(), at: SystemTime::now() });
        }
        drop(life);
        if let Err(fault) = self.tell().await {
            tracing::error!(task = self.id, %fault, "an end that could not be");
        }
    }

    /// Makes what is known of the end the task's.
    async fn tell(&self) -> Result<(), Fault> {
        let mut life = self.life.lock().await;
        self.take(&mut life, Event::Exited).await.map(drop)
    }

    /// The status, and the termination message where there is one.
    async fn status(&self, exit: Exit, starved: bool) -> u32 {
        let mut life = self.life.lock().await;
        let killed = life.killed;
        let started = life.state != Some(State::Created);
        match std::mem::replace(&mut life.guest, Guest::None) {
            Guest::Fated(outcome, _) if started => u32::from(outcome.code),
            Guest::Running(listener) => {
                drop(life);
                let words =
                    tokio::time::timeout(Duration::from_millis(LAST_WORDS_MILLIS_MAX), listener).await;
                let outcome = words.ok().and_then(Result::ok).flatten();
                self.last_words(outcome.as_ref(), termination::reason(exit, killed, starved));
                exit.code()
            }
            _ => exit.code(),
        }
    }

    fn last_words(&self, outcome: Option<&Outcome>, why: Option<String>) {
        match outcome {
            Some(outcome) => self.say(outcome.message.as_deref(), false),
            None => self.say(why.as_deref(), true),
        }
    }
}
