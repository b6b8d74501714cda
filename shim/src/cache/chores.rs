//! What the cache does when nobody waits: the successors of what the baseline compiler made, and tidying up.
//! It owns those tasks, bounds them, and ends them with itself.

use super::store::Key;
use super::{Error, Wanted};
use crate::cache::maker::Maker;
use crate::grant::chain;
use crate::wire::EngineKind;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{JoinSet, spawn_blocking};

/// Chores that may wait at once in one server; past that none is taken on, and a component's next start asks
/// again.
const CHORES_MAX: usize = 32;

/// The chores under way.
#[derive(Debug, Default)]
pub(super) struct Chores(Mutex<UnderWay>);

#[derive(Debug, Default)]
struct UnderWay {
    tasks: JoinSet<Key>,
    keys: HashSet<Key>,
}

impl UnderWay {
    /// Forgets what is done.
    fn reap(&mut self) {
        while let Some(done) = self.tasks.try_join_next() {
            match done {
                Ok(key) => drop(self.keys.remove(&key)),
                // It panicked, and whose it was isn't known; the last one to end makes it good.
                Err(error) => tracing::error!(%error, "a chore of the code cache failed"),
            }
        }
        if self.tasks.is_empty() {
            self.keys.clear();
        }
    }
}

impl Chores {
    /// What follows on code of this engine having been made or used.
    pub(super) fn follow(&self, maker: &Arc<Maker>, wanted: &Wanted, engine: EngineKind) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.reap();
        if under_way.keys.len() >= CHORES_MAX || !under_way.keys.insert(wanted.best.clone()) {
            return;
        }
        let (maker, wanted) = (Arc::clone(maker), wanted.clone());
        under_way.tasks.spawn(async move {
            let done = follow(maker, &wanted, engine).await;
            if let Err(error) = done {
                tracing::warn!(component = %wanted.component, error = chain(&error), "left undone");
            }
            wanted.best
        });
    }
}

async fn follow(maker: Arc<Maker>, wanted: &Wanted, engine: EngineKind) -> Result<(), Error> {
    let made = match engine.is_baseline() {
        true => maker.make_successor(wanted).await,
        false => Ok(()),
    };
    let swept = spawn_blocking(move || maker.sweep()).await?;
    made.and(swept)
}
