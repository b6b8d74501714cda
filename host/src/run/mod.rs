//! Runs a program as a task says: the import check, then command or server, then the last words.

mod command;
mod failure;
mod serve;

use crate::stdio::Streams;
use crate::store::Stores;
use crate::ticker::Ticker;
use crate::{OnDenial, Outcome, Program, Run, Stdio, Stop, Task, code, linker, words};
use morph_component::Kind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long output may go on being written after stop has been said, in milliseconds. A reader that is there
/// takes a full queue in a few; one that is gone must not keep a pod from ending.
const LAST_OUTPUT_MILLIS_MAX: u64 = 500;

/// Runs `program` as `task` says, on the caller's tokio runtime (one with time and I/O), until it ends or
/// `stop` has been said and obeyed. `listening` is called once when a server accepts connections,
/// `denied` with each thing that the guest was refused (the guest's log has it too, but for repetitions).
///
/// Whatever ends it is in the [`Outcome`]; where that carries a message, the guest's standard error has it
/// too. All output of the guest is written when this returns, unless stop was said and nobody reads.
pub async fn run(
    program: Program,
    task: Task,
    stdio: Stdio,
    stop: Stop,
    listening: impl FnOnce(SocketAddr) + Send,
    denied: Option<OnDenial>,
) -> Outcome {
    let streams = Streams::new(stdio, &task.limits);
    let mut outcome = start(&program, task, &streams, &stop, (listening, denied)).await;
    outcome.message = outcome.message.map(|message| words::cut(&message, failure::MESSAGE_BYTES_MAX));
    if let Some(message) = &outcome.message {
        streams.stderr.say(message);
    }
    let stopped = async {
        stop.stopped().await;
        tokio::time::sleep(Duration::from_millis(LAST_OUTPUT_MILLIS_MAX)).await;
    };
    tokio::select! {
        () = streams.drained() => {}
        () = stopped => tracing::warn!("stopped with output that nobody reads"),
    }
    outcome
}

async fn start(
    program: &Program,
    task: Task,
    streams: &Streams,
    stop: &Stop,
    (listening, denied): (impl FnOnce(SocketAddr) + Send, Option<OnDenial>),
) -> Outcome {
    let kind = match &task.run {
        Run::Command => Kind::Command,
        Run::Server(_) => Kind::Server,
    };
    let entry = match program.entry(kind) {
        Ok(entry) => entry,
        Err(error) => return Outcome::because(code::BAD_COMPONENT, error.to_string()),
    };
    let instance = match linker::link(program, &task) {
        Ok(instance) => instance,
        Err(outcome) => return outcome,
    };
    let ticker = match Ticker::start(&program.engine.inner) {
        Ok(ticker) => ticker,
        Err(error) => return Outcome::because(code::LIMIT, format!("no thread can be started: {error}")),
    };
    let task = Arc::new(task);
    let stores = Stores::new(program.engine.clone(), task.clone(), streams.clone(), ticker, denied);
    match &task.run {
        Run::Command => command::run(&instance, entry.preview, &stores, stop).await,
        Run::Server(http) => {
            serve::run(&instance, entry.preview, stores, streams, (http, stop), listening).await
        }
    }
}
