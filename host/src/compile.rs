//! Component bytes to machine code. It takes what time and memory it takes: the caller bounds the process.

use crate::engine::{self, EngineError, EngineKind};

/// Why bytes gave no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
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

/// Compiles a component for the engine of this kind. Only binary components are taken, never text.
///
/// # Errors
/// [`CompileError`], with the compiler's reason.
pub fn compile(bytes: &[u8], kind: EngineKind) -> Result<Vec<u8>, CompileError> {
    let engine = engine::compiling_engine(kind)?;
    let refused = |error: wasmtime::Error| CompileError::Component { kind, source: error.into() };
    engine.inner.precompile_component(bytes).map_err(refused)
}
