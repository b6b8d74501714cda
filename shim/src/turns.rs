//! One at a time for each key: who comes while another is at it waits, and finds what that one has made.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Mutex as AsyncMutex;

/// Turns by key; those that nobody wants any more are forgotten.
#[derive(Debug)]
pub(crate) struct Turns<K>(Mutex<HashMap<K, Weak<AsyncMutex<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// What is to be locked for a key.
    pub(crate) fn of(&self, key: &K) -> Arc<AsyncMutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_key_is_one_turn_and_others_do_not_wait() {
        let turns = Turns::default();
        let first = turns.of(&"a");
        let held = first.try_lock().unwrap();
        assert!(turns.of(&"a").try_lock().is_err());
        drop(turns.of(&"b").try_lock().unwrap());
        drop(held);
        drop(turns.of(&"a").try_lock().unwrap());
    }

    #[test]
    fn what_nobody_wants_is_forgotten() {
        let turns = Turns::default();
        for number in 0..100 {
            drop(turns.of(&number));
        }
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
