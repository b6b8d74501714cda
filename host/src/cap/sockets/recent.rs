//! Things that were seen lately, so many at most: the oldest goes when a new one comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(super) struct Recent<T> {
    seen: VecDeque<(Instant, T)>,
    count_max: usize,
}

impl<T: PartialEq> Recent<T> {
    pub(super) fn new(count_max: usize) -> Self {
        Self { seen: VecDeque::new(), count_max }
    }

    /// Remembers it; one that was known is as young as a new one.
    pub(super) fn note(&mut self, one: T, now: Instant) {
        self.seen.retain(|(_, known)| *known != one);
        if self.seen.len() >= self.count_max {
            self.seen.pop_front();
        }
        self.seen.push_back((now, one));
    }

    pub(super) fn younger_than(&self, age: Duration, now: Instant) -> impl Iterator<Item = &T> {
        let young = move |seen: &Instant| now.saturating_duration_since(*seen) <= age;
        self.seen.iter().filter(move |(seen, _)| young(seen)).map(|(_, one)| one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(recent: &Recent<u32>, seconds: u64, now: Instant) -> Vec<u32> {
        recent.younger_than(Duration::from_secs(seconds), now).copied().collect()
    }

    #[test]
    fn what_is_too_old_is_not_seen_any_more() {
        let start = Instant::now();
        let mut recent = Recent::new(8);
        recent.note(1, start);
        recent.note(2, start + Duration::from_secs(5));
        assert_eq!(seen(&recent, 10, start + Duration::from_secs(10)), [1, 2]);
        assert_eq!(seen(&recent, 10, start + Duration::from_secs(11)), [2]);
        recent.note(1, start + Duration::from_secs(11));
        assert_eq!(seen(&recent, 10, start + Duration::from_secs(12)), [2, 1]);
    }

    #[test]
    fn the_oldest_goes_for_the_newest() {
        let now = Instant::now();
        let mut recent = Recent::new(3);
        for one in 0..100 {
            recent.note(one, now);
            assert!(recent.seen.len() <= 3);
        }
        assert_eq!(seen(&recent, 1, now), [97, 98, 99]);
    }
}
