//! The two engines: one without anything of WASI 0.3, which makes calls cheaper, and one with it. They allow
//! what `morph_component::FEATURES` allows and nothing more. Making one starts no thread.

use crate::limits::{
    CONCURRENT_REQUESTS_MAX, CORE_INSTANCES_MAX, MEMORIES_MAX, MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX,
    TABLES_MAX,
};
use morph_component::{FEATURES, World};
use morph_grant::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
};

/// Component instances alive at once in a process: the requests worked on, and those whose instances are
/// being taken down meanwhile.
pub(crate) const INSTANCES_MAX: u32 = 2 * CONCURRENT_REQUESTS_MAX as u32;

/// Stack of a guest, in bytes. Deep recursion of interpreters takes most of it.
const WASM_STACK_BYTES: usize = 1 << 20;

/// Stack on which guest and host functions run, in bytes: the guest's, and 1 MiB for ours.
const ASYNC_STACK_BYTES: usize = 2 << 20;

/// Functions shown on the way to a trap, the innermost: what does not end goes deeper than anybody reads.
const BACKTRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Which engine a component runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EngineKind {
    /// WASI 0.2.
    P2,
    /// WASI 0.3, and 0.2 beside it.
    P3,
}

impl EngineKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::P2, Self::P3];

    /// The engine for a component: 0.3 where any interface that it imports or exports is of WASI 0.3.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let is_0_3 = |version: &semver::Version| (version.major, version.minor) == (0, 3);
        let mut all = world.imports.iter().chain(&world.exports);
        let any = all.any(|id| id.namespace == "wasi" && id.version.as_ref().is_some_and(is_0_3));
        if any { Self::P3 } else { Self::P2 }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P2 => "p2",
            Self::P3 => "p3",
        })
    }
}

/// An engine that runs guests. Cloning it shares it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) kind: EngineKind,
    pub(crate) inner: wasmtime::Engine,
}

impl Engine {
    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.kind
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.kind)
    }
}

/// An engine that can't be made: this machine lacks what it needs (mostly address space).
#[derive(Debug, thiserror::Error)]
#[error("the {kind} engine can't be made")]
pub struct EngineError {
    kind: EngineKind,
    #[source]
    source: anyhow::Error,
}

/// Makes the engine that runs guests. It reserves address space for all instances that may ever be, and uses
/// memory only for those that are.
///
/// # Errors
/// [`EngineError`] where the machine can't.
pub fn engine(kind: EngineKind) -> Result<Engine, EngineError> {
    let mut config = config(kind);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    make(kind, &config)
}

/// Makes an engine that only compiles: it reserves nothing, so that it works under an address space limit.
pub(crate) fn compiling_engine(kind: EngineKind) -> Result<Engine, EngineError> {
    make(kind, &config(kind))
}

/// What compiled code fits: two equal hashes mean that code of one engine loads into the other, and is what
/// the other would make. It changes with wasmtime, with our settings, with what the processor can do, and
/// with the adapter of WASI preview 1.
///
/// # Errors
/// [`EngineError`] where no engine can be made.
pub fn engine_hash(kind: EngineKind) -> Result<String, EngineError> {
    Ok(hash(&compiling_engine(kind)?))
}

pub(crate) fn hash(engine: &Engine) -> String {
    let mut bytes = Bytes(Vec::new());
    engine.inner.precompile_compatibility_hash().hash(&mut bytes);
    Digest::of(morph_component::preview1_adapter()).hex().hash(&mut bytes);
    Digest::of(&bytes.0).hex().to_owned()
}

/// Collects what is hashed: std's own hashes may change with the compiler.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn make(kind: EngineKind, config: &Config) -> Result<Engine, EngineError> {
    let inner = wasmtime::Engine::new(config).map_err(|error| EngineError { kind, source: error.into() })?;
    Ok(Engine { kind, inner })
}

/// What compiled code depends on.
fn config(kind: EngineKind) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES_MAX))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .concurrency_support(kind == EngineKind::P3);
    let features = match kind {
        EngineKind::P2 => FEATURES.difference(WasmFeatures::CM_ASYNC),
        EngineKind::P3 => FEATURES,
    };
    config.wasm_features(features, true).wasm_features(features.complement(), false);
    config
}

/// Slots for everything that may be alive at once; what a slot held is mapped away, not kept. Page map scans
/// stay off: wasmtime opens `/proc/self/pagemap` with the engine and renews it in the C library's fork hook,
/// which a bare `clone3` doesn't call; a worker would then ask about its zygote's pages and could leave
/// one guest's memory to the next.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * 8)
        .total_memories(INSTANCES_MAX * 2)
        .total_tables(INSTANCES_MAX * 4)
        .total_stacks(INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memory_size(usize::try_from(MEMORY_BYTES_MAX).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS_MAX)
        .pagemap_scan(Enabled::No);
    pool
}

#[cfg(test)]
mod tests;
