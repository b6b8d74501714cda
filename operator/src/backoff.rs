//! How long to wait before the next try: pure arithmetic, and the count of tries for each key.

use rand::Rng as _;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The wait after the first failure.
pub const WAIT_MS_MIN: u64 = 1_000;

/// The longest wait: what somebody who repaired a registry has to wait at most for it to be noticed.
pub const WAIT_MS_MAX: u64 = 60_000;

/// How far a wait may be from its middle, in percent: those that failed together shan't return together.
pub const JITTER_PERCENT: u64 = 25;

/// The wait after `failures` failures in a row; `spread` in 0..=1 chooses within the jitter.
#[must_use]
pub fn wait(failures: u32, spread: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(32);
    let middle_ms = WAIT_MS_MIN.saturating_mul(1 << doublings).min(WAIT_MS_MAX);
    jitter(Duration::from_millis(middle_ms), spread)
}

/// `middle` with the jitter that `spread` in 0..=1 chooses.
#[must_use]
pub fn jitter(middle: Duration, spread: f64) -> Duration {
    let part = JITTER_PERCENT as f64 / 100.0;
    middle.mul_f64(1.0 - part + 2.0 * part * spread.clamp(0.0, 1.0))
}

/// A choice within the jitter.
#[must_use]
pub fn spread() -> f64 {
    rand::rng().random()
}

/// Failures in a row, for each key. Holds only what fails now.
#[derive(Debug)]
pub struct Failures<K>(Mutex<HashMap<K, u32>>);

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq> Failures<K> {
    /// One more failure; gives how many there are in a row.
    pub fn add(&self, key: K) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(key).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// It went well, or is gone.
    pub fn clear(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// How many keys fail now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none fails.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        for (failures, want_ms) in [
            (0, 1_000),
            (1, 1_000),
            (2, 2_000),
            (3, 4_000),
            (6, 32_000),
            (7, 60_000),
            (100, 60_000),
            (u32::MAX, 60_000),
        ] {
            assert_eq!(wait(failures, 0.5), Duration::from_millis(want_ms), "{failures}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_leaves_the_jitter(failures: u32, spread in -1.0_f64..2.0) {
            let (lowest, highest) = (wait(failures, 0.0), wait(failures, 1.0));
            let found = wait(failures, spread);
            prop_assert!(lowest <= found && found <= highest);
            prop_assert!(lowest >= Duration::from_millis(WAIT_MS_MIN * 3 / 4));
            prop_assert!(highest <= Duration::from_millis(WAIT_MS_MAX * 5 / 4));
        }

        #[test]
        fn more_failures_never_wait_less(failures in 0_u32..100, spread in 0.0_f64..1.0) {
            prop_assert!(wait(failures, spread) <= wait(failures + 1, spread));
        }
    }

    #[test]
    fn what_goes_well_is_forgotten() {
        let failures = Failures::default();
        assert_eq!([failures.add("a"), failures.add("a"), failures.add("b")], [1, 2, 1]);
        assert_eq!(failures.len(), 2);
        failures.clear(&"a");
        assert_eq!((failures.add("a"), failures.len()), (1, 2));
        failures.clear(&"a");
        failures.clear(&"b");
        assert!(failures.is_empty());
    }
}
