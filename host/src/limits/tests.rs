//! Tests of `limits`.

mod documented;

use super::*;
use morph_grant::Limits;

const MIB: usize = 1 << 20;

fn limiter(mebibytes: Option<u64>) -> Limiter {
    Limiter::new(&Limits { memory_bytes: mebibytes.map(|mebibytes| mebibytes << 20), ..Limits::default() })
}

/// Grows by each of the steps (from, to) in MiB; answers which were allowed.
fn grow(limiter: &mut Limiter, steps: &[(usize, usize)]) -> Vec<bool> {
    let allowed =
        |(from, to): &(usize, usize)| limiter.memory_growing(from * MIB, to * MIB, None).is_ok_and(|ok| ok);
    steps.iter().map(allowed).collect()
}

#[test]
fn memories_of_one_store_share_the_limit() {
    let mut limiter = limiter(Some(10));
    assert_eq!(grow(&mut limiter, &[(0, 4), (0, 4), (4, 6)]), [true, true, true]);
    assert_eq!(limiter.hit(), None);
    assert_eq!(grow(&mut limiter, &[(4, 5)]), [false]);
    let want = Hit::Memory { wanted_bytes: 11 * MIB as u64, max_bytes: 10 * MIB as u64 };
    assert_eq!(limiter.hit(), Some(want));
}

#[test]
fn a_growth_that_fails_is_given_back() {
    let mut limiter = limiter(Some(10));
    assert_eq!(grow(&mut limiter, &[(0, 8)]), [true]);
    assert!(limiter.memory_grow_failed(wasmtime::format_err!("no memory")).is_ok());
    assert_eq!(grow(&mut limiter, &[(0, 8)]), [true]);
}

#[test]
fn a_refused_growth_counts_nothing() {
    let mut limiter = limiter(Some(10));
    assert_eq!(grow(&mut limiter, &[(0, 8), (8, 11), (8, 10)]), [true, false, true]);
    assert!(limiter.memory_grow_failed(wasmtime::format_err!("another")).is_ok());
}

#[test]
fn a_modules_own_maximum_is_no_limit_of_ours() {
    let mut limiter = limiter(Some(10));
    assert!(limiter.memory_growing(0, 2 * MIB, Some(MIB)).is_ok_and(|allowed| !allowed));
    assert!(limiter.table_growing(0, 20, Some(10)).is_ok_and(|allowed| !allowed));
    assert_eq!(limiter.hit(), None);
}

#[test]
fn without_a_limit_the_default_holds_and_none_is_above_the_largest() {
    let default = (MEMORY_BYTES_DEFAULT >> 20) as usize;
    assert_eq!(grow(&mut limiter(None), &[(0, default), (default, default + 1)]), [true, false]);
    let largest = (MEMORY_BYTES_MAX >> 20) as usize;
    assert_eq!(grow(&mut limiter(Some(1 << 20)), &[(0, largest), (0, 1)]), [true, false]);
}

#[test]
fn a_table_has_a_largest_size() {
    let mut limiter = limiter(None);
    assert!(limiter.table_growing(0, TABLE_ELEMENTS_MAX, None).is_ok_and(|allowed| allowed));
    assert!(limiter.table_growing(0, TABLE_ELEMENTS_MAX + 1, None).is_ok_and(|allowed| !allowed));
    assert_eq!(limiter.hit(), Some(Hit::Table { wanted: TABLE_ELEMENTS_MAX + 1 }));
}

#[test]
fn words_for_a_limit_name_it() {
    let memory = Hit::Memory { wanted_bytes: 2, max_bytes: 1 }.to_string();
    assert_eq!(memory, "limits.memory: the guest wanted 2 bytes of memory, 1 are allowed");
    let cpu = Hit::Cpu { max_millis: 200 }.to_string();
    assert_eq!(cpu, "limits.cpuPerCallMillis: the guest computed for more than the 200 ms that one call may");
    assert!(Hit::Table { wanted: 70_000 }.to_string().contains("a table of 70000 elements"));
}
