//! `wasi:config/store`: the granted entries, read anew where they come from a file.

use super::{Linked, Track, known};
use crate::store::State;
use wasmtime::component::Linker;

pub(crate) fn link(_: &mut Linker<State>, _: &str, _: Track) -> Linked {
    known(None)
}
