//! `wasi:io`: streams and pollables of 0.2. Types alone: what they stand for comes from other interfaces.

use super::{Linked, Track, V0_2, known};
use crate::store::State;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io as p2;

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

fn table(state: &mut State) -> &mut ResourceTable {
    state.ctx().table
}

pub(crate) fn link(l: &mut Linker<State>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("io/error", V0_2) => p2::error::add_to_linker::<_, Table>(l, table),
        ("io/poll", V0_2) => p2::poll::add_to_linker::<_, Table>(l, table),
        ("io/streams", V0_2) => p2::streams::add_to_linker::<_, Table>(l, table),
        _ => return known(None),
    }))
}
