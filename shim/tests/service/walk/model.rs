//! What may be known of a task from outside: every place in the table of states where it could be, after
//! answers that its process's own end can come in between.

use morph_shim::state::{Action, Event, Next, Refusal, State, step};
use std::collections::BTreeSet;
use ttrpc::Code;

/// A call, or what somebody else does to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Start,
    Pause,
    Resume,
    /// Kill with SIGTERM.
    Ask,
    /// Kill with SIGKILL.
    Kill,
    /// Kill with a signal that means nothing.
    Ignore,
    Delete,
    Update,
    State,
    Pids,
    Stats,
    Connect,
    CloseIo,
    Shutdown,
    Exec,
    Checkpoint,
    /// A SIGKILL that the service knows nothing of.
    Murder,
}

/// Calls as often as they are made: those that bring a task on more often than others.
pub(super) const CALLS: [Call; 32] = {
    use Call::{
        Ask, Checkpoint, CloseIo, Connect, Create, Delete, Exec, Ignore, Kill, Murder, Pause, Pids, Resume,
        Shutdown, Start, State, Stats, Update,
    };
    [
        Create, Create, Create, Start, Start, Start, Start, Pause, Pause, Pause, Resume, Resume, Resume, Ask,
        Ask, Kill, Kill, Kill, Ignore, Delete, Delete, Delete, Update, State, Pids, Stats, Connect, CloseIo,
        Shutdown, Exec, Checkpoint, Murder,
    ]
};

/// Whether its process will end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doom {
    No,
    /// At any moment, and before long.
    Soon,
    /// As soon as, perhaps only when it isn't frozen any more.
    OnceThawed,
}

/// Where a task may be; `None` is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    state: Option<Order>,
    doom: Doom,
}

/// A state that can be in a sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Created,
    Running,
    Paused,
    Stopped,
}

impl From<Order> for State {
    fn from(order: Order) -> Self {
        match order {
            Order::Created => Self::Created,
            Order::Running => Self::Running,
            Order::Paused => Self::Paused,
            Order::Stopped => Self::Stopped,
        }
    }
}

impl From<State> for Order {
    fn from(state: State) -> Self {
        match state {
            // From outside it is created until Start is answered.
            State::Created | State::Starting => Self::Created,
            State::Running => Self::Running,
            State::Paused => Self::Paused,
            State::Stopped => Self::Stopped,
        }
    }
}

/// What was answered: well, or with which code; the state if that was asked for; pid and exit status if they
/// were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: Code,
    pub(super) state: Option<State>,
    pub(super) told: Option<(u32, u32)>,
}

/// All places where a task may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places(BTreeSet<Place>);

impl Places {
    pub(super) fn nowhere() -> Self {
        Self([Place { state: None, doom: Doom::No }].into())
    }

    pub(super) fn is_nowhere(&self) -> bool {
        self.0.iter().all(|place| place.state.is_none())
    }

    /// Whether it has ended for sure.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.iter().all(|place| place.state == Some(Order::Stopped))
    }

    /// Whether its end can be waited for.
    pub(super) fn ends(&self) -> bool {
        self.0.iter().all(|place| place.state == Some(Order::Stopped) || place.doom == Doom::Soon)
    }

    /// Somebody has seen its end.
    pub(super) fn ended(&mut self) {
        self.0 = [Place { state: Some(Order::Stopped), doom: Doom::No }].into();
    }

    /// Where it may be after a call with this answer; empty if nothing explains the answer. `is_short` says
    /// that its guest ends by itself.
    pub(super) fn after(&self, call: Call, answer: Answer, is_short: bool) -> Self {
        let places = self.with_ends().into_iter();
        Self(places.filter_map(|place| place.after(call, answer, is_short)).collect())
    }

    /// Where it may be after two calls at once. Delete of a created task is two steps: its end, and then
    /// itself.
    pub(super) fn after_both(&self, calls: [Call; 2], answers: [Answer; 2], is_short: bool) -> Self {
        let mut found = BTreeSet::new();
        for (first, second) in [(0, 1), (1, 0)] {
            let after = |places: &Self, at: usize| places.after(calls[at], answers[at], is_short);
            found.extend(after(&after(self, first), second).0);
            if calls[second] == Call::Delete {
                let well = Answer { code: Code::OK, state: None, told: None };
                let begun = self.after(Call::Kill, well, is_short);
                found.extend(after(&after(&begun, first), second).0);
            }
        }
        Self(found)
    }

    pub(super) fn is_impossible(&self) -> bool {
        self.0.is_empty()
    }

    /// With those where it would be if its process has ended meanwhile.
    fn with_ends(&self) -> BTreeSet<Place> {
        let doomed = self.0.iter().filter(|place| place.doom != Doom::No);
        let ends = doomed.map(|_| Place { state: Some(Order::Stopped), doom: Doom::No });
        self.0.iter().copied().chain(ends).collect()
    }
}

impl Place {
    fn after(self, call: Call, answer: Answer, is_short: bool) -> Option<Self> {
        let (wanted, next) = self.expect(call, is_short);
        let is_seen = answer.state.is_none_or(|seen| self.state == Some(seen.into()));
        (answer.code == wanted && is_seen).then_some(next)
    }

    /// What is answered here, and where it is then.
    fn expect(self, call: Call, is_short: bool) -> (Code, Self) {
        let Some(state) = self.state else {
            let created = Self { state: Some(Order::Created), doom: Doom::No };
            return match call {
                Call::Create => (Code::OK, created),
                Call::Shutdown | Call::Murder => (Code::OK, self),
                Call::Exec | Call::Checkpoint => (Code::UNIMPLEMENTED, self),
                _ => (Code::NOT_FOUND, self),
            };
        };
        let event = match call {
            Call::Create => return (Code::ALREADY_EXISTS, self),
            Call::Exec | Call::Checkpoint => return (Code::UNIMPLEMENTED, self),
            Call::State | Call::Pids | Call::Stats | Call::Connect | Call::CloseIo | Call::Shutdown => {
                return (Code::OK, self);
            }
            Call::Murder => return (Code::OK, Self { doom: self.doomed_by(call, state), ..self }),
            Call::Start => Event::Start,
            Call::Pause => Event::Pause,
            Call::Resume => Event::Resume,
            Call::Ask => Event::Ask,
            Call::Kill => Event::Kill,
            Call::Ignore => Event::Ignore,
            Call::Delete => Event::Delete,
            Call::Update => Event::Update,
        };
        let stepped = match step(state.into(), event) {
            Ok((Next::State(State::Starting), _)) if event == Event::Start => {
                step(State::Starting, Event::Started)
            }
            stepped => stepped,
        };
        match stepped {
            Err(Refusal::NotFound) => (Code::NOT_FOUND, self),
            Err(Refusal::Precondition) => (Code::FAILED_PRECONDITION, self),
            // It is ended first, and then deleted.
            Ok((_, actions)) if actions.contains(&Action::AwaitEnd) => {
                (Code::OK, Self { state: None, doom: Doom::No })
            }
            Ok((Next::Gone, _)) => (Code::OK, Self { state: None, doom: Doom::No }),
            Ok((Next::State(next), _)) => {
                let doom = match call {
                    Call::Start if is_short => Doom::Soon,
                    call => self.doomed_by(call, state),
                };
                (Code::OK, Self { state: Some(next.into()), doom })
            }
        }
    }

    /// What a call that is obeyed means for its process.
    fn doomed_by(self, call: Call, state: Order) -> Doom {
        match (call, state, self.doom) {
            (_, Order::Stopped, doom) => doom,
            (Call::Murder | Call::Ask, Order::Paused, Doom::No) => Doom::OnceThawed,
            (Call::Kill, ..) | (Call::Murder | Call::Ask, _, Doom::No) => Doom::Soon,
            (Call::Pause, _, Doom::Soon) => Doom::OnceThawed,
            (Call::Resume, _, Doom::OnceThawed) => Doom::Soon,
            (.., doom) => doom,
        }
    }
}
