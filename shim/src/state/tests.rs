//! The table against a model: every sequence of events up to a length, and what must hold after each.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const EVENTS: [Event; 10] = [
    Event::Start,
    Event::Started,
    Event::Pause,
    Event::Resume,
    Event::Ask,
    Event::Kill,
    Event::Ignore,
    Event::Exited,
    Event::Delete,
    Event::Update,
];

/// What an observer knows of a task: the events published and what was done.
#[derive(Debug, Clone, Default)]
struct Seen {
    topics: Vec<Topic>,
    runs: usize,
    frozen: bool,
    answered: usize,
    removed: bool,
}

impl Seen {
    fn take(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Publish(topic) => self.topics.push(*topic),
                Action::Run => self.runs += 1,
                Action::Freeze => self.frozen = true,
                Action::Thaw => self.frozen = false,
                Action::AnswerWait => self.answered += 1,
                Action::Remove => self.removed = true,
                Action::Ask | Action::Kill | Action::AwaitEnd | Action::Limit => {}
            }
        }
    }

    fn check(&self, next: Next, history: &[Event]) {
        let at = |topic| self.topics.iter().position(|seen| *seen == topic);
        let count = |topic| self.topics.iter().filter(|seen| **seen == topic).count();
        for topic in [Topic::Start, Topic::Exit, Topic::Delete] {
            assert!(count(topic) <= 1, "{topic:?} twice after {history:?}");
        }
        if let (Some(start), Some(exit)) = (at(Topic::Start), at(Topic::Exit)) {
            assert!(start < exit, "Exit before Start after {history:?}");
        }
        if at(Topic::Exit).is_some() && self.runs > 0 {
            assert!(at(Topic::Start).is_some(), "Exit of what ran without Start after {history:?}");
        }
        if let Some(delete) = at(Topic::Delete) {
            assert_eq!(delete, self.topics.len() - 1, "something after Delete in {history:?}");
            assert!(at(Topic::Exit).is_some(), "Delete without Exit after {history:?}");
        }
        assert!(self.runs <= 1, "ran twice after {history:?}");
        assert_eq!(self.answered, count(Topic::Exit), "Wait and Exit disagree after {history:?}");
        assert_eq!(self.removed, next == Next::Gone, "removed and not gone after {history:?}");
        if let Next::State(state) = next
            && state != State::Stopped
        {
            assert_eq!(self.frozen, state == State::Paused, "{state} after {history:?}");
        }
    }
}

fn walk(state: State, seen: &Seen, history: &mut Vec<Event>, visited: &mut usize) {
    if history.len() == 6 {
        return;
    }
    for event in EVENTS {
        history.push(event);
        if let Ok((next, actions)) = step(state, event) {
            *visited += 1;
            let mut seen = seen.clone();
            seen.take(actions);
            seen.check(next, history);
            if let Next::State(state) = next {
                walk(state, &seen, history, visited);
            }
        }
        history.pop();
    }
}

#[test]
fn no_sequence_of_events_breaks_an_invariant() {
    let mut visited = 0;
    walk(State::Created, &Seen::default(), &mut Vec::new(), &mut visited);
    assert!(visited > 5_000, "{visited}");
}

#[test]
fn killing_what_has_ended_is_not_found() {
    for event in [Event::Kill, Event::Ask, Event::Ignore] {
        assert_eq!(step(State::Stopped, event), Err(Refusal::NotFound));
    }
}

#[test]
fn deleting_a_created_task_ends_it_first() {
    let (next, actions) = step(State::Created, Event::Delete).unwrap();
    assert_eq!(next, Next::State(State::Created));
    assert_eq!(actions, [Action::Kill, Action::AwaitEnd]);
}

#[test]
fn what_runs_is_not_deleted() {
    for state in [State::Starting, State::Running, State::Paused] {
        assert_eq!(step(state, Event::Delete), Err(Refusal::Precondition));
    }
}

#[test]
fn what_starts_can_be_stopped_and_its_guest_has_the_time_to() {
    let stay = Next::State(State::Starting);
    for (event, action) in [(Event::Ask, Action::Ask), (Event::Kill, Action::Kill)] {
        assert_eq!(step(State::Starting, event), Ok((stay, &[action][..])));
    }
    assert_eq!(step(State::Starting, Event::Start), Err(Refusal::Precondition));
}

#[test]
fn signals_that_end_a_process_ask_and_others_do_nothing() {
    for (signal, want) in [
        (libc::SIGTERM, Event::Ask),
        (libc::SIGINT, Event::Ask),
        (libc::SIGQUIT, Event::Ask),
        (libc::SIGHUP, Event::Ask),
        (37, Event::Ask),
        (libc::SIGKILL, Event::Kill),
        (libc::SIGWINCH, Event::Ignore),
        (0, Event::Ignore),
    ] {
        assert_eq!(signal_event(signal.unsigned_abs()), want, "signal {signal}");
    }
}
