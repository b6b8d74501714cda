//! Which entries of the code cache go: a decision over what was seen of them. What isn't decided here is how
//! they go.

use std::time::{Duration, SystemTime};

/// How long an entry stays after it was used, in seconds, whatever the cache's size. Between the moment it is
/// found and the moment its worker has mapped it, at most [`crate::process::SEAL_MILLIS_MAX`] and the time of
/// opening volumes pass; after that its file may go, since what is mapped stays until it is unmapped.
const SPARED_SECONDS: u64 = 300;

/// How long an entry stays that nobody uses, in days: code of a component that came back after that is made
/// anew, and code of other versions of this program is found by nobody any more.
const UNUSED_DAYS_MAX: u64 = 30;

/// The size to which a cache is cut back when its disk is full: all goes that may.
pub(super) const BYTES_MAX_WHEN_FULL: u64 = 0;

/// What was seen of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its name.
    pub(super) name: String,
    /// What it takes of the disk, in bytes.
    pub(super) bytes: u64,
    /// When it was used.
    pub(super) used: SystemTime,
    /// Whether there is better code of the same component.
    pub(super) superseded: bool,
}

impl Seen {
    /// How long ago it was used; a clock that was set back says: just now.
    fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.used).unwrap_or_default()
    }
}

/// The entries that go, the one that was used longest ago first.
pub(super) fn evicted(mut entries: Vec<Seen>, bytes_max: u64, now: SystemTime) -> Vec<Seen> {
    entries.sort_by_key(|entry| entry.used);
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let (unused, spared) =
        (Duration::from_secs(UNUSED_DAYS_MAX * 24 * 60 * 60), Duration::from_secs(SPARED_SECONDS));
    // What is superseded goes before any other's turn comes.
    let (old, rest): (Vec<Seen>, Vec<Seen>) = entries
        .into_iter()
        .filter(|entry| entry.age(now) > spared)
        .partition(|entry| entry.superseded || entry.age(now) > unused);
    bytes -= old.iter().map(|entry| entry.bytes).sum::<u64>();
    let mut gone = old;
    for entry in rest {
        if bytes <= bytes_max {
            break;
        }
        bytes -= entry.bytes;
        gone.push(entry);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 60 * MINUTE;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 * DAY)
    }

    /// An entry of so many bytes, used so long ago.
    fn entry(name: &str, bytes: u64, seconds: u64) -> Seen {
        Seen { name: name.into(), bytes, used: now() - Duration::from_secs(seconds), superseded: false }
    }

    #[track_caller]
    fn check(entries: Vec<Seen>, bytes_max: u64, expected: &[&str]) {
        let gone = evicted(entries, bytes_max, now());
        let names: Vec<&str> = gone.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_no_more_than_must() {
        let entries = || vec![entry("b", 40, 20 * MINUTE), entry("a", 40, 30 * MINUTE), entry("c", 40, DAY)];
        check(entries(), 120, &[]);
        check(entries(), 119, &["c"]);
        check(entries(), 79, &["c", "a"]);
        check(entries(), 0, &["c", "a", "b"]);
    }

    #[test]
    fn what_a_start_may_be_about_to_map_stays_even_past_the_size() {
        check(vec![entry("new", 40, 4 * MINUTE), entry("old", 40, 6 * MINUTE)], 0, &["old"]);
    }

    #[test]
    fn what_nobody_uses_goes_even_where_there_is_room() {
        check(vec![entry("a", 1, 31 * DAY), entry("b", 1, 29 * DAY)], 100, &["a"]);
    }

    #[test]
    fn what_has_better_code_goes_first_once_nobody_is_about_to_map_it() {
        let superseded = |name, seconds| Seen { superseded: true, ..entry(name, 40, seconds) };
        check(vec![superseded("a", 10 * MINUTE), superseded("b", MINUTE), entry("c", 40, DAY)], 100, &["a"]);
    }

    #[test]
    fn an_entry_of_the_future_counts_as_used_just_now() {
        let mut ahead = entry("a", 40, 0);
        ahead.used = now() + Duration::from_secs(DAY);
        check(vec![ahead], 0, &[]);
    }

    /// A start under way must be through before what it has found can go.
    #[test]
    fn the_spared_time_covers_a_start_to_its_mapping() {
        use crate::process::{FILES_MILLIS_MAX, SEAL_MILLIS_MAX};
        let prepared = Duration::from_secs(crate::task::PREPARE_SECONDS_MAX);
        let mapped = prepared + Duration::from_millis(SEAL_MILLIS_MAX + FILES_MILLIS_MAX);
        assert!(mapped < Duration::from_secs(SPARED_SECONDS));
    }
}
