//! What the tasks of one server share, and the list of them. A server has one containerd namespace and the
//! pods of one Kubernetes namespace.

use super::Fault;
use super::life::Task;
use super::prepare::Worlds;
use crate::cache::Cache;
use crate::config::NodeConfig;
use crate::content::Containerd;
use crate::events::Publisher;
use crate::process::Zygote;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    pub(super) worlds: Worlds,
    tasks: Mutex<Tasks>,
    /// Who watches a task's end.
    watchers: Mutex<JoinSet<()>>,
    /// Counts calls.
    calls: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Tasks {
    by_id: HashMap<String, Arc<Task>>,
    /// Ids of tasks that are being made.
    reserved: HashSet<String>,
}

/// An id that nobody else can take while this lives.
pub(super) struct Reserved<'a> {
    server: &'a Server,
    id: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.server.lock().reserved.remove(&self.id);
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
        Arc::new(Self {
            config,
            address,
            zygote,
            cache,
            store,
            publisher,
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
        let tasks = self.lock();
        tasks.by_id.is_empty() && tasks.reserved.is_empty()
    }

    /// A task by its id.
    pub(super) fn task(&self, id: &str) -> Result<Arc<Task>, Fault> {
        self.lock().by_id.get(id).cloned().ok_or_else(|| Fault::not_found("task", id))
    }

    pub(super) fn reserve(&self, id: &str) -> Result<Reserved<'_>, Fault> {
        let mut tasks = self.lock();
        if tasks.by_id.contains_key(id) || !tasks.reserved.insert(id.to_owned()) {
            return Err(Fault::AlreadyExists(format!("task {id} already exists")));
        }
        Ok(Reserved { server: self, id: id.to_owned() })
    }

    pub(super) fn add(&self, task: &Arc<Task>) {
        self.lock().by_id.insert(task.id.clone(), Arc::clone(task));
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = watchers.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a task's watcher failed");
            }
        }
        watchers.spawn(Arc::clone(task).watch());
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().by_id.remove(id);
        self.touch();
    }

    /// Runs work that its caller may give up without ending it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::spawn(work)
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
