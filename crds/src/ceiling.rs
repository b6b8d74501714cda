//! What of a Morph is above its namespace's MorphPolicy. One table, `vocabulary.rs`, has each question in CEL
//! and in Rust: admission on the API server is made from the first, the operator asks the second.

mod admission;
mod twin;
mod vocabulary;

use crate::{MorphPolicySpec, MorphSpec};
use twin::Asked;
use vocabulary::{ENTRIES, Entry, Over};

pub use admission::{
    CEILING_POLICY, SCALE_POLICY, UNKNOWN_POLICY, actions, ceiling_policy, scale_policy, unknown_policy,
};

/// Values shown of one finding; the rest is counted.
const VALUES_SHOWN_MAX: usize = 2;

/// Findings shown in one message; the rest is counted. The API server drops a message of more than 5 KiB:
/// three findings of two values with names of full length have less.
pub const FINDINGS_SHOWN_MAX: usize = 3;

/// All that `spec` asks for beyond `policy`, each with its field, its value and the policy's word. A plug's
/// field has its name, as in `spec.plugs[clock].image`.
#[must_use]
pub fn findings(policy: &MorphPolicySpec, spec: &MorphSpec) -> Vec<String> {
    let parts = Asked::parts(policy, spec);
    let mut findings = Vec::new();
    for entry in ENTRIES {
        let count = if entry.over == Over::Whole { 1 } else { parts.len() };
        findings.extend(parts.iter().take(count).filter_map(|asked| finding(entry, asked)));
    }
    findings
}

fn finding(entry: &Entry, asked: &Asked<'_>) -> Option<String> {
    let values = (entry.twin)(asked);
    if values.is_empty() {
        return None;
    }
    let mut shown = values.iter().take(VALUES_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if values.len() > VALUES_SHOWN_MAX {
        shown.push_str(&format!(" and {} more", values.len() - VALUES_SHOWN_MAX));
    }
    let most = entry.most.map_or_else(String::new, |most| format!(": {}", (most.twin)(asked)));
    Some(format!("{}{}: {shown} ({}{most})", asked.at(), entry.field, entry.rule))
}

/// What to say of findings, as admission does; never longer than three of them.
#[must_use]
pub fn message(policy: &str, findings: &[String]) -> String {
    let mut shown = findings.iter().take(FINDINGS_SHOWN_MAX).cloned().collect::<Vec<_>>().join("; ");
    if findings.len() > FINDINGS_SHOWN_MAX {
        shown.push_str(&format!("; and {} more", findings.len() - FINDINGS_SHOWN_MAX));
    }
    format!("MorphPolicy {policy} does not allow {shown}")
}

#[cfg(test)]
mod tests;
