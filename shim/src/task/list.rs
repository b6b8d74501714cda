//! Which ids are taken, by tasks that are there and by tasks that are being made. Pure: one lock round it
//! makes each step whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a task may take to come after `start` has found the server, in milliseconds. A server without
/// tasks goes on for as long.
pub(crate) const LINGER_MILLIS: u64 = 10_000;

/// Tasks by id.
#[derive(Debug)]
pub(super) struct List<T> {
    there: HashMap<String, Arc<T>>,
    /// Those that are being made, and whether somebody has deleted them meanwhile.
    making: HashMap<String, bool>,
    /// Those that `start` has been told will be taken here, and when; none of them has come yet.
    expected: HashMap<String, Instant>,
    /// Whether none has ever come: whoever began the server did so for one.
    is_new: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { there: HashMap::new(), making: HashMap::new(), expected: HashMap::new(), is_new: true }
    }
}

impl<T> List<T> {
    pub(super) fn get(&self, id: &str) -> Option<Arc<T>> {
        self.there.get(id).cloned()
    }

    /// The task that is to be deleted. One that is being made is nobody's from now on.
    pub(super) fn get_or_abandon(&mut self, id: &str) -> Option<Arc<T>> {
        if let Some(abandoned) = self.making.get_mut(id) {
            *abandoned |= !self.there.contains_key(id);
        }
        self.get(id)
    }

    /// Takes an id for a task that is to be made; `false` if it is taken.
    #[must_use]
    pub(super) fn reserve(&mut self, id: &str) -> bool {
        if self.there.contains_key(id) || self.making.contains_key(id) {
            return false;
        }
        self.making.insert(id.to_owned(), false);
        self.expected.remove(id);
        self.is_new = false;
        true
    }

    /// A task that was being made is there; `false` if nobody wants it any more.
    #[must_use]
    pub(super) fn enter(&mut self, id: &str, task: &Arc<T>) -> bool {
        if self.making.get(id).is_some_and(|abandoned| *abandoned) {
            return false;
        }
        self.there.insert(id.to_owned(), Arc::clone(task));
        true
    }

    /// Nothing is made under this id any more.
    pub(super) fn release(&mut self, id: &str) {
        self.making.remove(id);
    }

    /// This task is gone; another one of its id stays.
    pub(super) fn remove(&mut self, id: &str, task: &Arc<T>) {
        if self.there.get(id).is_some_and(|found| Arc::ptr_eq(found, task)) {
            self.there.remove(id);
        }
    }

    /// Somebody has asked whether this server is there, for a task that isn't.
    pub(super) fn expect(&mut self, id: &str, now: Instant) {
        self.expected.retain(|_, asked| is_recent(*asked, now));
        self.expected.insert(id.to_owned(), now);
    }

    /// Whether a task may still come for which this server was found.
    pub(super) fn is_expecting(&self, now: Instant) -> bool {
        self.is_new || self.expected.values().any(|asked| is_recent(*asked, now))
    }

    /// Whether there is nothing and nothing is being made.
    pub(super) fn is_empty(&self) -> bool {
        self.there.is_empty() && self.making.is_empty()
    }
}

fn is_recent(asked: Instant, now: Instant) -> bool {
    now.saturating_duration_since(asked) < Duration::from_millis(LINGER_MILLIS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_taken_while_its_task_is_made_and_there() {
        let (mut list, task) = (List::default(), Arc::new(()));
        assert!(list.reserve("a"));
        assert!(!list.reserve("a"));
        assert!(list.get("a").is_none() && !list.is_empty());
        assert!(list.enter("a", &task));
        list.release("a");
        assert!(!list.reserve("a"));
        list.remove("a", &task);
        assert!(list.is_empty() && list.reserve("a"));
    }

    #[test]
    fn each_task_that_was_asked_for_is_expected_until_it_comes_or_its_time_is_over() {
        let (mut list, now) = (List::<()>::default(), Instant::now());
        assert!(list.is_expecting(now), "it was begun for one");
        assert!(list.reserve("a") && !list.is_expecting(now));
        list.expect("b", now);
        list.expect("c", now);
        assert!(list.reserve("c") && list.is_expecting(now), "b has not come");
        let over = now + Duration::from_millis(LINGER_MILLIS);
        assert!(!list.is_expecting(over));
        list.expect("d", over);
        assert!(list.is_expecting(over) && list.expected.len() == 1, "b is forgotten");
        assert!(list.reserve("d") && !list.is_expecting(over));
    }

    #[test]
    fn what_is_deleted_while_it_is_made_never_enters() {
        let (mut list, task) = (List::default(), Arc::new(()));
        assert!(list.reserve("a"));
        assert!(list.get_or_abandon("a").is_none());
        assert!(!list.enter("a", &task));
        list.release("a");
        assert!(list.is_empty(), "a server without tasks ends");
        assert!(list.reserve("a") && list.enter("a", &task), "the next of this id is another");
    }

    #[test]
    fn a_delete_right_after_it_entered_finds_it() {
        let (mut list, task) = (List::default(), Arc::new(()));
        assert!(list.reserve("a") && list.enter("a", &task));
        assert!(Arc::ptr_eq(&list.get_or_abandon("a").unwrap(), &task));
    }

    #[test]
    fn a_delete_of_what_nobody_makes_leaves_no_mark() {
        let (mut list, task) = (List::default(), Arc::new(()));
        assert!(list.get_or_abandon("a").is_none());
        assert!(list.is_empty() && list.reserve("a") && list.enter("a", &task));
    }

    #[test]
    fn a_task_that_goes_late_does_not_take_its_successor_along() {
        let (mut list, old, new) = (List::default(), Arc::new(1), Arc::new(2));
        assert!(list.reserve("a") && list.enter("a", &old));
        list.release("a");
        list.remove("a", &old);
        assert!(list.reserve("a") && list.enter("a", &new));
        list.remove("a", &old);
        assert!(list.get("a").is_some());
    }
}
