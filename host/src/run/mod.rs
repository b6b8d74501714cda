//! Runs a program as a task says: the import check, then command or server, then the last words.

use crate::{Outcome, Program, Stdio, Stop, Task, code};
use std::net::SocketAddr;

/// Runs `program` as `task` says, on the caller's tokio runtime (one with time and I/O), until it ends or
/// `stop` has been said and obeyed. `listening` is called once when a server accepts connections.
///
/// Whatever ends it is in the [`Outcome`]; where that carries a message, the guest's standard error has it
/// too. All output of the guest has been written when this returns.
pub async fn run(
    program: Program,
    task: Task,
    stdio: Stdio,
    stop: Stop,
    listening: impl FnOnce(SocketAddr) + Send,
) -> Outcome {
    let _ = (program, task, stdio, stop, listening);
    Outcome::because(code::BAD_COMPONENT, "not wired yet")
}
