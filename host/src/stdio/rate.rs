//! How fast guests may write: one budget for both outputs of a run. Who has used it up waits; nothing is
//! lost. That it was used up is said once.

use super::Output;
use super::output::WeakOutput;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How much there must be before anybody may write, in parts of a second: waking up for each byte would cost
/// more than the bytes.
const PARTS_OF_A_SECOND: u64 = 20;

/// The budget of one run. Clones share it.
#[derive(Clone)]
pub(crate) struct Rate(Arc<Shared>);

struct Shared {
    bucket: Mutex<Bucket>,
    bytes_per_second: u64,
    used_up: AtomicBool,
    tells_on: OnceLock<WeakOutput>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self(Arc::new(Shared {
            bucket: Mutex::new(Bucket::new(bytes_per_second, bytes_per_second)),
            bytes_per_second,
            used_up: AtomicBool::new(false),
            tells_on: OnceLock::new(),
        }))
    }

    /// Where it says that the budget was used up. The output counts against the budget itself: so it isn't
    /// kept.
    pub(super) fn tells_on(&self, output: &Output) {
        self.0.tells_on.get_or_init(|| output.downgrade());
    }

    /// How many bytes may be written now, or how long to wait. Not to be asked while an output is locked.
    pub(super) fn room(&self) -> Result<usize, Duration> {
        let room = self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner).room(Instant::now());
        if room.is_err() && !self.0.used_up.swap(true, Ordering::Relaxed) {
            self.tell();
        }
        room
    }

    /// These are written.
    pub(super) fn take(&self, bytes: usize) {
        self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
    }

    fn tell(&self) {
        if let Some(output) = self.0.tells_on.get().and_then(WeakOutput::upgrade) {
            let max = self.0.bytes_per_second;
            output.say(&format!(
                "limits.outputBytesPerSecond: the guest writes more than {max} bytes a second and has to wait"
            ));
        }
    }
}

/// Fills at its rate up to its size. What is taken may be more than there was, as far as several were allowed
/// the same bytes; then it takes the longer to fill.
#[derive(Debug)]
pub(crate) struct Bucket {
    bytes_per_second: u64,
    size: i128,
    left: i128,
    at: Option<Instant>,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(bytes_per_second: u64, size: u64) -> Self {
        let bytes_per_second = bytes_per_second.max(1);
        let size = i128::from(size.max(1));
        Self { bytes_per_second, size, left: size, at: None }
    }

    /// How many bytes there are, or how long until it is worth to ask again.
    pub(crate) fn room(&mut self, now: Instant) -> Result<usize, Duration> {
        self.fill(now);
        let wanted = i128::from((self.bytes_per_second / PARTS_OF_A_SECOND).max(1)).min(self.size);
        if self.left >= wanted {
            return Ok(usize::try_from(self.left).unwrap_or(usize::MAX));
        }
        let nanos = (wanted - self.left) * NANOS_PER_SECOND / i128::from(self.bytes_per_second);
        Err(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes bytes, be they there or not.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.left -= i128::try_from(bytes).unwrap_or(i128::MAX);
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(*self.at.get_or_insert(now));
        let nanos = i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX);
        let came = nanos.saturating_mul(i128::from(self.bytes_per_second)) / NANOS_PER_SECOND;
        // Less than a byte's time is kept for the next look.
        if came > 0 {
            self.left = self.left.saturating_add(came).min(self.size);
            self.at = Some(now);
        }
    }
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

#[cfg(test)]
mod tests;
