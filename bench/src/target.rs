//! What a figure of Morph's must be, alone or beside a peer's of the same run. It decides and measures
//! nothing.

use crate::unit::Unit;
use serde::{Deserialize, Serialize};

/// A bound for Morph's median.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Target {
    /// At most so much.
    AtMost {
        /// The bound.
        value: f64,
    },
    /// At most this share of a side's: 0.45 is less than half of it.
    ShareOf {
        /// The side.
        side: String,
        /// The share.
        share: f64,
    },
    /// The side's is so many times as much, or more.
    TimesLess {
        /// The side.
        side: String,
        /// How many times.
        times: f64,
    },
    /// So many times as much as the side's, or more.
    TimesMore {
        /// The side.
        side: String,
        /// How many times.
        times: f64,
    },
    /// At most so much more than the side's.
    MoreThan {
        /// The side.
        side: String,
        /// How much more.
        value: f64,
    },
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Met.
    Met,
    /// Missed.
    Missed,
    /// There is no figure of the side that it is measured by.
    Unjudged,
}

/// A target, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The target.
    pub target: Target,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found beside what was wanted, for people.
    pub text: String,
}

impl Target {
    /// At most so many times the side's.
    #[must_use]
    pub fn share_of(side: &str, share: f64) -> Self {
        Self::ShareOf { side: side.into(), share }
    }

    /// The side's is so many times as much.
    #[must_use]
    pub fn times_less(side: &str, times: f64) -> Self {
        Self::TimesLess { side: side.into(), times }
    }

    /// So many times the side's.
    #[must_use]
    pub fn times_more(side: &str, times: f64) -> Self {
        Self::TimesMore { side: side.into(), times }
    }

    /// At most so much more than the side's.
    #[must_use]
    pub fn more_than(side: &str, value: f64) -> Self {
        Self::MoreThan { side: side.into(), value }
    }

    /// The side that it is measured by.
    #[must_use]
    pub fn side(&self) -> Option<&str> {
        match self {
            Self::AtMost { .. } => None,
            Self::ShareOf { side, .. }
            | Self::TimesLess { side, .. }
            | Self::TimesMore { side, .. }
            | Self::MoreThan { side, .. } => Some(side),
        }
    }

    /// Judges Morph's median beside the side's.
    #[must_use]
    pub fn judge(&self, unit: Unit, morph: f64, peer: Option<f64>) -> Judged {
        let Some((met, text)) = self.compare(unit, morph, peer) else {
            let side = self.side().unwrap_or_default();
            let text = format!("{}: no figure of {side}", self.wanted(unit));
            return Judged { target: self.clone(), verdict: Verdict::Unjudged, text };
        };
        let verdict = if met { Verdict::Met } else { Verdict::Missed };
        let text = format!("{}: {text}", self.wanted(unit));
        Judged { target: self.clone(), verdict, text }
    }

    fn compare(&self, unit: Unit, morph: f64, peer: Option<f64>) -> Option<(bool, String)> {
        let ratio = |found: f64| format!("{found:.2}×");
        Some(match self {
            Self::AtMost { value } => (morph <= *value, unit.show(morph)),
            Self::ShareOf { share, .. } => (morph <= share * peer?, ratio(morph / peer?)),
            Self::TimesLess { times, .. } => (morph * times <= peer?, ratio(peer? / morph)),
            Self::TimesMore { times, .. } => (morph >= times * peer?, ratio(morph / peer?)),
            Self::MoreThan { value, .. } => (morph <= peer? + value, unit.show(morph - peer?)),
        })
    }

    fn wanted(&self, unit: Unit) -> String {
        match self {
            Self::AtMost { value } => format!("≤ {}", unit.show(*value)),
            Self::ShareOf { side, share } => format!("≤ {share:.2}× {side}"),
            Self::TimesLess { side, times } => format!("{side} takes ≥ {times}×"),
            Self::TimesMore { side, times } => format!("≥ {times}× {side}"),
            Self::MoreThan { side, value } => format!("≤ {side} + {}", unit.show(*value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Met, Missed, Unjudged};

    #[track_caller]
    fn check(target: &Target, morph: f64, peer: impl Into<Option<f64>>, verdict: Verdict) {
        let judged = target.judge(Unit::Millis, morph, peer.into());
        assert_eq!(judged.verdict, verdict, "{}", judged.text);
    }

    #[test]
    fn a_bound_of_its_own_needs_no_peer() {
        let target = Target::AtMost { value: 12.0 };
        check(&target, 12.0, None, Met);
        check(&target, 12.1, None, Missed);
    }

    #[test]
    fn times_less_asks_how_much_slower_the_peer_is() {
        let target = Target::times_less("peer", 9.0);
        check(&target, 10.0, 90.0, Met);
        check(&target, 10.1, 90.0, Missed);
    }

    #[test]
    fn times_more_asks_how_much_more_morph_does() {
        let target = Target::times_more("peer", 2.0);
        check(&target, 200.0, 100.0, Met);
        check(&target, 199.0, 100.0, Missed);
    }

    #[test]
    fn a_share_is_of_the_peers() {
        let target = Target::share_of("peer", 0.45);
        check(&target, 45.0, 100.0, Met);
        check(&target, 46.0, 100.0, Missed);
    }

    #[test]
    fn more_than_adds_to_the_sides() {
        let target = Target::more_than("cni", 12.0);
        check(&target, 42.0, 30.0, Met);
        check(&target, 42.5, 30.0, Missed);
    }

    #[test]
    fn without_a_figure_of_its_side_nothing_is_judged() {
        for target in [
            Target::share_of("peer", 1.0),
            Target::times_less("peer", 1.0),
            Target::times_more("peer", 1.0),
            Target::more_than("peer", 1.0),
        ] {
            check(&target, 1.0, None, Unjudged);
        }
    }

    #[test]
    fn words_say_what_was_wanted_and_what_was_found() {
        let judged = Target::times_less("peer", 9.0).judge(Unit::Millis, 10.0, Some(95.0));
        assert_eq!(judged.text, "peer takes ≥ 9×: 9.50×");
        let judged = Target::more_than("cni", 12.0).judge(Unit::Millis, 40.0, Some(30.0));
        assert_eq!(judged.text, "≤ cni + 12.0 ms: 10.0 ms");
        let judged = Target::AtMost { value: 5.0 }.judge(Unit::Mebibytes, 4.25, None);
        assert_eq!(judged.text, "≤ 5.00 MiB: 4.25 MiB");
        let judged = Target::times_more("serve", 1.1).judge(Unit::PerSecond, 1.0, None);
        assert_eq!(judged.text, "≥ 1.1× serve: no figure of serve");
    }
}
