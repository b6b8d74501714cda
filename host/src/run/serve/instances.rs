//! Where a request's instance comes from: a fresh one, or, where the Morph says so (`http.reuse: Pooled`),
//! one that has answered before. A kept instance has one request at a time, is never one that failed, and
//! doesn't outlive a number of requests and a time without any.

use crate::Reuse;
use crate::limits::{KEPT_SECONDS_MAX, REQUESTS_PER_INSTANCE_MAX};
use crate::store::{State, Stores};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use wasmtime::Store;
use wasmtime_wasi_http::handler::{Proxy, ProxyPre};

/// Makes instances, and keeps them where that is wanted.
pub(super) struct Instances {
    pre: ProxyPre<State>,
    stores: Stores,
    kept: Option<Arc<Kept<Instance>>>,
}

/// An instance and what it has.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    guest: Option<Proxy>,
    requests: u32,
}

impl Instances {
    pub(super) fn new(pre: ProxyPre<State>, stores: Stores, reuse: Reuse) -> Self {
        let kept = match reuse {
            Reuse::PerRequest => None,
            Reuse::Pooled => Some(Arc::default()),
        };
        Self { pre, stores, kept }
    }

    /// Whether instances are kept at all.
    pub(super) fn are_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// One for a request: the one that was kept last, or a store of its own without a guest yet.
    ///
    /// # Errors
    /// A store that can't be made.
    pub(super) fn take(&self) -> wasmtime::Result<Instance> {
        if let Some(mut instance) = self.kept.as_ref().and_then(|kept| kept.take()) {
            self.stores.again(&mut instance.store);
            return Ok(instance);
        }
        Ok(Instance { store: self.stores.fresh()?, guest: None, requests: 0 })
    }

    /// The guest in an instance; made now if it isn't there yet.
    ///
    /// # Errors
    /// What the guest's start says.
    pub(super) async fn guest<'a>(&self, instance: &'a mut Instance) -> wasmtime::Result<Ready<'a>> {
        let Instance { store, guest, .. } = instance;
        let guest = match guest {
            Some(guest) => guest,
            none => none.insert(self.pre.instantiate_async(&mut *store).await?),
        };
        Ok((guest, store))
    }

    /// Keeps an instance that has answered a request.
    pub(super) fn keep(&self, mut instance: Instance) {
        instance.requests += 1;
        let Some(kept) = self.kept.as_ref().filter(|_| instance.requests < REQUESTS_PER_INSTANCE_MAX) else {
            return;
        };
        instance.store.data_mut().rest();
        kept.keep(instance);
    }

    /// Lets all go.
    pub(super) fn close(&self) {
        if let Some(kept) = &self.kept {
            kept.close();
        }
    }
}

/// A guest and its store.
pub(super) type Ready<'a> = (&'a Proxy, &'a mut Store<State>);

/// Instances that wait for their next request, the one that has waited longest first.
struct Kept<T>(Mutex<Waiting<T>>);

struct Waiting<T> {
    instances: Vec<(Instant, T)>,
    /// Looks after them while there are any.
    watch: JoinSet<()>,
    watched: bool,
    closed: bool,
}

impl<T: Send + 'static> Default for Kept<T> {
    fn default() -> Self {
        let (instances, watch) = (Vec::new(), JoinSet::new());
        Self(Mutex::new(Waiting { instances, watch, watched: false, closed: false }))
    }
}

impl<T: Send + 'static> Kept<T> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<T> {
        self.waiting().instances.pop().map(|(_, instance)| instance)
    }

    fn keep(self: &Arc<Self>, instance: T) {
        let mut waiting = self.waiting();
        if waiting.closed {
            return;
        }
        waiting.instances.push((Instant::now(), instance));
        if !std::mem::replace(&mut waiting.watched, true) {
            while waiting.watch.try_join_next().is_some() {}
            waiting.watch.spawn(self.clone().let_go());
        }
    }

    fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.watch.abort_all();
        let instances = std::mem::take(&mut waiting.instances);
        drop(waiting);
        drop(instances);
    }

    /// Lets those go that have waited for too long; ends when none is left, so that an idle server wakes up
    /// no more.
    async fn let_go(self: Arc<Self>) {
        while let Some(next) = self.let_go_until(Instant::now()) {
            sleep_until(next).await;
        }
    }

    /// When to come again.
    fn let_go_until(&self, now: Instant) -> Option<Instant> {
        let mut waiting = self.waiting();
        let end = |since: &Instant| *since + Duration::from_secs(KEPT_SECONDS_MAX);
        let old = waiting.instances.iter().take_while(|(since, _)| end(since) <= now).count();
        let gone: Vec<_> = waiting.instances.drain(..old).collect();
        let next = waiting.instances.first().map(|(since, _)| end(since));
        waiting.watched = next.is_some();
        drop(waiting);
        drop(gone); // their memory is given back without the lock
        next
    }
}

#[cfg(test)]
mod tests;
