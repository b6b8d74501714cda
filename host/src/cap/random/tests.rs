//! Tests of seeded random numbers, as both generations of the interfaces give them.
#![allow(clippy::unwrap_used)]
use super::p2::{insecure, insecure_seed, random};
use super::p3::{insecure as insecure_p3, insecure_seed as insecure_seed_p3, random as random_p3};
use super::*;
use crate::Run;
use morph_grant::Determinism;
use wasmtime_wasi::WasiCtx;

fn instance(seed: Option<u64>) -> WasiCtx {
    let mut task = Task::ungranted("guest", Run::Command);
    task.grants.determinism = Some(Determinism { seed, clock_unix_millis: None, clock_step_millis: None });
    let mut wasi = WasiCtxBuilder::new();
    give(&mut wasi, &task);
    wasi.build()
}

/// Something of each interface of 0.2, and the same questions to 0.3.
type Numbers = (Vec<u8>, u64, Vec<u8>, u64, (u64, u64));

fn numbers(seed: Option<u64>) -> Numbers {
    let mut wasi = instance(seed);
    let wasi = wasi.random();
    (
        random::Host::get_random_bytes(wasi, 13).unwrap(),
        random::Host::get_random_u64(wasi).unwrap(),
        insecure::Host::get_insecure_random_bytes(wasi, 13).unwrap(),
        insecure::Host::get_insecure_random_u64(wasi).unwrap(),
        insecure_seed::Host::insecure_seed(wasi).unwrap(),
    )
}

fn numbers_p3(seed: Option<u64>) -> Numbers {
    let mut wasi = instance(seed);
    let wasi = wasi.random();
    (
        random_p3::Host::get_random_bytes(wasi, 13).unwrap(),
        random_p3::Host::get_random_u64(wasi).unwrap(),
        insecure_p3::Host::get_insecure_random_bytes(wasi, 13).unwrap(),
        insecure_p3::Host::get_insecure_random_u64(wasi).unwrap(),
        insecure_seed_p3::Host::get_insecure_seed(wasi).unwrap(),
    )
}

#[test]
fn each_instance_gets_the_same_numbers_in_both_generations() {
    for seed in [0, 7, u64::MAX] {
        let first = numbers(Some(seed));
        assert_eq!(first, numbers(Some(seed)));
        assert_eq!(first, numbers_p3(Some(seed)));
    }
}

#[test]
fn another_seed_is_another_sequence_and_without_one_each_instance_has_its_own() {
    for (one, other) in [(Some(7), Some(8)), (None, None), (Some(7), None)] {
        let (one, other) = (numbers(one), numbers(other));
        assert_ne!(one.0, other.0);
        assert_ne!(one.2, other.2);
        assert_ne!(one.4, other.4);
    }
}

#[test]
fn the_interfaces_have_sequences_of_their_own() {
    let all = numbers(Some(7));
    assert_ne!(all.0, all.2);
    assert_ne!(all.1, all.3);
    let mut wasi = instance(Some(7));
    let wasi = wasi.random();
    // Not moved by what was taken from the other one before.
    assert_eq!(insecure::Host::get_insecure_random_bytes(wasi, 13).unwrap(), all.2);
}

/// The vector of the algorithm's authors for this seed: a seed means the same numbers for ever.
#[test]
fn the_generator_is_the_published_one() {
    let mut seeded = Seeded(1_234_567);
    let numbers = [(); 3].map(|()| seeded.next());
    assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
}

#[test]
fn bytes_come_from_the_numbers_whatever_their_count() {
    let mut seeded = Seeded(7);
    let numbers = [seeded.next().to_le_bytes(), seeded.next().to_le_bytes()].concat();
    for count in 0..=16 {
        let mut bytes = vec![0; count];
        Seeded(7).try_fill_bytes(&mut bytes).unwrap();
        assert_eq!(bytes, numbers[..count]);
    }
    assert_eq!(Seeded(7).try_next_u32().unwrap(), (Seeded(7).next() >> 32) as u32);
    assert_eq!(Seeded(7).try_next_u64().unwrap(), Seeded(7).next());
}

#[test]
fn a_seed_does_not_lift_the_bound_of_a_call() {
    let mut wasi = instance(Some(7));
    let asked = random::Host::get_random_bytes(wasi.random(), RANDOM_BYTES_MAX + 1);
    assert!(asked.is_err());
}
