//! From what was seen, judged and applied to the Morph's status. Pure: the time comes in, and a condition's
//! time moves only with its status, so that a status that says the same is the same.

mod fare;
mod parts;

use self::fare::{Fare, Trend, Verdict};
use super::ceiling::judge;
use super::plan::service;
use super::validate::Valid;
use super::{Applied, Failure, Found, Identity, Refusal, Seen};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use morph_crds::{ConditionType, MORPH_LABEL, MorphStatus, Reason, RunType};

/// Longest message of a condition, in characters: it is read in a terminal. The API's own bound is higher.
const MESSAGE_CHARS_MAX: usize = 2048;

/// The status that a Morph shall have.
#[must_use]
pub fn report(
    seen: &Seen,
    judged: &Result<Valid, Refusal>,
    applied: &Applied,
    now: Timestamp,
) -> MorphStatus {
    let identity = Identity::of(&seen.morph);
    let before = seen.morph.status.clone().unwrap_or_default();
    let found = match judged {
        Ok(valid) => Some(&valid.found),
        Err(refusal) => refusal.found.as_deref(),
    };
    let fare = fare::fare(seen, judged.as_ref().ok(), &identity, applied);
    let conditions = Conditions { seen, before: &before.conditions, now };
    MorphStatus {
        observed_generation: seen.morph.metadata.generation,
        conditions: conditions.all(judged, applied, &fare, found),
        components: found.map_or(before.components, |found| parts::components(&identity, found)),
        imports: found.map_or(before.imports, |found| parts::imports(&identity, found)),
        links: found.map_or(before.links, |found| parts::links(&identity, found)),
        composed: found.map_or(before.composed, |found| found.composed.as_ref().map(ToString::to_string)),
        replicas: Some(fare.pods),
        selector: Some(format!("{MORPH_LABEL}={}", identity.name)),
        url: found.map_or(before.url, |found| url(seen, &identity, found)),
    }
}

fn url(seen: &Seen, identity: &Identity, found: &Found) -> Option<String> {
    let port = seen.morph.spec.http.clone().unwrap_or_default().port;
    (found.runs == RunType::Server).then(|| service::url(&identity.namespace, &identity.name, port))
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

struct Conditions<'a> {
    seen: &'a Seen,
    before: &'a [Condition],
    now: Timestamp,
}

impl Conditions<'_> {
    fn all(
        &self,
        judged: &Result<Valid, Refusal>,
        applied: &Applied,
        fare: &Fare,
        found: Option<&Found>,
    ) -> Vec<Condition> {
        let refusal = judged.as_ref().err();
        let (ready, trend) = ready(refusal, applied, fare);
        let mut all = vec![
            self.condition(ConditionType::Resolved, parts::resolved(self.seen, refusal)),
            self.condition(ConditionType::ImportsSatisfied, imports_satisfied(found, refusal)),
            self.condition(ConditionType::WithinCeiling, within_ceiling(self.seen)),
            self.condition(ConditionType::Available, available(refusal, applied, fare)),
        ];
        if !self.seen.morph.spec.plugs.is_empty() {
            all.insert(1, self.condition(ConditionType::Composed, parts::composed(found, refusal)));
        }
        let kstatus = match trend {
            Trend::Settled => None,
            Trend::Moving => Some((ConditionType::Reconciling, Reason::Progressing)),
            Trend::Retrying => Some((ConditionType::Reconciling, Reason::Retrying)),
            Trend::Stalled => Some((ConditionType::Stalled, ready.reason)),
        };
        let message = ready.message.clone();
        all.push(self.condition(ConditionType::Ready, ready));
        all.extend(kstatus.map(|(type_, reason)| self.condition(type_, Verdict::yes(reason, message))));
        all
    }

    fn condition(&self, type_: ConditionType, verdict: Verdict) -> Condition {
        let before = self.before.iter().find(|c| c.type_ == type_.as_str() && c.status == verdict.status);
        Condition {
            type_: type_.as_str().to_owned(),
            status: verdict.status.to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: cut(&verdict.message, MESSAGE_CHARS_MAX),
            observed_generation: self.seen.morph.metadata.generation,
            last_transition_time: before
                .map_or_else(|| Time(self.now), |condition| condition.last_transition_time.clone()),
        }
    }
}

/// A refusal as the condition that it is about shows it.
fn refused(refusal: &Refusal) -> Verdict {
    let verdict = Verdict::no(refusal.reason, refusal.message.clone());
    if refusal.reason == Reason::Pending { Verdict { status: "Unknown", ..verdict } } else { verdict }
}

fn imports_satisfied(found: Option<&Found>, refusal: Option<&Refusal>) -> Verdict {
    if let Some(refusal) = refusal.filter(|refusal| refusal.condition == ConditionType::ImportsSatisfied) {
        return refused(refusal);
    }
    let Some(found) = found else { return Verdict::unknown("the component is not known yet") };
    if !found.is_answered() {
        return Verdict::unknown("what answers is known once the parts fit together");
    }
    let plugs = found.plugs.iter().flat_map(|plug| &plug.imports);
    let imports: Vec<_> = found.imports.iter().chain(plugs).collect();
    let count = |answer| imports.iter().filter(|import| import.answer == answer).count();
    let (granted, ambient) = (count(morph_grant::Answer::Granted), count(morph_grant::Answer::Ambient));
    let by_plugs = match found.plugs.is_empty() {
        true => String::new(),
        false => format!(", {} by plugs", count(morph_grant::Answer::Plug)),
    };
    Verdict::yes(Reason::AllImportsAnswered, format!("{granted} granted, {ambient} ambient{by_plugs}"))
}

/// Told whatever else stands against pods: who lays down a policy wants to see whom it meets.
fn within_ceiling(seen: &Seen) -> Verdict {
    let judged = judge(&seen.morph, &seen.ceiling);
    match judged.holds {
        true => Verdict::yes(judged.reason, judged.message),
        false => Verdict::no(judged.reason, judged.message),
    }
}

fn available(refusal: Option<&Refusal>, applied: &Applied, fare: &Fare) -> Verdict {
    if let Some(refusal) = refusal.filter(|refusal| refusal.condition == ConditionType::Available) {
        return refused(refusal);
    }
    match (refusal, applied) {
        // What was there before goes on; where nothing was, the cause is the better answer.
        (Some(refusal), _) if !fare.exists && refusal.reason == Reason::Pending => {
            Verdict::unknown(refusal.message.clone())
        }
        (Some(refusal), _) if !fare.exists => {
            Verdict::no(Reason::PodsUnavailable, format!("no pod is made: {}", refusal.reason))
        }
        (None, Applied::Failed(failure)) if !fare.exists => {
            Verdict::no(failure.reason, failure.message.clone())
        }
        _ => fare.available.clone(),
    }
}

fn ready(refusal: Option<&Refusal>, applied: &Applied, fare: &Fare) -> (Verdict, Trend) {
    let failed = |failure: &Failure| {
        let trend = if failure.transient { Trend::Retrying } else { Trend::Stalled };
        (Verdict::no(failure.reason, failure.message.clone()), trend)
    };
    match (refusal, applied) {
        (Some(refusal), _) => {
            let trend = match (refusal.reason, refusal.transient) {
                (Reason::Pending | Reason::Deleting, _) => Trend::Moving,
                (_, true) => Trend::Retrying,
                (_, false) => Trend::Stalled,
            };
            (refused(refusal), trend)
        }
        (None, Applied::Failed(failure)) => failed(failure),
        (None, Applied::Not) => {
            (Verdict::no(Reason::Progressing, "what is to be is known, and not applied yet"), Trend::Moving)
        }
        (None, Applied::All { .. }) => (fare.ready.clone(), fare.trend),
    }
}

#[cfg(test)]
mod tests;
