//! What a guest was refused, told to those who run it: a line in the pod's log, and a word to whoever started
//! the run. The guest hears the interface's own error alone.

use crate::stdio::Output;
use crate::words;
use morph_grant::interfaces::Capability;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of what is told of one denial: a name of 253 bytes and what was wrong with it.
pub const DENIAL_DETAIL_BYTES_MAX: usize = 320;

/// Different denials that a run tells apart in its log. Past that, those of one rule are told together: a
/// guest that tries a million names gets no million lines.
pub const DENIALS_APART_MAX: usize = 64;

/// Something that a guest wanted and was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Denial {
    /// The field of the Morph that would grant it.
    pub capability: Capability,
    /// Which rule refused: a word of the host's, from a small set.
    pub rule: &'static str,
    /// What it was: the guest's words, in one line, at most [`DENIAL_DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

impl Denial {
    /// Cleans the guest's words.
    #[must_use]
    pub fn new(capability: Capability, rule: &'static str, detail: &str) -> Self {
        Self { capability, rule, detail: words::one_line(detail, DENIAL_DETAIL_BYTES_MAX) }
    }
}

/// Called with each denial, on the guest's own thread: it must not wait.
pub type OnDenial = Arc<dyn Fn(&Denial) + Send + Sync>;

/// Where a run's denials go.
#[derive(Clone)]
pub(crate) struct Denials(Arc<Inner>);

struct Inner {
    stderr: Output,
    told: Option<OnDenial>,
    /// Whose they are, where a composition has several parts.
    part: Option<String>,
    seen: Mutex<Seen>,
}

impl Denials {
    /// Those of a component by itself, or of this part of a composition.
    pub(crate) fn new(stderr: Output, told: Option<OnDenial>, part: Option<&str>) -> Self {
        Self(Arc::new(Inner { stderr, told, part: part.map(ToOwned::to_owned), seen: Mutex::default() }))
    }

    /// Tells of one; of a composition, with the part's name before the guest's words.
    pub(crate) fn note(&self, denial: &Denial) {
        let of_part = self.0.part.as_ref().map(|part| {
            Denial::new(denial.capability, denial.rule, &format!("part {part}: {}", denial.detail))
        });
        let denial = of_part.as_ref().unwrap_or(denial);
        let line = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).line(denial);
        if let Some(line) = line {
            self.0.stderr.say(&line);
        }
        if let Some(told) = &self.0.told {
            told(denial);
        }
    }
}

/// How often each was seen.
#[derive(Default)]
struct Seen {
    apart: HashMap<Denial, u64>,
    together: HashMap<(Capability, &'static str), u64>,
}

impl Seen {
    /// What the log says: the first of each, then every tenth power.
    fn line(&mut self, denial: &Denial) -> Option<String> {
        let known = self.apart.contains_key(denial) || self.apart.len() < DENIALS_APART_MAX;
        let count = match known {
            true => self.apart.entry(denial.clone()).or_default(),
            false => self.together.entry((denial.capability, denial.rule)).or_default(),
        };
        *count = count.saturating_add(1);
        let (field, rule, detail) = (denial.capability.field(), denial.rule, &denial.detail);
        match (*count, known) {
            (1, true) => Some(format!("denied by {field} ({rule}): {detail}")),
            (1, false) => Some(format!("denied by {field} ({rule}): {detail}; others will only be counted")),
            (count, _) if is_power_of_ten(count) => {
                Some(format!("denied by {field} ({rule}), {count} times by now: {detail}"))
            }
            _ => None,
        }
    }
}

fn is_power_of_ten(count: u64) -> bool {
    count.checked_ilog10().is_some_and(|power| 10_u64.checked_pow(power) == Some(count))
}

#[cfg(test)]
mod tests;
