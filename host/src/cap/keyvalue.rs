//! `wasi:keyvalue`: buckets in the worker's memory, each with its bound.

use super::{Linked, Track, known};
use crate::store::State;
use wasmtime::component::Linker;

pub(crate) fn link(_: &mut Linker<State>, _: &str, _: Track) -> Linked {
    known(None)
}
