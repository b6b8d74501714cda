//! The engines: one without anything of WASI 0.3, which makes calls cheaper, and one with it; each also for
//! code of the baseline compiler, which is made sooner and runs slower. They allow what
//! `morph_component::FEATURES` allows and nothing more. Making one starts no thread.

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
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmBacktraceDetails,
    WasmFeatures,
};

/// Component instances alive at once in a process: the requests worked on, and those whose instances are
/// being taken down meanwhile.
pub(crate) const INSTANCES_MAX: u32 = 2 * CONCURRENT_REQUESTS_MAX as u32;

/// Stack of a guest, in bytes. Deep recursion of interpreters takes most of it.
const WASM_STACK_BYTES: usize = 1 << 20;

/// The same for code of the baseline compiler, which keeps every local in memory: what is deep enough in
/// optimized code must not trap because a node sees the component for the first time.
const BASELINE_WASM_STACK_BYTES: usize = 8 * WASM_STACK_BYTES;

/// What our own functions need of the stack that they share with the guest's, in bytes.
const HOST_STACK_BYTES: usize = 1 << 20;

/// What the baseline compiler lacks of [`FEATURES`]. A component that uses it is compiled by the other.
const NOT_IN_BASELINE: WasmFeatures = WasmFeatures::TAIL_CALL.union(WasmFeatures::RELAXED_SIMD);

/// Functions shown on the way to a trap, the innermost: what does not end goes deeper than anybody reads.
const BACKTRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Which engine a component runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EngineKind {
    /// WASI 0.2.
    P2,
    /// WASI 0.3, and 0.2 beside it.
    P3,
    /// As [`Self::P2`], for code of the baseline compiler.
    P2Baseline,
    /// As [`Self::P3`], for code of the baseline compiler.
    P3Baseline,
}

impl EngineKind {
    /// All.
    pub const ALL: [Self; 4] = [Self::P2, Self::P3, Self::P2Baseline, Self::P3Baseline];

    /// Those whose code is optimized.
    pub const OPTIMIZED: [Self; 2] = [Self::P2, Self::P3];

    /// The engine for a component: 0.3 where any interface that it imports or exports is of WASI 0.3.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let is_0_3 = |version: &semver::Version| (version.major, version.minor) == (0, 3);
        let mut all = world.imports.iter().chain(&world.exports);
        let any = all.any(|id| id.namespace == "wasi" && id.version.as_ref().is_some_and(is_0_3));
        if any { Self::P3 } else { Self::P2 }
    }

    /// The engine for a composition of such components: 0.3 where any of them needs it.
    #[must_use]
    pub fn of_parts<'a>(worlds: impl IntoIterator<Item = &'a World>) -> Self {
        if worlds.into_iter().any(|world| Self::of(world) == Self::P3) { Self::P3 } else { Self::P2 }
    }

    /// The engine for code of the same component that the baseline compiler has made: four to eight times as
    /// soon, and slower where much is computed.
    #[must_use]
    pub fn baseline(self) -> Self {
        match self {
            Self::P2 | Self::P2Baseline => Self::P2Baseline,
            Self::P3 | Self::P3Baseline => Self::P3Baseline,
        }
    }

    /// Whether its code is the baseline compiler's.
    #[must_use]
    pub fn is_baseline(self) -> bool {
        self == self.baseline()
    }

    fn is_concurrent(self) -> bool {
        self.baseline() == Self::P3Baseline
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P2 => "p2",
            Self::P3 => "p3",
            Self::P2Baseline => "p2-baseline",
            Self::P3Baseline => "p3-baseline",
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
    /// Which one it is.
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

/// Makes an engine that runs guests and could compile them: for tools. It reserves address space for all
/// instances that may ever be, and uses memory only for those that are.
///
/// # Errors
/// [`EngineError`] where the machine can't.
pub fn engine(kind: EngineKind) -> Result<Engine, EngineError> {
    make(kind, &running(kind))
}

/// The same for nodes: it loads what [`crate::compile()`] has made and has no compiler, whose code would
/// otherwise be in the memory of every process. wasmtime knows the baseline compiler's calling convention by
/// that compiler alone: engines of those kinds have it.
///
/// # Errors
/// [`EngineError`] where the machine can't.
pub fn running_engine(kind: EngineKind) -> Result<Engine, EngineError> {
    let mut config = running(kind);
    config.enable_compiler(kind.is_baseline());
    make(kind, &config)
}

fn running(kind: EngineKind) -> Config {
    let mut config = config(kind);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
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
    let (strategy, wasm_stack) = match kind.is_baseline() {
        true => (Strategy::Winch, BASELINE_WASM_STACK_BYTES),
        false => (Strategy::Cranelift, WASM_STACK_BYTES),
    };
    let mut config = Config::new();
    config
        .strategy(strategy)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(wasm_stack)
        .async_stack_size(wasm_stack + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES_MAX))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .concurrency_support(kind.is_concurrent());
    let mut features = FEATURES;
    features.set(WasmFeatures::CM_ASYNC, kind.is_concurrent());
    if kind.is_baseline() {
        features.remove(NOT_IN_BASELINE);
    }
    config.wasm_features(features, true).wasm_features(features.complement(), false);
    config
}

/// What of a slot's table is set to zero rather than mapped away, in bytes: most tables of functions fit, and
/// mapping a page away and back costs ten times as much.
const TABLE_KEPT_BYTES: usize = 4 << 10;

/// Memories and tables that are mapped away together, in number: each time every processor that the worker
/// runs on is interrupted. So many may wait for it in a worker that has nothing to do.
const DECOMMIT_BATCH: usize = 8;

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
        .table_keep_resident(TABLE_KEPT_BYTES)
        .decommit_batch_size(DECOMMIT_BATCH)
        .pagemap_scan(Enabled::No);
    pool
}

#[cfg(test)]
mod tests;
