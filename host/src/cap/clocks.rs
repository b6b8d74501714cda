//! `wasi:clocks`: the machine's own clocks, for every guest.

use super::{Linked, Track, V0_2, V0_3, known};
use crate::store::State;
use wasmtime::component::Linker;
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::clocks as p2;
use wasmtime_wasi::p3::bindings::clocks as p3;

pub(crate) fn link(l: &mut Linker<State>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("clocks/monotonic-clock", V0_2) => {
            p2::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)
        }
        ("clocks/monotonic-clock", V0_3) => {
            p3::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)
        }
        ("clocks/wall-clock", V0_2) => p2::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks),
        ("clocks/system-clock", V0_3) => p3::system_clock::add_to_linker::<_, WasiClocks>(l, State::clocks),
        ("clocks/types", V0_3) => p3::types::add_to_linker::<_, WasiClocks>(l, State::clocks),
        _ => return known(None),
    }))
}
