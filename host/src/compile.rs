//! Component bytes to machine code. It takes what time and memory it takes: the caller bounds the process.

use crate::engine::{self, EngineError, EngineKind};

/// Why bytes gave no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The bytes are neither a component nor what becomes one.
    #[error(transparent)]
    Bytes(#[from] morph_component::Error),
    /// The bytes are no component, or use what the engine has off.
    #[error("the component can't be compiled for the {kind} engine")]
    Component {
        /// Which engine.
        kind: EngineKind,
        /// What was wrong.
        #[source]
        source: anyhow::Error,
    },
}

/// Compiles a component for the engine of this kind; a command of WASI preview 1 as the component that it
/// becomes. Only binary forms are taken, never text.
///
/// # Errors
/// [`CompileError`], with the compiler's reason. The baseline compiler refuses some of what the other takes.
pub fn compile(bytes: &[u8], kind: EngineKind) -> Result<Vec<u8>, CompileError> {
    let engine = engine::compiling_engine(kind)?;
    let bytes = &morph_component::adapt(bytes)?;
    let refused = |error: wasmtime::Error| CompileError::Component { kind, source: error.into() };
    engine.inner.precompile_component(bytes).map_err(refused)
}
