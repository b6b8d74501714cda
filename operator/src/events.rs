//! Kubernetes Events: one for each change of a condition, none for what stays as it is. A pure function
//! decides which; writing them never holds up a Morph.

use crate::metrics::Metrics;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use morph_crds::{ConditionType, Reason};
use std::sync::Arc;
use std::time::Duration;

/// Who reports, as Events name it.
pub const CONTROLLER: &str = "hayride.dev/morph-operator";

/// Longest note, in bytes (events.k8s.io/v1).
pub const NOTE_BYTES_MAX: usize = 1_024;

/// Reason of the Events that tell of denials.
pub const DENIED: &str = "CapabilityDenied";

/// How long writing one Event may take, in milliseconds.
pub const WRITE_MS_MAX: u64 = 5_000;

/// What an Event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whether somebody should look at it.
    pub warning: bool,
    /// For machines.
    pub reason: String,
    /// For people.
    pub note: String,
}

/// Conditions that Events tell of, causes first: a later one with the same reason adds nothing.
const TOLD: [ConditionType; 6] = [
    ConditionType::Resolved,
    ConditionType::Composed,
    ConditionType::ImportsSatisfied,
    ConditionType::WithinCeiling,
    ConditionType::Available,
    ConditionType::Ready,
];

/// Reasons of what is on its way: no news until it is there, or is stuck.
const ON_ITS_WAY: [Reason; 5] =
    [Reason::Pending, Reason::Progressing, Reason::Deleting, Reason::PodsUnavailable, Reason::CommandRunning];

/// Reasons of what is false because somebody wants it so.
const WANTED: [Reason; 3] = [Reason::ScaledToZero, Reason::CommandScheduled, Reason::CommandSuspended];

/// What changed between two statuses, by condition: its state or its reason. Messages alone change too often,
/// and that nothing stands against a Morph is only news where something did.
#[must_use]
pub fn changes(before: &[Condition], after: &[Condition]) -> Vec<Change> {
    let mut told: Vec<Change> = Vec::new();
    for type_ in TOLD {
        let Some(now) = find(after, type_).filter(|now| now.status != "Unknown") else { continue };
        let old = find(before, type_);
        let same = old.is_some_and(|old| (&old.status, &old.reason) == (&now.status, &now.reason));
        let was_false = old.is_some_and(|old| old.status == "False");
        let is_check = matches!(
            type_,
            ConditionType::Composed | ConditionType::ImportsSatisfied | ConditionType::WithinCeiling
        );
        let healed = !is_check || now.status == "False" || was_false;
        let is_one_of = |reasons: &[Reason]| reasons.iter().any(|reason| reason.as_str() == now.reason);
        let repeated = told.iter().any(|change| change.reason == now.reason);
        // Ready sums up the others: alone it is news only if it knows more than they do.
        let summary = type_ == ConditionType::Ready && now.status == "True";
        if same || !healed || repeated || summary || is_one_of(&ON_ITS_WAY) {
            continue;
        }
        let warning = now.status != "True" && !is_one_of(&WANTED);
        told.push(Change { warning, reason: now.reason.clone(), note: cut(&now.message) });
    }
    told
}

fn find(all: &[Condition], type_: ConditionType) -> Option<&Condition> {
    all.iter().find(|condition| condition.type_ == type_.as_str())
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(NOTE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Writes Events.
pub struct Recorder {
    client: kube::Client,
    instance: String,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// A recorder in the name of this replica.
    #[must_use]
    pub fn new(client: kube::Client, instance: String, metrics: Arc<Metrics>) -> Self {
        Self { client, instance, metrics }
    }

    /// Writes one Event for each change. One that can't be written is logged and counted: Events are hearsay,
    /// and status has the same.
    pub async fn tell(&self, about: &ObjectReference, changes: &[Change]) {
        let namespace = about.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        for (index, change) in changes.iter().enumerate() {
            let event = self.event(about, change, Timestamp::now(), index);
            self.write(&api, &event).await;
        }
    }

    /// Writes the Event of a denial under this name, unless there is one: whether it is there now.
    pub async fn tell_denial(&self, about: &ObjectReference, name: String, note: &str) -> bool {
        let namespace = about.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let change = Change { warning: true, reason: DENIED.to_owned(), note: cut(note) };
        let mut event = self.event(about, &change, Timestamp::now(), 0);
        event.metadata.name = Some(name);
        event.action = Some("Run".to_owned());
        self.write(&api, &event).await
    }

    async fn write(&self, api: &Api<Event>, event: &Event) -> bool {
        let params = PostParams::default();
        let written = api.create(&params, event);
        let problem = match tokio::time::timeout(Duration::from_millis(WRITE_MS_MAX), written).await {
            Ok(Ok(_)) => {
                self.metrics.wrote("create", "events");
                return true;
            }
            // Its name says what it says.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the API server doesn't answer in time".to_owned(),
        };
        self.metrics.events_lost.inc();
        tracing::warn!(reason = event.reason, problem, "an Event is lost");
        false
    }

    fn event(&self, about: &ObjectReference, change: &Change, now: Timestamp, index: usize) -> Event {
        let name = about.name.as_deref().unwrap_or_default();
        let nanoseconds = now.as_nanosecond();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{nanoseconds:x}{index:x}")),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(change.note.clone()),
            reason: Some(change.reason.clone()),
            regarding: Some(about.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.chars().take(INSTANCE_CHARS_MAX).collect()),
            type_: Some(if change.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        }
    }
}

/// Longest `reportingInstance`, in characters (events.k8s.io/v1).
const INSTANCE_CHARS_MAX: usize = 128;

#[cfg(test)]
mod tests;
