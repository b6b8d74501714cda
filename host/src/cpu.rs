//! Processor time of one call: what the threads used while they ran it, host functions included, never what
//! it waited. A short call pays for two looks at the machine's clock; the thread's own clock, some twenty
//! times dearer, is asked once a call has used a millisecond.

use crate::limits::Hit;
use crate::ticker::TICK_MILLIS;
use nix::time::{ClockId, clock_gettime};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Time after which a call is measured by its thread's clock.
const EXACT_AFTER: Duration = Duration::from_millis(1);

/// What one turn counts at most before that: a guest that runs is told to yield after this, and a thread that
/// had to wait for a processor must not be held against its guest.
const TURN_MAX: Duration = Duration::from_millis(TICK_MILLIS);

/// Measures one call. Clones measure the same one.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    max: Duration,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// In turns that have ended.
    before: Duration,
    turn: Option<Turn>,
}

/// When the turn under way began, by which clock.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Machine(Instant),
    Thread(Duration),
}

impl Turn {
    fn begin(before: Duration) -> Self {
        let exact = if before < EXACT_AFTER { None } else { thread_time() };
        exact.map_or_else(|| Self::Machine(Instant::now()), Self::Thread)
    }

    fn used(self) -> Duration {
        match self {
            Self::Machine(begun) => begun.elapsed().min(TURN_MAX),
            Self::Thread(begun) => thread_time().map_or(TURN_MAX, |now| now.saturating_sub(begun)),
        }
    }
}

/// What this thread has used of a processor; none where its clock can't be read. Asked through the C library:
/// rustix wants all of a vDSO, and gives up a call on a kernel whose own has less.
fn thread_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

impl Meter {
    /// Without `max` nothing is measured.
    pub(crate) fn new(max: Option<Duration>) -> Self {
        Self(max.map(|max| Arc::new(Shared { max, used: Mutex::default() })))
    }

    /// Begins anew, for the next call.
    pub(crate) fn restart(&self) {
        if let Some(shared) = &self.0 {
            *shared.used() = Used::default();
        }
    }

    /// Whether the call may go on; asked by the guest's own thread at each tick.
    ///
    /// # Errors
    /// [`Hit::Cpu`] when it has had its time.
    pub(crate) fn check(&self) -> Result<(), Hit> {
        self.0.as_ref().map_or(Ok(()), |shared| shared.check())
    }

    /// The call, measured. It ends with [`Hit::Cpu`] when it has had its time and would go on: what a guest
    /// makes the host do between two of its own instructions counts as well.
    pub(crate) async fn measured<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let Some(shared) = &self.0 else { return call.await };
        let mut call = pin!(call);
        poll_fn(|cx| {
            shared.begin();
            let polled = call.as_mut().poll(cx);
            shared.end();
            match (polled, shared.check()) {
                (Poll::Pending, Err(hit)) => Poll::Ready(Err(hit.into())),
                (polled, _) => polled,
            }
        })
        .await
    }
}

impl Shared {
    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), Hit> {
        let used = self.used();
        let all = used.before + used.turn.map(Turn::used).unwrap_or_default();
        let max_millis = u64::try_from(self.max.as_millis()).unwrap_or(u64::MAX);
        if all > self.max { Err(Hit::Cpu { max_millis }) } else { Ok(()) }
    }

    fn begin(&self) {
        let mut used = self.used();
        used.turn = Some(Turn::begin(used.before));
    }

    fn end(&self) {
        let mut used = self.used();
        let turn = used.turn.take().map(Turn::used);
        used.before += turn.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
