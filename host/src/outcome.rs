//! How a run ended: an exit code, and words where the guest gave none. It decides no code by itself.

use serde::{Deserialize, Serialize};

/// Exit codes where the guest gave none. They lie above what programs use and beside the shell's
/// `128 + signal`, with which they are never mixed up: the message says which it was.
pub mod code {
    /// All went well.
    pub const DONE: u8 = 0;
    /// Compiling took too long or too much, or the compiler refused.
    pub const COMPILE_FAILED: u8 = 124;
    /// The grant document doesn't fit what is to run.
    pub const GRANT_REFUSED: u8 = 125;
    /// An import isn't granted.
    pub const IMPORT_DENIED: u8 = 126;
    /// No component, or none that can be run.
    pub const BAD_COMPONENT: u8 = 127;
    /// The guest trapped.
    pub const TRAP: u8 = 134;
    /// The guest ran into one of its limits.
    pub const LIMIT: u8 = 135;
    /// A command was told to stop (128 + SIGTERM).
    pub const STOPPED: u8 = 143;
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The exit code.
    pub code: u8,
    /// The termination message, where there is something to say. It stands on the guest's standard
    /// error as well.
    pub message: Option<String>,
}

impl Outcome {
    /// The guest's own exit code.
    #[must_use]
    pub fn exited(code: u8) -> Self {
        Self { code, message: None }
    }

    /// An end that needs words.
    #[must_use]
    pub fn because(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }
}
