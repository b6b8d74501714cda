//! `wasi:random`: the system's random numbers, or, where the Morph gives a seed, the same numbers in every
//! instance of every run. With a seed nothing is secret any more, `wasi:random/random` included.

use super::{Linked, Place, Track, V0_2, V0_3, known, serve};
use crate::Task;
use crate::limits::RANDOM_BYTES_MAX;
use crate::store::State;
use rand_core::TryRng;
use std::convert::Infallible;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::random as p2;
use wasmtime_wasi::p3::bindings::random as p3;
use wasmtime_wasi::random::WasiRandom;

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("random/insecure", V0_2) => serve!(l, p2::insecure, WasiRandom, random),
        ("random/insecure", V0_3) => serve!(l, p3::insecure, WasiRandom, random),
        ("random/insecure-seed", V0_2) => serve!(l, p2::insecure_seed, WasiRandom, random),
        ("random/insecure-seed", V0_3) => serve!(l, p3::insecure_seed, WasiRandom, random),
        ("random/random", V0_2) => serve!(l, p2::random, WasiRandom, random),
        ("random/random", V0_3) => serve!(l, p3::random, WasiRandom, random),
        _ => return known(None),
    }))
}

/// The default generators are seeded by the system for each store; the size of a call is bounded in any case.
pub(crate) fn give(wasi: &mut WasiCtxBuilder, task: &Task) {
    wasi.max_random_size(RANDOM_BYTES_MAX);
    if let Some(seed) = task.grants.determinism.as_ref().and_then(|determinism| determinism.seed) {
        // A sequence of its own for each interface: what a guest takes from one doesn't move the others.
        let mut seeds = Seeded(seed);
        wasi.secure_random(Seeded(seeds.next()));
        wasi.insecure_random(Seeded(seeds.next()));
        wasi.insecure_random_seed(u128::from(seeds.next()) << 64 | u128::from(seeds.next()));
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014), written out here so that no library's update changes what a seed
/// means.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half: the better one.
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for piece in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            piece.copy_from_slice(&number[..piece.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
