//! Worlds of components that this server has seen, by the digest of their bytes. A component is read once
//! for all tasks that ask at the same time, and its bytes go as soon as its world is known.

use super::Fault;
use super::prepare::Failure;
use crate::content::{self, Descriptor, Store};
use crate::grant::chain;
use crate::turns::Turns;
use morph_component::World;
use morph_grant::Digest;
use morph_host::{Outcome, code};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Worlds kept: more than a node has different components, and a few kilobytes each.
const WORLDS_MAX: usize = 256;

/// Components in memory at once to be looked at; one may have
/// [`morph_component::COMPONENT_SIZE_BYTES_MAX`].
const READS_AT_ONCE: usize = 2;

/// Largest component whose bytes are handed on to whoever compiles it, in bytes: those of a large one would
/// wait in memory for its turn, and reading it again takes little of the time that compiling it does.
pub(super) const HANDED_ON_BYTES_MAX: usize = 1 << 20;

/// The worlds.
#[derive(Debug)]
pub(super) struct Worlds {
    known: Mutex<HashMap<Digest, Arc<World>>>,
    turns: Turns<Digest>,
    places: Semaphore,
}

impl Default for Worlds {
    fn default() -> Self {
        Self { known: Mutex::default(), turns: Turns::default(), places: Semaphore::new(READS_AT_ONCE) }
    }
}

impl Worlds {
    /// The world of a component, and its bytes where they had to be read and are few.
    pub(super) async fn of(
        &self,
        store: &dyn Store,
        layer: &Descriptor,
    ) -> Result<(Arc<World>, Option<Vec<u8>>), Failure> {
        if let Some(world) = self.find(&layer.digest) {
            return Ok((world, None));
        }
        let turn = self.turns.of(&layer.digest);
        let _turn = turn.lock().await;
        if let Some(world) = self.find(&layer.digest) {
            return Ok((world, None));
        }
        // Never closed; an error would only mean no bound.
        let _place = self.places.acquire().await;
        let bytes = content::read(store, layer).await?;
        let inspected = spawn_blocking(move || (morph_component::inspect(&bytes), bytes)).await;
        let (world, bytes) = inspected.map_err(|error| Failure::Fault(Fault::internal(&error)))?;
        let world = world.map_err(|error| Outcome::because(code::BAD_COMPONENT, chain(&error)))?;
        let world = Arc::new(world);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= WORLDS_MAX {
            known.clear();
        }
        known.insert(layer.digest.clone(), Arc::clone(&world));
        Ok((world, Some(bytes).filter(|bytes| bytes.len() <= HANDED_ON_BYTES_MAX)))
    }

    fn find(&self, digest: &Digest) -> Option<Arc<World>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::content::ContentError;
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A store whose blobs are their own components, and that counts who reads.
    #[derive(Default)]
    struct Counting {
        blobs: HashMap<Digest, Vec<u8>>,
        reads: AtomicUsize,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl Store for Counting {
        async fn blob(&self, digest: &Digest, _: u64) -> Result<Vec<u8>, ContentError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            // Others get their chance to come in between.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            Ok(self.blobs[digest].clone())
        }

        async fn image(&self, name: &str) -> Result<Digest, ContentError> {
            Err(ContentError::Missing { what: name.into() })
        }
    }

    /// A component that says which one it is.
    fn component(number: usize) -> Vec<u8> {
        let section = format!("(@custom \"number\" \"{number}\")");
        let text = format!(
            "(component {section} (core module $m (func (export \"run\") (result i32) i32.const 0)) \
             (core instance $i (instantiate $m)) \
             (func $run (result (result)) (canon lift (core func $i \"run\"))) \
             (instance $cli (export \"run\" (func $run))) \
             (export \"wasi:cli/run@0.2.3\" (instance $cli)))"
        );
        wat::parse_str(text).unwrap()
    }

    fn store(count: usize) -> (Counting, Vec<Descriptor>) {
        let mut store = Counting::default();
        let mut layers = Vec::new();
        for bytes in (0..count).map(component) {
            let digest = Digest::of(&bytes);
            layers.push(Descriptor { digest: digest.clone(), size_bytes: bytes.len() as u64 });
            store.blobs.insert(digest, bytes);
        }
        (store, layers)
    }

    /// Asks for all at once.
    async fn ask(store: Counting, layers: Vec<Descriptor>) -> Arc<Counting> {
        let (store, worlds) = (Arc::new(store), Arc::new(Worlds::default()));
        let mut asking = tokio::task::JoinSet::new();
        for layer in layers {
            let (store, worlds) = (Arc::clone(&store), Arc::clone(&worlds));
            asking.spawn(async move { worlds.of(&*store, &layer).await.map(drop) });
        }
        for done in asking.join_all().await {
            done.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn ten_tasks_of_one_component_read_it_once() {
        let (store, layers) = store(1);
        let store = ask(store, vec![layers[0].clone(); 10]).await;
        assert_eq!(store.reads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn bytes_that_were_read_are_handed_on_if_they_are_few() {
        let (mut store, mut layers) = store(1);
        let section = format!("(@custom \"large\" \"{}\")", "x".repeat(HANDED_ON_BYTES_MAX));
        let large = wat::parse_str(format!("(component {section})")).unwrap();
        let digest = Digest::of(&large);
        layers.push(Descriptor { digest: digest.clone(), size_bytes: large.len() as u64 });
        store.blobs.insert(digest, large);
        let worlds = Worlds::default();
        let (_, bytes) = worlds.of(&store, &layers[0]).await.unwrap();
        assert_eq!(bytes, Some(component(0)));
        assert_eq!(worlds.of(&store, &layers[0]).await.unwrap().1, None, "known: nothing was read");
        assert_eq!(worlds.of(&store, &layers[1]).await.unwrap().1, None, "large");
    }

    #[tokio::test]
    async fn two_components_at_most_are_in_memory_at_once() {
        let (store, layers) = store(8);
        let store = ask(store, layers).await;
        assert_eq!(store.reads.load(Ordering::SeqCst), 8);
        assert_eq!(store.most.load(Ordering::SeqCst), READS_AT_ONCE);
    }

    #[tokio::test]
    async fn what_is_no_component_is_the_guests_fault_each_time() {
        let mut store = Counting::default();
        let digest = Digest::of(b"garbage");
        store.blobs.insert(digest.clone(), b"garbage".to_vec());
        let (worlds, layer) = (Worlds::default(), Descriptor { digest, size_bytes: 7 });
        for _ in 0..2 {
            let failure = worlds.of(&store, &layer).await.unwrap_err();
            assert!(matches!(&failure, Failure::Fate(end) if end.code == code::BAD_COMPONENT), "{failure:?}");
        }
    }
}
