//! From what was decided for a container to what a worker needs: verified bytes, a world whose imports are
//! answered, compiled code, opened volumes.

use super::{Fault, Server};
use crate::cache;
use crate::content::{self, ContentError, Descriptor};
use crate::grant::{Decision, Volume, chain};
use crate::process::{Granted, open_beneath};
use morph_component::World;
use morph_grant::Digest;
use morph_host::{EngineKind, Outcome, Task, code};
use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::spawn_blocking;

/// Worlds kept: more than a node has different components, and a few kilobytes each.
const WORLDS_MAX: usize = 256;

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
            cache::Error::Compile { .. } => Self::Fate(Outcome::because(code::COMPILE_FAILED, chain(&error))),
            other => Self::Fault(Fault::internal(&other)),
        }
    }
}

/// Prepares a container.
pub(super) async fn prepare(server: &Server, decision: &Decision) -> Result<Prepared, Failure> {
    let located = content::locate(&server.store, &decision.source()).await?;
    decision.check_content(&located.layer.digest)?;
    let (world, bytes) = server.worlds.of(server, &located.layer).await?;
    let task = decision.task(&world)?;
    let engine = EngineKind::of(&world);
    let read = async {
        match bytes {
            Some(bytes) => Ok(bytes),
            None => content::read(&server.store, &located.layer).await,
        }
    };
    let code = server.cache.code(&located.layer.digest, engine, read).await?;
    let mounts = decision.volumes().iter().map(open_volume).collect::<Result<_, _>>()?;
    Ok(Prepared { engine, code, task, mounts })
}

fn open_volume(volume: &Volume) -> Result<Granted, Failure> {
    let source = open_beneath(&volume.base, &volume.relative).map_err(|error| {
        Outcome::because(code::GRANT_REFUSED, format!("grant refused: {}: {}", volume.target, chain(&error)))
    })?;
    Ok(Granted { source, target: volume.target.clone(), read_only: volume.read_only })
}

/// Worlds of components that this server has seen, by the digest of their bytes.
#[derive(Debug, Default)]
pub(super) struct Worlds(Mutex<HashMap<Digest, Arc<World>>>);

impl Worlds {
    /// The world of a component, and its bytes if they had to be read for it.
    async fn of(
        &self,
        server: &Server,
        layer: &Descriptor,
    ) -> Result<(Arc<World>, Option<Vec<u8>>), Failure> {
        if let Some(world) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&layer.digest) {
            return Ok((Arc::clone(world), None));
        }
        let bytes = content::read(&server.store, layer).await?;
        let inspected = spawn_blocking(move || (morph_component::inspect(&bytes), bytes)).await;
        let (world, bytes) = inspected.map_err(|error| Failure::Fault(Fault::internal(&error)))?;
        let world = world.map_err(|error| Outcome::because(code::BAD_COMPONENT, chain(&error)))?;
        let world = Arc::new(world);
        let mut worlds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if worlds.len() >= WORLDS_MAX {
            worlds.clear();
        }
        worlds.insert(layer.digest.clone(), Arc::clone(&world));
        Ok((world, Some(bytes)))
    }
}
