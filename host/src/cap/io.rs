//! `wasi:io`: streams and pollables of 0.2. Types alone: what they stand for comes from other interfaces.

use super::{Linked, Place, Track, V0_2, known};
use crate::store::State;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::p2::bindings::io as p2;

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("io/error", V0_2) => p2::error::add_to_linker_instance::<_, Table>(&mut l.instance()?, State::table),
        ("io/poll", V0_2) => p2::poll::add_to_linker_instance::<_, Table>(&mut l.instance()?, State::table),
        ("io/streams", V0_2) => {
            p2::streams::add_to_linker_instance::<_, Table>(&mut l.instance()?, State::table)
        }
        _ => return known(None),
    }))
}
