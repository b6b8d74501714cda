//! From what was decided for a container to what a worker needs: verified bytes, a world whose imports are
//! answered, compiled code, opened volumes.

mod components;

use super::{Fault, Server};
use crate::cache;
use crate::compile::CompileError;
use crate::content::ContentError;
use crate::grant::{Component, Decision, Part, Volume, chain};
use crate::node;
use crate::process::{self, Granted, is_regular, open_beneath, open_directory, patiently};
use morph_component::World;
use morph_host::{Outcome, Task, code};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long all this may take, in seconds: the kubelet gives up after 120, and a compilation may take
/// [`crate::compile::COMPILE_SECONDS_MAX`]. What took longer waited for others, and is tried again.
pub(crate) const PREPARE_SECONDS_MAX: u64 = 90;

/// What a worker needs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) code: cache::Code,
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

impl Failure {
    /// The same, as this component's: where there are several it says whose it is.
    fn of_component(self, component: &Component) -> Self {
        match self {
            Self::Fate(outcome) => Self::Fate(component.own(outcome)),
            Self::Fault(Fault::Unavailable(why)) => Self::Fault(Fault::Unavailable(component.say(why))),
            Self::Fault(other) => Self::Fault(other),
        }
    }
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
                source:
                    CompileError::Refused(_)
                    | CompileError::TooLarge
                    | CompileError::TooLong(_)
                    | CompileError::TooMuch,
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
    let found = components::find(server, decision).await?;
    let worlds: Vec<&World> = found.iter().map(|found| &*found.world).collect();
    let (mut task, plan) = decision.task(&worlds)?;
    if task.has_network() {
        task.node_addresses = node_addresses().await?;
    }
    let code = components::code(server, found, plan).await?;
    let volumes = decision.volumes().to_vec();
    let opened = patiently("granted volumes", move || volumes.iter().filter_map(open).collect()).await;
    let mounts = opened.unwrap_or_else(|error| Err(Failure::Fault(Fault::of_process(&error))))?;
    Ok(Prepared { code, task, mounts })
}

/// Read each time: a node gets and loses addresses.
async fn node_addresses() -> Result<Vec<IpAddr>, Failure> {
    let unknown = |error: &dyn std::error::Error| Failure::Fault(Fault::Unavailable(chain(error)));
    match spawn_blocking(node::addresses).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(unknown(&error)),
        Err(error) => Err(unknown(&error)),
    }
}

/// Opens what a worker gets; `None` for a file that it does without.
fn open(volume: &Volume) -> Option<Result<Granted, Failure>> {
    let opened = open_beneath(&volume.base, &volume.relative);
    let opened = match &volume.part {
        Part::Whole => opened,
        Part::Directory { path, make_for } => {
            opened.and_then(|whole| open_directory(&whole, Path::new(path), *make_for))
        }
        Part::File => match opened.and_then(|file| Ok((is_regular(&file)?, file))) {
            Ok((true, file)) => Ok(file),
            Ok((false, _)) => return None,
            Err(error) if is_of_the_volume(&error) => return None,
            Err(error) => Err(error),
        },
    };
    let granted = |source| Granted { source, target: volume.target.clone(), read_only: volume.read_only };
    Some(opened.map(granted).map_err(|error| not_opened(volume, &error)))
}

fn not_opened(volume: &Volume, error: &process::Error) -> Failure {
    let name = match &volume.part {
        Part::Directory { .. } => format!("subPath of volume {}", volume.relative.display()),
        Part::Whole | Part::File => volume.target.clone(),
    };
    let why = format!("{name}: {}", chain(error));
    if is_of_the_volume(error) {
        Failure::Fate(Outcome::because(code::GRANT_REFUSED, format!("grant refused: {why}")))
    } else {
        Failure::Fault(Fault::Unavailable(why))
    }
}

/// Whether the volume isn't what was granted. Anything else (no descriptors, no memory, a share that is
/// stale) is the node's trouble and may pass.
fn is_of_the_volume(error: &process::Error) -> bool {
    let process::Error::Path { source, .. } = error else { return false };
    matches!(source.raw_os_error(), Some(libc::ELOOP | libc::EXDEV | libc::ENOENT | libc::ENOTDIR))
}

#[cfg(test)]
mod tests;
