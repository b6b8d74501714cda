//! What is there of a task before it is one.

use crate::bundle::Record;
use crate::cgroup::Cgroup;
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// A task that is being made: what is there of it is taken down if it comes to nothing, by an error or by a
/// panic.
pub(super) struct Unfinished(Option<(Cgroup, PathBuf)>);

impl Unfinished {
    /// Nothing of it is there yet.
    pub(super) fn new(cgroup: &Cgroup, bundle: &Path) -> Self {
        Self(Some((cgroup.clone(), bundle.to_path_buf())))
    }

    /// It has an owner now.
    pub(super) fn done(mut self) {
        self.0 = None;
    }

    /// Drops it where it may wait.
    pub(super) async fn take_down(self) {
        if let Err(error) = spawn_blocking(move || drop(self)).await {
            tracing::error!(%error, "a task that failed is left behind");
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some((cgroup, bundle)) = self.0.take() else { return };
        let undone = cgroup.kill().and_then(|()| cgroup.remove()).map_err(|error| error.to_string());
        let undone = undone.and_then(|()| Record::remove(&bundle).map_err(|error| error.to_string()));
        if let Err(error) = undone {
            // `delete` finds the record and tries again.
            tracing::error!(error, "a task that failed is left behind");
        }
    }
}
