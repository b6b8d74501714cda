//! What the tasks of one server share, and the list of them. A server has one containerd namespace and the
//! pods of one Kubernetes namespace.

use super::Fault;
use super::life::Task;
use super::list::List;
use super::worlds::Worlds;
use crate::cache::Cache;
use crate::config::NodeConfig;
use crate::content::{Containerd, Locations};
use crate::denial::Reporter;
use crate::events::Publisher;
use crate::process::Zygote;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// One server.
#[derive(Debug)]
pub struct Server {
    /// The node's configuration.
    pub config: NodeConfig,
    /// Where it listens.
    pub address: String,
    /// What it forks from.
    pub zygote: Zygote,
    /// The node's compiled code.
    pub cache: Cache,
    /// containerd's content.
    pub store: Containerd,
    /// Where events go.
    pub publisher: Publisher,
    /// Where denials go.
    pub(super) denials: Arc<Reporter>,
    pub(super) locations: Locations,
    pub(super) worlds: Worlds,
    tasks: Mutex<List<Task>>,
    /// Who watches a task's end.
    watchers: Mutex<JoinSet<()>>,
    /// Counts calls.
    calls: watch::Sender<u64>,
}

/// An id that nobody else can take while this lives.
pub(super) struct Reserved<'a> {
    server: &'a Server,
    id: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.server.lock().release(&self.id);
        // A server that only waited for this may be without a task now, and nobody else says so.
        self.server.touch();
    }
}

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// The node's configuration.
    pub config: NodeConfig,
    /// Where it listens.
    pub address: String,
    /// What it forks from.
    pub zygote: Zygote,
    /// The node's compiled code.
    pub cache: Cache,
    /// containerd's content.
    pub store: Containerd,
    /// Where events go.
    pub publisher: Publisher,
}

impl Server {
    /// A server without tasks.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { config, address, zygote, cache, store, publisher } = parts;
        let denials = Arc::new(Reporter::new(&config.denials_socket));
        Arc::new(Self {
            config,
            address,
            zygote,
            cache,
            store,
            publisher,
            denials,
            locations: Locations::default(),
            worlds: Worlds::default(),
            tasks: Mutex::default(),
            watchers: Mutex::default(),
            calls: watch::Sender::new(0),
        })
    }

    /// A call has come.
    pub fn touch(&self) {
        self.calls.send_modify(|calls| *calls = calls.wrapping_add(1));
    }

    /// Sees every call.
    #[must_use]
    pub fn calls(&self) -> watch::Receiver<u64> {
        self.calls.subscribe()
    }

    /// Whether it has no task and makes none.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether a task may still come for which this server was found or begun.
    #[must_use]
    pub fn is_expecting(&self) -> bool {
        self.lock().is_expecting(Instant::now())
    }

    /// Somebody looks for a server to take the task of this id.
    pub(super) fn expect(&self, id: &str) {
        self.lock().expect(id, Instant::now());
    }

    /// A task by its id.
    pub(super) fn task(&self, id: &str) -> Result<Arc<Task>, Fault> {
        self.lock().get(id).ok_or_else(|| Fault::not_found("task", id))
    }

    /// A task that is to be deleted, by its id. One that is being made will be taken down instead.
    pub(super) fn task_to_delete(&self, id: &str) -> Result<Arc<Task>, Fault> {
        self.lock().get_or_abandon(id).ok_or_else(|| Fault::not_found("task", id))
    }

    pub(super) fn reserve(&self, id: &str) -> Result<Reserved<'_>, Fault> {
        if !self.lock().reserve(id) {
            return Err(Fault::AlreadyExists(format!("task {id} already exists")));
        }
        Ok(Reserved { server: self, id: id.to_owned() })
    }

    /// Lists a task; `false` if it was deleted while it was made.
    #[must_use]
    pub(super) fn enter(&self, task: &Arc<Task>) -> bool {
        self.lock().enter(&task.id, task)
    }

    /// Sees a task's end.
    pub(super) fn watch(&self, task: &Arc<Task>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        // None of them panics: see there.
        while watchers.try_join_next().is_some() {}
        watchers.spawn(Arc::clone(task).watch());
    }

    pub(super) fn forget(&self, task: &Arc<Task>) {
        self.lock().remove(&task.id, task);
        self.touch();
    }

    /// Runs work that its caller may give up without ending it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::spawn(work)
    }

    fn lock(&self) -> MutexGuard<'_, List<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
