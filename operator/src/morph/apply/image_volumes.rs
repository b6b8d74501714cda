//! Clusters without image volumes, by which plugs reach a node. An API server that knows them and has them
//! switched off drops them and says nothing; an older one doesn't know the field. Either would make pods
//! without their plugs, so it is asked before anything is written. Pure.

use super::{Failure, Reason};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where the pods of each kind of workload are described.
const PODS: [&str; 2] = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];

/// What API servers say of a field that they don't know, and of a volume of which nothing is left.
const WORDS: [&str; 3] = ["field not declared in schema", "must specify a volume type", "unknown field"];

/// Names of the volumes that are images.
pub(super) fn names(object: &Value) -> BTreeSet<&str> {
    let volumes = PODS.iter().filter_map(|path| object.pointer(path)?.get("volumes")?.as_array()).flatten();
    volumes
        .filter(|volume| volume["image"].is_object())
        .filter_map(|volume| volume["name"].as_str())
        .collect()
}

/// Whether the API server has left out any of them.
pub(super) fn are_lost(wanted: &Value, answer: &Value) -> bool {
    !names(wanted).is_subset(&names(answer))
}

/// Whether that is what the API server refuses such an object for.
pub(super) fn are_refused(answer: &str) -> bool {
    answer.contains("volumes") && WORDS.iter().any(|words| answer.contains(words))
}

/// What to say of it. Nothing of the Morph's can mend it.
pub(super) fn failure(kind: &str, name: &str) -> Failure {
    let message = format!(
        "{kind} {name} is not applied: spec.plugs needs image volumes, and this cluster has none; they come \
         with Kubernetes 1.35 or newer, and the feature ImageVolume must be on in API server and kubelets"
    );
    Failure { reason: Reason::ApplyRefused, message, transient: false }
}

#[cfg(test)]
mod tests;
