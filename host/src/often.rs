//! What may happen thousands of times a second and is worth a line: the first time at once, then how often it
//! was, at most every few seconds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two lines, in seconds.
const AGAIN_SECONDS: u64 = 10;

/// Counts one kind of event.
#[derive(Debug, Default)]
pub(crate) struct Often(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// Since the last line.
    count: u64,
    last: Option<Instant>,
}

impl Often {
    /// Counts one more. Where it is time for a line: how many there were since the last one.
    pub(crate) fn one_more(&self) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.count += 1;
        if counted.last.is_some_and(|last| last.elapsed() < Duration::from_secs(AGAIN_SECONDS)) {
            return None;
        }
        counted.last = Some(Instant::now());
        Some(std::mem::take(&mut counted.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_the_others_are_counted_until_it_is_time() {
        let often = Often::default();
        assert_eq!(often.one_more(), Some(1));
        assert_eq!((0..7).filter_map(|_| often.one_more()).count(), 0);
        tokio::time::advance(Duration::from_secs(AGAIN_SECONDS)).await;
        assert_eq!(often.one_more(), Some(8));
        assert_eq!(often.one_more(), None);
    }
}
