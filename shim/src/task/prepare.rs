//! From what was decided for a container to what a worker needs: verified bytes, a world whose imports are
//! answered, compiled code, opened volumes.

use super::{Fault, Server};
use crate::cache;
use crate::compile::CompileError;
use crate::content::{self, ContentError};
use crate::grant::{Decision, Volume, chain};
use crate::process::{self, Granted, open_beneath, patiently};
use morph_host::{EngineKind, Outcome, Task, code};
use std::fs::File;
use std::time::Duration;
use tokio::time::timeout;

/// How long all this may take, in seconds: the kubelet gives up after 120, and a compilation may take
/// [`crate::compile::COMPILE_SECONDS_MAX`]. What took longer waited for others, and is tried again.
const PREPARE_SECONDS_MAX: u64 = 90;

/// What a worker needs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) engine: EngineKind,
    pub(super) code: File,
    pub(super) task: Task,
    pub(super) mounts: Vec<Granted>,
}

/// Why a container can't be prepared.
#[derive(Debug)]
pub(super) enum Failure {
    /// It would fail each time: people are to see this as its end.
    Fate(Outcome),
    /// The node is at fault: containerd is to see it, and the kubelet tries again.
    Fault(Fault),
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Self::Fate(outcome)
    }
}

impl From<ContentError> for Failure {
    fn from(error: ContentError) -> Self {
        if error.is_permanent() {
            Self::Fate(Outcome::because(code::BAD_COMPONENT, chain(&error)))
        } else {
            Self::Fault(Fault::Unavailable(chain(&error)))
        }
    }
}

impl From<cache::Error> for Failure {
    fn from(error: cache::Error) -> Self {
        match error {
            cache::Error::Compile {
                source: CompileError::Refused(_) | CompileError::TooLarge | CompileError::TooLong,
                ..
            } => Self::Fate(Outcome::because(code::COMPILE_FAILED, chain(&error))),
            other => Self::Fault(Fault::Unavailable(chain(&other))),
        }
    }
}

/// Prepares a container, in time.
pub(super) async fn prepare(server: &Server, decision: &Decision) -> Result<Prepared, Failure> {
    let patience = Duration::from_secs(PREPARE_SECONDS_MAX);
    timeout(patience, prepare_at_leisure(server, decision)).await.unwrap_or_else(|_| {
        let why = format!("the component is not ready after {PREPARE_SECONDS_MAX} s: the node is busy");
        Err(Failure::Fault(Fault::Unavailable(why)))
    })
}

async fn prepare_at_leisure(server: &Server, decision: &Decision) -> Result<Prepared, Failure> {
    let located = content::locate(&server.store, &decision.source()).await?;
    decision.check_content(&located.layer.digest)?;
    let world = server.worlds.of(&server.store, &located.layer).await?;
    let task = decision.task(&world)?;
    let engine = EngineKind::of(&world);
    // Read again, once it is its turn: what waits holds no component in memory.
    let read = content::read(&server.store, &located.layer);
    let code = server.cache.code(&located.layer.digest, engine, read).await?;
    let volumes = decision.volumes().to_vec();
    let opened = patiently("granted volumes", move || volumes.iter().map(open_volume).collect()).await;
    let mounts = opened.unwrap_or_else(|error| Err(Failure::Fault(Fault::of_process(&error))))?;
    Ok(Prepared { engine, code, task, mounts })
}

fn open_volume(volume: &Volume) -> Result<Granted, Failure> {
    let source = open_beneath(&volume.base, &volume.relative).map_err(|error| {
        let why = format!("{}: {}", volume.target, chain(&error));
        if is_of_the_volume(&error) {
            Failure::Fate(Outcome::because(code::GRANT_REFUSED, format!("grant refused: {why}")))
        } else {
            Failure::Fault(Fault::Unavailable(why))
        }
    })?;
    Ok(Granted { source, target: volume.target.clone(), read_only: volume.read_only })
}

/// Whether the volume isn't what was granted. Anything else (no descriptors, no memory, a share that is
/// stale) is the node's trouble and may pass.
fn is_of_the_volume(error: &process::Error) -> bool {
    let process::Error::Path { source, .. } = error else { return false };
    matches!(source.raw_os_error(), Some(libc::ELOOP | libc::EXDEV | libc::ENOENT | libc::ENOTDIR))
}

#[cfg(test)]
mod tests;
