//! Which ids are taken, by tasks that are there and by tasks that are being made. Pure: one lock round it
//! makes each step whole.

use std::collections::HashMap;
use std::sync::Arc;

/// Tasks by id.
#[derive(Debug)]
pub(super) struct List<T> {
    there: HashMap<String, Arc<T>>,
    /// Those that are being made, and whether somebody has deleted them meanwhile.
    making: HashMap<String, bool>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { there: HashMap::new(), making: HashMap::new() }
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

    /// Whether there is nothing and nothing is being made.
    pub(super) fn is_empty(&self) -> bool {
        self.there.is_empty() && self.making.is_empty()
    }
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
