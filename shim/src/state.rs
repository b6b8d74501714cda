//! The life of a task as a table: state and event give the next state and what is to be done, in that order.
//! It does nothing itself; a task that is deleted has no state.

use std::fmt;

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Its process is sealed and waits.
    Created,
    /// Its guest runs, and Start isn't answered yet: a Server doesn't listen yet. containerd sees a created
    /// task.
    Starting,
    /// Its guest runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its process has ended; what it left behind is kept until it is deleted.
    Stopped,
}

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Call Start.
    Start,
    /// What Start waits for has come, or needn't be waited for any longer.
    Started,
    /// Call Pause.
    Pause,
    /// Call Resume.
    Resume,
    /// Call Kill with a signal that asks.
    Ask,
    /// Call Kill with SIGKILL.
    Kill,
    /// Call Kill with a signal that means nothing to a guest.
    Ignore,
    /// Its process has ended.
    Exited,
    /// Call Delete.
    Delete,
    /// Call Update.
    Update,
}

/// What is to be done, each once and in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let the process run its guest.
    Run,
    /// Freeze the cgroup.
    Freeze,
    /// Thaw the cgroup.
    Thaw,
    /// Tell the process to stop.
    Ask,
    /// Kill the process.
    Kill,
    /// Wait until the process has ended, then treat this event again.
    AwaitEnd,
    /// Write the limits.
    Limit,
    /// Publish the event of this name.
    Publish(Topic),
    /// Answer those who wait for the end.
    AnswerWait,
    /// Remove the cgroup, close the fifos, forget the task.
    Remove,
}

/// Events for containerd's subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `/tasks/start`
    Start,
    /// `/tasks/paused`
    Paused,
    /// `/tasks/resumed`
    Resumed,
    /// `/tasks/exit`
    Exit,
    /// `/tasks/delete`
    Delete,
}

/// The state afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// This one.
    State(State),
    /// There is no such task any more.
    Gone,
}

/// Why an event is refused, in the words of gRPC's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `NOT_FOUND`: there is no process for it. CRI's StopContainer forgives this code and no other.
    NotFound,
    /// `FAILED_PRECONDITION`: not in this state.
    Precondition,
}

/// The table.
///
/// # Errors
/// What can't happen in this state; nothing is to be done then.
pub fn step(state: State, event: Event) -> Result<(Next, &'static [Action]), Refusal> {
    use State::{Created, Paused, Running, Starting, Stopped};
    let stay = Next::State(state);
    Ok(match (state, event) {
        (Created, Event::Start) => (Next::State(Starting), &[Action::Run]),
        (Starting | Running | Paused | Stopped, Event::Start) => return Err(Refusal::Precondition),
        (Starting, Event::Started) => (Next::State(Running), &[Action::Publish(Topic::Start)]),
        // It ended before it listened; both have been told.
        (Stopped, Event::Started) => (stay, &[]),
        (Created | Running | Paused, Event::Started) => return Err(Refusal::Precondition),

        (Running, Event::Pause) => (Next::State(Paused), &[Action::Freeze, Action::Publish(Topic::Paused)]),
        (Created | Starting | Paused | Stopped, Event::Pause) => return Err(Refusal::Precondition),
        (Paused, Event::Resume) => (Next::State(Running), &[Action::Thaw, Action::Publish(Topic::Resumed)]),
        (Created | Starting | Running | Stopped, Event::Resume) => return Err(Refusal::Precondition),

        // No guest runs that could stop by itself.
        (Created, Event::Ask | Event::Kill) => (stay, &[Action::Kill]),
        (Starting | Running | Paused, Event::Ask) => (stay, &[Action::Ask]),
        (Starting | Running | Paused, Event::Kill) => (stay, &[Action::Kill]),
        (Created | Starting | Running | Paused, Event::Ignore) => (stay, &[]),
        (Stopped, Event::Ask | Event::Kill | Event::Ignore) => return Err(Refusal::NotFound),

        // What ends has started: nobody is told of an end without a beginning.
        (Starting, Event::Exited) => {
            let told = &[Action::Publish(Topic::Start), Action::Publish(Topic::Exit), Action::AnswerWait];
            (Next::State(Stopped), told)
        }
        (Created | Running | Paused, Event::Exited) => {
            (Next::State(Stopped), &[Action::Publish(Topic::Exit), Action::AnswerWait])
        }
        // A process ends once.
        (Stopped, Event::Exited) => return Err(Refusal::Precondition),

        (Created, Event::Delete) => (stay, &[Action::Kill, Action::AwaitEnd]),
        (Stopped, Event::Delete) => (Next::Gone, &[Action::Remove, Action::Publish(Topic::Delete)]),
        (Starting | Running | Paused, Event::Delete) => return Err(Refusal::Precondition),

        (Created | Starting | Running | Paused, Event::Update) => (stay, &[Action::Limit]),
        (Stopped, Event::Update) => return Err(Refusal::Precondition),
    })
}

/// What a signal asks for. A guest sees no signals: those that would end a process ask it to stop.
#[must_use]
pub fn signal_event(signal: u32) -> Event {
    match i32::try_from(signal) {
        Ok(libc::SIGKILL) => Event::Kill,
        // Signal 0 asks only whether there is a process.
        Ok(0 | libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH) => Event::Ignore,
        _ => Event::Ask,
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

#[cfg(test)]
mod tests;
