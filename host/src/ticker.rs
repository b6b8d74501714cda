//! The clock that lets guests be interrupted: a thread advances the engine's epoch while a guest runs, and
//! sleeps without an end while none does. What a guest does at a tick (it yields) is the store's setting.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Time between ticks, in milliseconds: how long a busy guest may keep its thread from others.
pub(crate) const TICK_MILLIS: u64 = 10;

/// Owner of the thread, which ends with it.
pub(crate) struct Ticker(Arc<Shared>);

struct Shared {
    engine: wasmtime::Engine,
    guests: AtomicUsize,
    asleep: AtomicBool,
    closed: Mutex<bool>,
    changed: Condvar,
}

/// Keeps the clock running.
pub(crate) struct Ticking(Arc<Shared>);

impl Ticker {
    /// Starts the thread, asleep. Never before a fork: the thread would not be in the child.
    pub(crate) fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            engine: engine.clone(),
            guests: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            closed: Mutex::new(false),
            changed: Condvar::new(),
        });
        let ticking = shared.clone();
        let thread = std::thread::Builder::new().name("ticker".into());
        thread.stack_size(64 << 10).spawn(move || ticking.tick())?;
        Ok(Self(shared))
    }

    /// Keeps the clock running until the answer is dropped.
    pub(crate) fn ticking(&self) -> Ticking {
        self.0.guests.fetch_add(1, Ordering::SeqCst);
        if self.0.asleep.load(Ordering::SeqCst) {
            // The lock orders this after the thread's look at `guests` and its going to sleep.
            drop(self.0.closed.lock().unwrap_or_else(PoisonError::into_inner));
            self.0.changed.notify_one();
        }
        Ticking(self.0.clone())
    }
}

impl Shared {
    fn tick(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        while !*closed {
            self.asleep.store(true, Ordering::SeqCst);
            if self.guests.load(Ordering::SeqCst) == 0 {
                closed = self.changed.wait(closed).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            self.asleep.store(false, Ordering::SeqCst);
            let waited = self.changed.wait_timeout(closed, Duration::from_millis(TICK_MILLIS));
            let (lock, elapsed) = waited.unwrap_or_else(PoisonError::into_inner);
            closed = lock;
            if elapsed.timed_out() {
                self.engine.increment_epoch();
            }
        }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *self.0.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
