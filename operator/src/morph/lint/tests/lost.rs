//! Each field of a plan, lost once: the lint says so, or the field is one of those that give nobody anything.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::command;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Fields that a plan may lose and give nothing away: how pods are named, probed, pulled, rolled and ended.
const HARMLESS: [&str; 20] = [
    "/apiVersion",
    "/kind",
    "/metadata/annotations",
    "/spec/ports",
    "/spec/progressDeadlineSeconds",
    "/spec/strategy",
    "/spec/backoffLimit",
    "/spec/completions",
    "/spec/parallelism",
    "/spec/podFailurePolicy",
    "/spec/suspend",
    "TEMPLATE/spec/containers/0/imagePullPolicy",
    "TEMPLATE/spec/containers/0/name",
    "TEMPLATE/spec/containers/0/ports",
    "TEMPLATE/spec/containers/0/readinessProbe",
    "TEMPLATE/spec/containers/0/startupProbe",
    "TEMPLATE/spec/containers/0/securityContext/privileged",
    "TEMPLATE/spec/securityContext/fsGroupChangePolicy",
    "TEMPLATE/spec/serviceAccountName",
    "TEMPLATE/spec/terminationGracePeriodSeconds",
];

/// The place of every field in a value that isn't an object itself.
fn leaves(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), into);
            }
        }
        _ => into.push(at.to_owned()),
    }
}

fn without(value: &Value, at: &str) -> Value {
    let (parent, last) = at.rsplit_once('/').unwrap();
    let mut value = value.clone();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.remove(&last.replace("~1", "/").replace("~0", "~"))),
        Value::Array(list) => drop(list.remove(last.parse().unwrap())),
        _ => unreachable!("{at}"),
    }
    value
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<Box<T>> {
    serde_json::from_value(value.clone()).ok().map(Box::new)
}

/// The same kind of object from another value, where that can be read as one.
fn reread(object: &Object, value: &Value) -> Option<Object> {
    Some(match object {
        Object::ServiceAccount(_) => Object::ServiceAccount(read(value)?),
        Object::NetworkPolicy(_) => Object::NetworkPolicy(read(value)?),
        Object::Service(_) => Object::Service(read(value)?),
        Object::Deployment(_) => Object::Deployment(read::<Deployment>(value)?),
        Object::Job(_) => Object::Job(read::<Job>(value)?),
        Object::CronJob(_) => Object::CronJob(read::<CronJob>(value)?),
    })
}

fn is_harmless(at: &str) -> bool {
    let short =
        at.replace("/spec/jobTemplate/spec/template", "TEMPLATE").replace("/spec/template", "TEMPLATE");
    // What a schedule says besides its pods: when, and how many are kept.
    let schedule = at.starts_with("/spec/jobTemplate/") && !short.starts_with("TEMPLATE");
    schedule || HARMLESS.iter().any(|field| short == *field || short.starts_with(&format!("{field}/")))
}

/// Loses each field of each object of a plan; gives how many the lint missed though they matter.
fn check_losses(spec: &str, world: morph_component::World, harmless: &[&str]) {
    let seen = seen(morph(spec), world);
    let plan = planned(&seen);
    let mut missed = Vec::new();
    for (index, object) in plan.apply.iter().enumerate() {
        let whole = object.to_value();
        let mut places = Vec::new();
        leaves(&whole, "", &mut places);
        for at in places.iter().filter(|at| !is_harmless(at) && !harmless.contains(&at.as_str())) {
            let Some(lost) = reread(object, &without(&whole, at)) else { continue };
            let mut wrong = plan.clone();
            wrong.apply[index] = lost;
            if lint(&wrong, &seen).is_ok() {
                missed.push(format!("{} {at}", object.kind().as_str()));
            }
        }
    }
    assert!(missed.is_empty(), "lost unseen: {missed:#?}");
}

#[test]
fn no_field_of_a_server_is_lost_unseen() {
    // What an empty directory is is not the lint's question; that it is there is.
    check_losses(
        SPEC,
        server(),
        &[
            "/spec/template/spec/volumes/0/emptyDir",
            "/spec/template/spec/containers/0/env/0/valueFrom/fieldRef/apiVersion",
            "/spec/template/spec/containers/0/env/0/valueFrom/fieldRef/fieldPath",
        ],
    );
}

#[test]
fn no_field_of_what_is_let_out_is_lost_unseen() {
    // Which addresses and which pods: the plan's own tests say. That each rule has some is seen.
    let seen = seen(morph(NETWORK), server());
    let plan = planned(&seen);
    let policy = plan.apply.iter().find(|object| object.kind() == ChildKind::NetworkPolicy).unwrap();
    let mut places = Vec::new();
    leaves(&policy.to_value(), "", &mut places);
    let told = |at: &&String| ["/except/", "/matchLabels/"].iter().any(|part| at.contains(part));
    let harmless: Vec<_> =
        places.iter().filter(|at| at.starts_with("/spec/egress")).filter(told).map(String::as_str).collect();
    assert!(harmless.len() > 10, "{harmless:?}");
    check_losses(NETWORK, server(), &harmless);
}

#[test]
fn no_field_of_a_run_is_lost_unseen() {
    check_losses("image: r.test/hello:1\nargs: [a]\n", command(), &[]);
}

#[test]
fn no_field_of_a_scheduled_run_is_lost_unseen() {
    let when = ["/spec/concurrencyPolicy", "/spec/schedule", "/spec/timeZone"];
    let kept =
        ["/spec/successfulJobsHistoryLimit", "/spec/failedJobsHistoryLimit", "/spec/startingDeadlineSeconds"];
    let harmless: Vec<_> = when.into_iter().chain(kept).collect();
    check_losses("image: r.test/hello:1\nrun: {schedule: \"@daily\"}\n", command(), &harmless);
}
