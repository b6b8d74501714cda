//! Why a call fails, in gRPC's codes: containerd's reactions hang on them.

use crate::cgroup::CgroupError;
use crate::grant::chain;
use crate::process;
use crate::state::{Event, Refusal, State};

/// A call that fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no such task, or no process for it.
    #[error("{0}")]
    NotFound(String),
    /// There is one already.
    #[error("{0}")]
    AlreadyExists(String),
    /// Not in this state.
    #[error("{0}")]
    Precondition(String),
    /// A request that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// This runtime doesn't do it.
    #[error("not supported by this runtime: {0}")]
    Unimplemented(&'static str),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// There is no such thing.
    #[must_use]
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::NotFound(format!("{what} {id}: not found"))
    }

    /// An error with its causes.
    #[must_use]
    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self::Internal(chain(error))
    }

    /// What a process can't have: later perhaps, when a file system answers again.
    #[must_use]
    pub fn of_process(error: &process::Error) -> Self {
        match error {
            process::Error::Hangs { .. } => Self::Unavailable(chain(error)),
            other => Self::internal(other),
        }
    }

    /// What a cgroup can't be told.
    #[must_use]
    pub fn of_cgroup(error: &CgroupError) -> Self {
        match error {
            CgroupError::InUse { .. } => Self::Precondition(error.to_string()),
            other => Self::internal(other),
        }
    }

    pub(super) fn refused(refusal: Refusal, state: State, event: Event, id: &str) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound(format!("task {id} is {state}: no process")),
            Refusal::Precondition => {
                Self::Precondition(format!("task {id} is {state}: {event:?} is not possible"))
            }
        }
    }

    fn code(&self) -> ttrpc::Code {
        match self {
            Self::NotFound(_) => ttrpc::Code::NOT_FOUND,
            Self::AlreadyExists(_) => ttrpc::Code::ALREADY_EXISTS,
            Self::Precondition(_) => ttrpc::Code::FAILED_PRECONDITION,
            Self::Invalid(_) => ttrpc::Code::INVALID_ARGUMENT,
            Self::Unimplemented(_) => ttrpc::Code::UNIMPLEMENTED,
            Self::Unavailable(_) => ttrpc::Code::UNAVAILABLE,
            Self::Internal(_) => ttrpc::Code::INTERNAL,
        }
    }
}

impl From<Fault> for ttrpc::Error {
    fn from(fault: Fault) -> Self {
        Self::RpcStatus(ttrpc::get_status(fault.code(), fault))
    }
}
