//! What the namespace's MorphPolicy says of a Morph. The API server has asked the same when the Morph was
//! written; here it is asked of Morphs that were there before the policy, or before the namespace's label.
//! Pure.

use super::{Plan, Refusal, Seen, plan};
use crate::morph::{Child, ChildKind, ChildState, Identity};
use morph_crds::ceiling::{findings, message};
use morph_crds::{
    ConditionType, Enforcement, Morph, MorphPolicySpec, OnViolation, POLICY_DEFAULT, POLICY_LABEL, Reason,
};
use std::sync::Arc;

/// The ceiling of a Morph's namespace.
#[derive(Debug, Clone, PartialEq)]
pub enum Ceiling {
    /// No label, and no policy for namespaces without one.
    None,
    /// The label names a policy that isn't there.
    Missing {
        /// The label's value.
        name: String,
    },
    /// A policy.
    Policy {
        /// Its name.
        name: String,
        /// What it allows.
        spec: Arc<MorphPolicySpec>,
    },
}

/// What the ceiling says of a Morph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Whether pods may be made.
    pub(crate) holds: bool,
    /// Whether pods that are there must go.
    pub(crate) drains: bool,
    /// For machines.
    pub(crate) reason: Reason,
    /// For people.
    pub(crate) message: String,
}

/// Holds a Morph against a ceiling. A policy that only warns or takes note holds nothing back; what it would
/// refuse is told.
pub(crate) fn judge(morph: &Morph, ceiling: &Ceiling) -> Judgement {
    let say = |holds, reason, message| Judgement { holds, drains: false, reason, message };
    let (name, spec) = match ceiling {
        Ceiling::None => {
            let message = format!(
                "the namespace has no label {POLICY_LABEL}, and there is no MorphPolicy {POLICY_DEFAULT}"
            );
            return say(true, Reason::NoPolicy, message);
        }
        Ceiling::Missing { name } => {
            let message = format!(
                "the namespace's label {POLICY_LABEL} names MorphPolicy \"{name}\", which is not there: \
                 make it, or correct the label"
            );
            return say(false, Reason::PolicyNotFound, message);
        }
        Ceiling::Policy { name, spec } => (name, spec),
    };
    let found = findings(spec, &morph.spec);
    if found.is_empty() {
        return say(true, Reason::WithinPolicy, format!("MorphPolicy {name} allows all of it"));
    }
    let message = message(name, &found);
    if spec.enforcement != Enforcement::Deny {
        return say(true, Reason::PolicyNotEnforced, message);
    }
    let drains = spec.on_violation == OnViolation::Drain;
    Judgement { drains, ..say(false, Reason::AbovePolicy, message) }
}

/// Why there is no plan, if the ceiling is why.
pub(crate) fn refusal(seen: &Seen) -> Option<Refusal> {
    let judged = judge(&seen.morph, &seen.ceiling);
    let refusal = Refusal::of(ConditionType::WithinCeiling, judged.reason, judged.message);
    (!judged.holds).then_some(Refusal { drains: judged.drains, ..refusal })
}

/// What goes where pods must: all that makes them. A Job that has ended stays: it makes none any more, and is
/// the proof that it ran.
#[must_use]
pub fn drain(seen: &Seen) -> Plan {
    let identity = Identity::of(&seen.morph);
    let makes_pods = |child: &&Child| match (&child.kind, &child.state) {
        (ChildKind::Job, ChildState::Job { end, .. }) => end.is_none(),
        (kind, _) => matches!(kind, ChildKind::Deployment | ChildKind::CronJob),
    };
    let going = seen.children.owned(&identity.uid).filter(makes_pods).filter(|child| !child.deleting);
    Plan { delete: going.map(plan::deletion).collect(), apply: Vec::new() }
}

#[cfg(test)]
mod tests;
