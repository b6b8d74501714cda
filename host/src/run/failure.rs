//! What an error that came out of a guest means: its own exit, a limit, or a trap with the way to it.

use crate::limits::Hit;
use crate::store::State;
use crate::{Outcome, code, words};
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

/// Bytes of the cause in a message. What a host's function says of a guest's own data may be as long as that.
const CAUSE_BYTES_MAX: usize = 512;

/// Bytes of a part's name in a message: a plug's is a label of DNS.
const PART_BYTES_MAX: usize = 63;

/// Bytes of a whole message: the kubelet reads the last 4096 of a termination message, and the first line,
/// with the cause, must be among them.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4096;

/// The outcome of a call that failed.
pub(crate) fn outcome(error: &wasmtime::Error, store: &Store<State>) -> Outcome {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return exited((status & 0xff) as u8, store); // as the system does with an exit status
    }
    let part = if store.data().is_composed() { part(error) } else { None };
    match hit(error, store.data().limiter.hit()) {
        Some(hit) => {
            let part = part.map(|part| format!(", {part}")).unwrap_or_default();
            Outcome::because(code::LIMIT, format!("{hit}{part}{}", backtrace(error)))
        }
        None => Outcome::because(code::TRAP, trap(error, part)),
    }
}

/// The guest's own exit. Where it failed after a growth was refused, that is worth a word: an interpreter
/// that runs out of memory often ends by itself.
pub(crate) fn exited(code: u8, store: &Store<State>) -> Outcome {
    let hit = store.data().limiter.hit().filter(|_| code != 0);
    Outcome { code, message: hit.map(|hit| format!("{hit}; it then exited with code {code}")) }
}

/// The limit that explains the error: one that it names itself, or `refused`, the last growth that was
/// refused.
fn hit(error: &wasmtime::Error, refused: Option<Hit>) -> Option<Hit> {
    let named = error.downcast_ref::<Hit>().copied().or_else(|| of_library(error));
    named.or_else(|| refused.filter(|_| may_come_of_a_growth(error)))
}

/// Whether a refused growth may be why: then no instance was made, or the guest's own allocator gave up,
/// which is an `unreachable` in every language. A division by zero is a trap, whatever was refused before.
fn may_come_of_a_growth(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<Trap>().is_none_or(|trap| *trap == Trap::UnreachableCodeReached)
}

/// The limits that we set and wasmtime holds. For some it has no error type: a test for each knows the words.
fn of_library(error: &wasmtime::Error) -> Option<Hit> {
    if is_exhausted(error) {
        return Some(Hit::Instances);
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some(Hit::Handles);
    }
    if let Some(FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig) = error.downcast_ref() {
        return Some(Hit::Fields);
    }
    let cause = error.root_cause().to_string();
    if cause.ends_with(": store handle limit exceeded") || cause == "resource table has no free keys" {
        Some(Hit::Handles)
    } else if cause.starts_with("too much data is being copied between the host and the guest") {
        Some(Hit::HostCopy)
    } else if cause.starts_with("requested len ") && cause.contains(" exceeds limit ") {
        Some(Hit::Random)
    } else {
        None
    }
}

/// Whether an instance couldn't be made because a bound of the engine's pool was reached.
pub(crate) fn is_exhausted(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::PoolConcurrencyLimitError>()
}

/// Words for a trap: its cause in the first line, then the functions on the way to it.
fn trap(error: &wasmtime::Error, part: Option<String>) -> String {
    let part = part.map(|part| format!(" {part}")).unwrap_or_default();
    match error.downcast_ref::<Trap>() {
        Some(trap) => {
            let cause = trap.to_string();
            let cause = cause.strip_prefix("wasm trap: ").unwrap_or(&cause);
            format!("the guest trapped{part}: {cause}{}", backtrace(error))
        }
        None => {
            let cause = words::one_line(&error.root_cause().to_string(), CAUSE_BYTES_MAX);
            format!("the guest failed{part}: {cause}{}", backtrace(error))
        }
    }
}

/// Where in a composition it happened: the part, as the name of the innermost module says that has one: the
/// composer names each module of a part, so that no part can spell another's name there. What the engine puts
/// between parts has none: what goes wrong there is told of the part that called.
fn part(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let mut names = frames.iter().map(|frame| frame.module().name()).enumerate();
    let part_of = |(depth, name): (usize, Option<_>)| Some((depth, morph_component::part_of_module(name?)?));
    let (depth, part) = names.find_map(part_of)?;
    let part = words::one_line(part, PART_BYTES_MAX);
    Some(match depth {
        0 => format!("in part {part}"),
        _ => format!("in a call of part {part} to another"),
    })
}

/// The innermost functions, of which the engine keeps a bounded number; their names are the guest's words.
fn backtrace(error: &wasmtime::Error) -> String {
    let Some(frames) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let frames = frames.to_string();
    let frames = frames.strip_prefix("error while executing at ").unwrap_or(&frames);
    words::lines(&format!("\n{frames}"), MESSAGE_BYTES_MAX - CAUSE_BYTES_MAX)
}
