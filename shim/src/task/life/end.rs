//! A task's end: its process is waited for, and how it ended becomes the task's.

use super::{End, Guest, Task, announce};
use crate::process::Exit;
use crate::state::{Event, State};
use crate::termination;
use morph_host::Outcome;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long the last words of a process that has ended may take, in milliseconds: they are in the socket
/// already.
const LAST_WORDS_MILLIS_MAX: u64 = 1_000;

impl Task {
    /// Waits for the end of the process and makes it the task's.
    pub(in crate::task) async fn watch(self: Arc<Self>) {
        let exit = match self.child.wait().await {
            Ok(exit) => exit,
            Err(error) => {
                tracing::error!(task = self.id, %error, "process can't be waited for");
                Exit::Code(u8::MAX)
            }
        };
        // What comes now is to stand behind all that the guest has written.
        self.life.lock().await.kept.drained().await;
        let status = self.status(exit).await;
        if self.cgroup.oom_kills() > 0 {
            announce::out_of_memory(&self.publisher, &self.id).await;
        }
        let mut life = self.life.lock().await;
        life.end = Some(End { status, at: SystemTime::now() });
        if let Err(error) = self.take(&mut life, Event::Exited).await {
            tracing::error!(task = self.id, %error, "an end that could not be");
        }
    }

    /// The status, and the termination message where there is one.
    async fn status(&self, exit: Exit) -> u32 {
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
                self.last_words(exit, outcome.as_ref(), killed);
                exit.code()
            }
            _ => exit.code(),
        }
    }

    fn last_words(&self, exit: Exit, outcome: Option<&Outcome>, killed: bool) {
        match (outcome, exit) {
            (Some(outcome), _) => self.say(outcome.message.as_deref(), false),
            (None, exit) => {
                let why = termination::reason(exit, killed, self.cgroup.oom_kills() > 0);
                self.say(why.as_deref(), true);
            }
        }
    }
}
