//! `wasi:random`: the system's random numbers, for every guest.

use super::{Linked, Track, V0_2, V0_3, known};
use crate::limits::RANDOM_BYTES_MAX;
use crate::store::State;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::random as p2;
use wasmtime_wasi::p3::bindings::random as p3;
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

pub(crate) fn link(l: &mut Linker<State>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("random/insecure", V0_2) => p2::insecure::add_to_linker::<_, WasiRandom>(l, State::random),
        ("random/insecure", V0_3) => p3::insecure::add_to_linker::<_, WasiRandom>(l, State::random),
        ("random/insecure-seed", V0_2) => p2::insecure_seed::add_to_linker::<_, WasiRandom>(l, State::random),
        ("random/insecure-seed", V0_3) => p3::insecure_seed::add_to_linker::<_, WasiRandom>(l, State::random),
        ("random/random", V0_2) => p2::random::add_to_linker::<_, WasiRandom>(l, State::random),
        ("random/random", V0_3) => p3::random::add_to_linker::<_, WasiRandom>(l, State::random),
        _ => return known(None),
    }))
}

/// The default generators are seeded by the system for each store; only the size of a call is bounded.
pub(crate) fn give(wasi: &mut WasiCtxBuilder) {
    wasi.max_random_size(RANDOM_BYTES_MAX);
}
