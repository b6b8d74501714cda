//! The components that were decided on: found in containerd's store and looked at, and the code that is made
//! of them. Of what is large nothing is kept in memory until it is its turn.

use super::super::worlds::HANDED_ON_BYTES_MAX;
use super::{Failure, Server};
use crate::cache;
use crate::compile::parts::Writer;
use crate::content::{self, Descriptor, Store};
use crate::grant::{Component, Decision, chain};
use morph_component::{COMPONENT_SIZE_BYTES_MAX, ComposeError, Plan, World};
use morph_grant::{Digest, composed_digest};
use morph_host::{EngineKind, Outcome, code};
use std::sync::Arc;

/// A component that was found.
pub(super) struct Found {
    layer: Descriptor,
    pub(super) world: Arc<World>,
    /// Its bytes, where they had to be read and are few.
    bytes: Option<Vec<u8>>,
}

/// Finds the components of a decision; each is of the bytes that the decision names.
pub(super) async fn find(server: &Server, decision: &Decision) -> Result<Vec<Found>, Failure> {
    let mut all = Vec::new();
    let mut handed_on_bytes = 0;
    for component in decision.components() {
        let found = find_one(server, &component).await;
        let mut found = found.map_err(|failure| failure.of_component(&component))?;
        handed_on_bytes += found.bytes.as_ref().map_or(0, Vec::len);
        if handed_on_bytes > HANDED_ON_BYTES_MAX {
            found.bytes = None;
        }
        all.push(found);
    }
    check_size(&all)?;
    Ok(all)
}

async fn find_one(server: &Server, component: &Component) -> Result<Found, Failure> {
    let located = server.locations.of(&server.store, &component.source).await?;
    component.check_content(&located.layer.digest)?;
    let (world, bytes) = server.worlds.of(&server.store, &located.layer).await?;
    Ok(Found { layer: located.layer, world, bytes })
}

/// Together they may be as large as one may be alone.
fn check_size(all: &[Found]) -> Result<(), Outcome> {
    let size_bytes = all.iter().map(|found| found.layer.size_bytes).fold(0, u64::saturating_add);
    let max_bytes = COMPONENT_SIZE_BYTES_MAX;
    if all.len() < 2 || size_bytes <= max_bytes {
        return Ok(());
    }
    let error = ComposeError::TooLarge { size_bytes, max_bytes };
    Err(Outcome::because(code::BAD_COMPONENT, chain(&error)))
}

/// The code of a component, or of what these components are composed to by their plan.
pub(super) async fn code(
    server: &Server,
    mut found: Vec<Found>,
    plan: Option<Plan>,
) -> Result<cache::Code, Failure> {
    let engine = EngineKind::of_parts(found.iter().map(|found| &*found.world));
    if let Some(plan) = plan {
        let contents: Vec<Digest> = found.iter().map(|found| found.layer.digest.clone()).collect();
        let digest = composed_digest(&plan, &contents);
        let parts = parts(&server.store, &plan, &contents, found);
        return Ok(server.cache.code(&digest, engine, parts).await?);
    }
    let Some(one) = found.pop() else {
        return Err(Outcome::because(code::BAD_COMPONENT, "there is no component").into());
    };
    let digest = one.layer.digest.clone();
    Ok(server.cache.code(&digest, engine, one.read(&server.store)).await?)
}

type ReadError = Box<dyn std::error::Error + Send + Sync>;

/// What a composition is made of, for whoever composes it.
async fn parts(
    store: &dyn Store,
    plan: &Plan,
    contents: &[Digest],
    found: Vec<Found>,
) -> Result<Vec<u8>, ReadError> {
    let sizes = found.iter().map(|found| usize::try_from(found.layer.size_bytes));
    let follow_bytes = sizes.sum::<Result<usize, _>>()?;
    let mut writer = Writer::begin(plan, contents, follow_bytes)?;
    for found in found {
        writer.add(&found.read(store).await?);
    }
    Ok(writer.done())
}

impl Found {
    /// A large one is read again, once it is its turn: what waits holds none in memory.
    async fn read(self, store: &dyn Store) -> Result<Vec<u8>, content::ContentError> {
        match self.bytes {
            Some(bytes) => Ok(bytes),
            None => content::read(store, &self.layer).await,
        }
    }
}

#[cfg(test)]
mod tests;
