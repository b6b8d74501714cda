//! `wasi:clocks`: the machine's own clocks, or, where the Morph gives a time, clocks that show the same in
//! every instance of every run. How long a guest waits is real time in any case.

use super::{Linked, Place, Track, V0_2, V0_3, known, serve};
use crate::Task;
use crate::store::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime_wasi::clocks::WasiClocks;
use wasmtime_wasi::p2::bindings::clocks as p2;
use wasmtime_wasi::p3::bindings::clocks as p3;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// What a clock that stands still or moves by steps calls its resolution, in milliseconds: the unit in which
/// the Morph gives both.
const RESOLUTION_MILLIS: u64 = 1;

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("clocks/monotonic-clock", V0_2) => {
            serve!(l, p2::monotonic_clock, WasiClocks, clocks)
        }
        ("clocks/monotonic-clock", V0_3) => {
            serve!(l, p3::monotonic_clock, WasiClocks, clocks)
        }
        ("clocks/wall-clock", V0_2) => serve!(l, p2::wall_clock, WasiClocks, clocks),
        ("clocks/system-clock", V0_3) => serve!(l, p3::system_clock, WasiClocks, clocks),
        ("clocks/types", V0_3) => serve!(l, p3::types, WasiClocks, clocks),
        _ => return known(None),
    }))
}

/// The machine's clocks, unless the task says what they show.
pub(crate) fn give(wasi: &mut WasiCtxBuilder, task: &Task) {
    let Some(determinism) = &task.grants.determinism else { return };
    let Some(unix_millis) = determinism.clock_unix_millis else { return };
    // No interface can say a time before 1970.
    let start = Duration::from_millis(u64::try_from(unix_millis).unwrap_or(0));
    let step = Duration::from_millis(determinism.clock_step_millis.unwrap_or(0).into());
    let clock = Stepped { start, elapsed: Elapsed { step, readings: Arc::default() } };
    wasi.monotonic_clock(clock.elapsed.clone());
    wasi.wall_clock(clock);
}

/// The monotonic clock: how often both clocks were read, times the step. It starts at zero.
#[derive(Clone)]
struct Elapsed {
    step: Duration,
    readings: Arc<AtomicU64>,
}

impl Elapsed {
    /// One reading; the next one is a step later.
    fn read(&self) -> Duration {
        let millis = u64::try_from(self.step.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis.saturating_mul(self.readings.fetch_add(1, Ordering::Relaxed)))
    }
}

/// The wall clock.
struct Stepped {
    start: Duration,
    elapsed: Elapsed,
}

impl HostMonotonicClock for Elapsed {
    fn resolution(&self) -> u64 {
        RESOLUTION_MILLIS * 1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.read().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl HostWallClock for Stepped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(RESOLUTION_MILLIS)
    }

    fn now(&self) -> Duration {
        self.start.saturating_add(self.elapsed.read())
    }
}

#[cfg(test)]
mod tests;
