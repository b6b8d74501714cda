//! What was told of a Morph already, and how much a node may say: pure bookkeeping over times that are handed in.

use lru::LruCache;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// How long a told denial isn't told again, in seconds: Events live an hour, and people look now and then.
pub const WINDOW_SECONDS: u64 = 600;

/// Different denials of one Morph that are told of in one window. A guest that tries many doors is one finding.
pub const EVENTS_PER_MORPH_MAX: usize = 10;

/// Morphs whose denials are remembered; beyond, the one that was silent longest is forgotten, and may be told
/// of again.
pub const MORPHS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// Nodes whose reports are counted: the largest clusters that Kubernetes supports have 5,000.
pub const NODES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8_191);

/// Reports that a node may send in a row.
pub const NODE_BURST: u64 = 256;

/// Reports that a node may send in the long run, each second: each may cost a look at the API server.
pub const NODE_PER_SECOND: u64 = 10;

/// Characters of the hash in an Event's name: with a dot it fits behind a Morph's name of 52 characters.
const HASH_CHARS: usize = 16;

/// What a denial is told by: the same is told once in a window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The capability.
    pub capability: String,
    /// The rule.
    pub rule: String,
}

/// What to do with a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// Write an Event of this name; that it exists means that another replica, or this one before it was
    /// started anew, has told already.
    Tell(String),
    /// It was told in this window.
    Known,
    /// The Morph has had its share.
    Capped,
}

/// What was told.
#[derive(Debug)]
pub struct Ledger {
    morphs: LruCache<String, (u64, BTreeSet<Kind>)>,
    nodes: LruCache<String, (u64, u64)>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { morphs: LruCache::new(MORPHS_MAX), nodes: LruCache::new(NODES_MAX) }
    }
}

impl Ledger {
    /// Whether this node may have `reports` more looked at, at this time in milliseconds.
    pub fn may_report(&mut self, node: &str, reports: usize, now_ms: u64) -> bool {
        let full = NODE_BURST * 1_000;
        let (left, since) = self.nodes.get(node).copied().unwrap_or((full, now_ms));
        let earned = now_ms.saturating_sub(since).saturating_mul(NODE_PER_SECOND);
        let left = left.saturating_add(earned).min(full);
        let wanted = (reports as u64).saturating_mul(1_000);
        let fits = wanted <= left;
        let left = if fits { left - wanted } else { left };
        self.nodes.put(node.to_owned(), (left, now_ms.max(since)));
        fits
    }

    /// What to do with a denial of the Morph with this name and uid, at this time in seconds since the epoch.
    pub fn tell(&mut self, name: &str, uid: &str, kind: &Kind, now_seconds: u64) -> Telling {
        let window = now_seconds / WINDOW_SECONDS;
        let fresh = || (window, BTreeSet::new());
        let (begun, told) = self.morphs.get_or_insert_mut(uid.to_owned(), fresh);
        if *begun != window {
            (*begun, *told) = fresh();
        }
        if told.contains(kind) {
            return Telling::Known;
        }
        if told.len() >= EVENTS_PER_MORPH_MAX {
            return Telling::Capped;
        }
        told.insert(kind.clone());
        Telling::Tell(event_name(name, uid, kind, window))
    }

    /// Takes back a telling that came to nothing: the next of its kind is told.
    pub fn untell(&mut self, uid: &str, kind: &Kind) {
        if let Some((_, told)) = self.morphs.get_mut(uid) {
            told.remove(kind);
        }
    }
}

/// One name for one kind in one window, whoever writes it.
fn event_name(name: &str, uid: &str, kind: &Kind, window: u64) -> String {
    // No part may hold the separator: uid and words are checked when a report is read.
    let text = format!("{uid} {} {} {window}", kind.capability, kind.rule);
    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}.{}", &hash[..HASH_CHARS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(rule: &str) -> Kind {
        Kind { capability: "http".into(), rule: rule.into() }
    }

    #[test]
    fn a_denial_is_told_once_in_a_window_and_again_in_the_next() {
        let mut ledger = Ledger::default();
        let Telling::Tell(first) = ledger.tell("weather", "u", &kind("host"), 1_200) else {
            unreachable!("the first is told")
        };
        for later in [1_200, 1_500, 1_799] {
            assert_eq!(ledger.tell("weather", "u", &kind("host"), later), Telling::Known);
        }
        let Telling::Tell(second) = ledger.tell("weather", "u", &kind("host"), 1_800) else {
            unreachable!("a new window")
        };
        assert_ne!(first, second);
        assert!(first.starts_with("weather.") && first.len() == "weather.".len() + HASH_CHARS);
    }

    #[test]
    fn two_replicas_give_one_event_one_name() {
        let name = |now| Ledger::default().tell("weather", "u", &kind("host"), now);
        assert_eq!(name(1_200), name(1_700));
        assert_ne!(name(1_200), Ledger::default().tell("weather", "other", &kind("host"), 1_200));
        assert_ne!(name(1_200), Ledger::default().tell("weather", "u", &kind("path"), 1_200));
    }

    #[test]
    fn a_morph_that_tries_many_doors_gets_its_share_and_its_neighbour_all_of_his() {
        let mut ledger = Ledger::default();
        let told = (0..100)
            .filter(|n| matches!(ledger.tell("w", "u", &kind(&n.to_string()), 0), Telling::Tell(_)))
            .count();
        assert_eq!(told, EVENTS_PER_MORPH_MAX);
        assert_eq!(ledger.tell("w", "u", &kind("late"), 0), Telling::Capped);
        assert_eq!(ledger.tell("w", "u", &kind("0"), 0), Telling::Known);
        assert!(matches!(ledger.tell("n", "neighbour", &kind("0"), 0), Telling::Tell(_)));
        assert!(matches!(ledger.tell("w", "u", &kind("late"), WINDOW_SECONDS), Telling::Tell(_)));
    }

    #[test]
    fn an_event_that_could_not_be_written_is_tried_with_the_next_denial() {
        let mut ledger = Ledger::default();
        let first = ledger.tell("w", "u", &kind("host"), 0);
        ledger.untell("u", &kind("host"));
        assert_eq!(ledger.tell("w", "u", &kind("host"), 1), first);
        ledger.untell("nobody", &kind("host"));
    }

    #[test]
    fn memory_has_an_end() {
        let mut ledger = Ledger::default();
        for n in 0..10_000 {
            ledger.tell("w", &format!("u{n}"), &kind("host"), 0);
            ledger.may_report(&format!("n{n}"), 1, 0);
        }
        assert_eq!(ledger.morphs.len(), MORPHS_MAX.get());
        assert_eq!(ledger.nodes.len(), NODES_MAX.get());
    }

    #[test]
    fn a_node_has_a_burst_and_then_so_many_a_second() {
        let mut ledger = Ledger::default();
        let taken = (0..1_000).filter(|_| ledger.may_report("n1", 1, 5)).count();
        assert_eq!(taken as u64, NODE_BURST);
        assert!(ledger.may_report("n2", 64, 5), "another node's share is its own");
        let taken = (0..10_000).filter(|ms| ledger.may_report("n1", 1, 5 + ms)).count();
        assert_eq!(taken as u64, 10 * NODE_PER_SECOND - 1);
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_no_node_passes_its_rate(
            steps in prop::collection::vec((0_u64..100_000, 1_usize..64), 1..200),
        ) {
            let mut ledger = Ledger::default();
            let (mut highest, mut taken) = (0, 0_u64);
            let first = steps[0].0;
            for (now_ms, reports) in steps {
                highest = highest.max(now_ms);
                taken += if ledger.may_report("n", reports, now_ms) { reports as u64 } else { 0 };
            }
            let seconds = highest.saturating_sub(first).div_ceil(1_000);
            prop_assert!(taken <= NODE_BURST + seconds * NODE_PER_SECOND, "{taken} in {seconds} s");
        }

        #[test]
        fn no_morph_is_told_of_more_than_its_share_in_a_window(
            denials in prop::collection::vec((0_u64..50, 0_u64..1_800), 0..300),
        ) {
            let mut ledger = Ledger::default();
            let mut told = std::collections::BTreeMap::<u64, usize>::new();
            let mut sorted = denials;
            sorted.sort_by_key(|(_, now)| *now);
            for (rule, now) in sorted {
                if let Telling::Tell(_) = ledger.tell("w", "u", &kind(&rule.to_string()), now) {
                    *told.entry(now / WINDOW_SECONDS).or_default() += 1;
                }
            }
            prop_assert!(told.values().all(|count| *count <= EVENTS_PER_MORPH_MAX));
        }
    }
}
