//! Owns every task of the process: the first that ends by itself ends all. On a signal work stops first, then
//! what work rests on (the lease, the ports). What the tasks do is not known here.

use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// How long work may take to end after a signal. With [`SERVICE_STOP_MS_MAX`] below the pod's 30 s of grace.
pub const WORK_STOP_MS_MAX: u64 = 20_000;

/// How long the lease and the ports may take to end afterwards.
pub const SERVICE_STOP_MS_MAX: u64 = 5_000;

/// Which tasks end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Ends first: it writes.
    Work,
    /// Ends last: work rests on it.
    Service,
}

/// Why the process ends otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A task returned though nobody had told it to.
    #[error("task {task} ended by itself")]
    Ended {
        /// Its name.
        task: &'static str,
    },
    /// A task came to an error.
    #[error("task {task}: {source:#}")]
    Error {
        /// Its name.
        task: &'static str,
        /// Its error.
        source: anyhow::Error,
    },
    /// A task panicked.
    #[error("a task panicked: {0}")]
    Panic(#[from] JoinError),
    /// A task didn't end in time.
    #[error("{phase} did not end within {limit_ms} ms")]
    Slow {
        /// Which tasks.
        phase: Phase,
        /// The limit.
        limit_ms: u64,
    },
}

type Ended = (&'static str, anyhow::Result<()>);

/// The owner of all tasks.
#[derive(Debug, Default)]
pub struct Supervisor {
    work: JoinSet<Ended>,
    service: JoinSet<Ended>,
    work_stop: CancellationToken,
    service_stop: CancellationToken,
}

impl Supervisor {
    /// The token by which tasks of this phase are told to end.
    #[must_use]
    pub fn stop(&self, phase: Phase) -> CancellationToken {
        match phase {
            Phase::Work => self.work_stop.clone(),
            Phase::Service => self.service_stop.clone(),
        }
    }

    /// Starts a task; it ends when its phase's token is cancelled, and not before.
    pub fn spawn<F>(&mut self, phase: Phase, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let named = async move { (name, task.await) };
        match phase {
            Phase::Work => self.work.spawn(named),
            Phase::Service => self.service.spawn(named),
        };
    }

    /// Runs until `signal`, then stops everything in order; or until the first task ends, then stops
    /// everything at once.
    ///
    /// # Errors
    /// What ended the process otherwise than by the signal, or didn't end after it.
    pub async fn run(mut self, signal: impl Future<Output = ()>) -> Result<(), Failed> {
        let ended = {
            let work = self.work.join_next();
            let service = self.service.join_next();
            tokio::pin!(signal);
            tokio::select! {
                () = &mut signal => None,
                Some(ended) = work => Some(ended),
                Some(ended) = service => Some(ended),
            }
        };
        if let Some(ended) = ended {
            self.abort().await;
            return Err(early(ended));
        }
        tracing::info!("told to stop");
        self.work_stop.cancel();
        let stopped = self.drain_work().await;
        self.service_stop.cancel();
        let drained = drain(&mut self.service, Phase::Service, SERVICE_STOP_MS_MAX).await;
        self.abort().await;
        stopped.and(drained)
    }

    /// Waits for work to end; a service that ends meanwhile (a lost lease) stops that at once.
    async fn drain_work(&mut self) -> Result<(), Failed> {
        let Self { work, service, .. } = self;
        tokio::select! {
            drained = drain(work, Phase::Work, WORK_STOP_MS_MAX) => drained,
            Some(ended) = service.join_next() => {
                work.shutdown().await;
                Err(early(ended))
            }
        }
    }

    async fn abort(&mut self) {
        self.work.shutdown().await;
        self.service.shutdown().await;
    }
}

fn early(ended: Result<Ended, JoinError>) -> Failed {
    match ended {
        Ok((task, Ok(()))) => Failed::Ended { task },
        Ok((task, Err(source))) => Failed::Error { task, source },
        Err(error) => Failed::Panic(error),
    }
}

async fn drain(tasks: &mut JoinSet<Ended>, phase: Phase, limit_ms: u64) -> Result<(), Failed> {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            match ended? {
                (task, Ok(())) => tracing::debug!(task, "ended"),
                (task, Err(source)) => return Err(Failed::Error { task, source }),
            }
        }
        Ok(())
    };
    let limit = Duration::from_millis(limit_ms);
    tokio::time::timeout(limit, all).await.unwrap_or(Err(Failed::Slow { phase, limit_ms }))
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Work => "work",
            Self::Service => "services",
        })
    }
}

#[cfg(test)]
mod tests;
