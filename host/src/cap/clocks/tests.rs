//! Tests of clocks that the Morph sets, as both generations of the interfaces show them.
#![allow(clippy::unwrap_used)]
use super::p2::{monotonic_clock, wall_clock};
use super::p3::{monotonic_clock as monotonic_p3, system_clock};
use super::*;
use crate::Run;
use morph_grant::Determinism;
use std::time::SystemTime;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

struct Instance(WasiCtx, ResourceTable);

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.0, table: &mut self.1 }
    }
}

impl Instance {
    fn new(clock_unix_millis: Option<i64>, clock_step_millis: Option<u32>) -> Self {
        let mut task = Task::ungranted("guest", Run::Command);
        task.grants.determinism = Some(Determinism { seed: None, clock_unix_millis, clock_step_millis });
        let mut wasi = WasiCtxBuilder::new();
        give(&mut wasi, &task);
        Self(wasi.build(), ResourceTable::new())
    }

    /// Milliseconds that the wall clock of 0.2 shows.
    fn wall(&mut self) -> u64 {
        let now = wall_clock::Host::now(&mut self.clocks()).unwrap();
        now.seconds * 1_000 + u64::from(now.nanoseconds / 1_000_000)
    }

    /// Milliseconds that the system clock of 0.3 shows.
    fn system(&mut self) -> u64 {
        let now = system_clock::Host::now(&mut self.clocks()).unwrap();
        u64::try_from(now.seconds).unwrap() * 1_000 + u64::from(now.nanoseconds / 1_000_000)
    }

    fn monotonic(&mut self) -> u64 {
        monotonic_clock::Host::now(&mut self.clocks()).unwrap()
    }

    fn monotonic_p3(&mut self) -> u64 {
        monotonic_p3::Host::now(&mut self.clocks()).unwrap()
    }
}

const NEW_YEAR: i64 = 1_767_225_600_123;

#[test]
fn a_clock_without_step_stands_still() {
    for _ in 0..2 {
        let mut instance = Instance::new(Some(NEW_YEAR), None);
        for _ in 0..3 {
            assert_eq!((instance.wall(), instance.system()), (1_767_225_600_123, 1_767_225_600_123));
            assert_eq!((instance.monotonic(), instance.monotonic_p3()), (0, 0));
        }
    }
}

#[test]
fn each_reading_of_either_clock_moves_both_by_the_step() {
    for _ in 0..2 {
        let mut instance = Instance::new(Some(NEW_YEAR), Some(250));
        assert_eq!(instance.wall(), 1_767_225_600_123);
        assert_eq!(instance.monotonic(), 250_000_000);
        assert_eq!(instance.monotonic_p3(), 500_000_000);
        assert_eq!(instance.system(), 1_767_225_600_123 + 750);
        assert_eq!(instance.wall(), 1_767_225_600_123 + 1_000);
    }
    assert_eq!(Instance::new(Some(NEW_YEAR), Some(250)).monotonic(), 0, "the first reading shows zero");
}

#[test]
fn no_step_is_so_large_that_a_clock_turns_back() {
    let mut instance = Instance::new(Some(i64::MAX), Some(u32::MAX));
    let readings: Vec<u64> = (0..10_000).map(|_| instance.monotonic()).collect();
    assert!(readings.windows(2).all(|pair| pair[0] <= pair[1]));
    wall_clock::Host::now(&mut instance.clocks()).unwrap();
}

#[test]
fn a_time_before_1970_shows_1970() {
    assert_eq!(Instance::new(Some(-1), None).wall(), 0);
}

#[test]
fn without_a_time_the_clocks_are_the_machines() {
    let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    for step in [None, Some(250)] {
        let mut instance = Instance::new(None, step);
        assert!(u128::from(instance.wall()) >= before.as_millis());
        let one = instance.monotonic();
        while instance.monotonic() == one {}
    }
}

#[tokio::test]
async fn a_wait_ends_though_the_clock_stands_still() {
    let mut instance = Instance::new(Some(NEW_YEAR), None);
    let begun = std::time::Instant::now();
    let pollable = monotonic_clock::Host::subscribe_instant(&mut instance.clocks(), 20_000_000).unwrap();
    wasmtime_wasi::p2::bindings::io::poll::HostPollable::block(instance.ctx().table, pollable).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(20));
}
