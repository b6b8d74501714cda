//! Objects as Kubernetes answers them, read for what decisions need.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<K: DeserializeOwned>(value: Value) -> Child
where
    for<'a> Child: From<&'a K>,
{
    Child::from(&serde_json::from_value::<K>(value).unwrap())
}

fn with(mut value: Value, spec: Value, status: Value) -> Value {
    value["spec"] = spec;
    value["status"] = status;
    value
}

fn meta() -> Value {
    json!({ "metadata": {
        "name": "hello", "namespace": "demo", "uid": "u1", "resourceVersion": "9", "generation": 3,
        "annotations": { "hayride.dev/spec": "abc" },
        "ownerReferences": [
            { "apiVersion": "v1", "kind": "Other", "name": "o", "uid": "o1" },
            { "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph", "name": "hello", "uid": "m1",
              "controller": true },
        ],
    } })
}

#[test]
fn identity_and_owner_are_read() {
    let child = read::<ServiceAccount>(meta());
    assert_eq!(
        (child.kind, child.name.as_str(), child.uid.as_str()),
        (ChildKind::ServiceAccount, "hello", "u1")
    );
    assert_eq!((child.resource_version.as_str(), child.owner.as_deref()), ("9", Some("m1")));
    assert_eq!((child.spec_hash.as_deref(), child.deleting), (Some("abc"), false));
    let mut going = meta();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-25T12:00:00Z");
    going["metadata"]["ownerReferences"] = json!([]);
    let child = read::<Service>(going);
    assert_eq!((child.deleting, child.owner), (true, None));
}

fn deployment(status: Value) -> ChildState {
    let spec = json!({ "replicas": 2, "selector": {}, "template": {} });
    read::<Deployment>(with(meta(), spec, status)).state
}

#[test]
fn a_deployment_is_observed_once_its_controller_has_seen_the_newest_generation() {
    for (status, want) in [
        (json!({}), false),
        (json!({ "observedGeneration": 2 }), false),
        (json!({ "observedGeneration": 3 }), true),
    ] {
        let ChildState::Deployment { observed, .. } = deployment(status) else { panic!() };
        assert_eq!(observed, want);
    }
}

#[test]
fn a_deployments_numbers_and_troubles_are_read() {
    let state = deployment(json!({
        "observedGeneration": 3, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
        "conditions": [
            { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
              "message": "timed out" },
            { "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota" },
        ],
    }));
    assert_eq!(
        state,
        ChildState::Deployment {
            observed: true,
            desired: 2,
            existing: 3,
            updated: 1,
            available: 2,
            stuck: Some("timed out".into()),
            refused: Some("quota".into()),
        }
    );
    let paused = json!({ "conditions": [
        { "type": "Progressing", "status": "False", "reason": "DeploymentPaused", "message": "paused" },
        { "type": "ReplicaFailure", "status": "False", "reason": "", "message": "was" },
    ] });
    let ChildState::Deployment { stuck, refused, .. } = deployment(paused) else { panic!() };
    assert_eq!((stuck, refused), (None, None));
}

#[test]
fn the_image_of_the_pods_is_read() {
    let template = json!({ "spec": { "containers": [{ "name": "morph", "image": "r.test/a@sha256:1" }] } });
    let image = Some("r.test/a@sha256:1".to_owned());
    let spec = json!({ "selector": {}, "template": template });
    assert_eq!(read::<Deployment>(with(meta(), spec, json!({}))).image, image);
    assert_eq!(read::<Job>(with(meta(), json!({ "template": template }), json!({}))).image, image);
    let spec = json!({ "schedule": "@daily", "jobTemplate": { "spec": { "template": template } } });
    assert_eq!(read::<CronJob>(with(meta(), spec, json!({}))).image, image);
    assert_eq!(read::<Service>(meta()).image, None);
}

#[test]
fn a_job_ends_only_by_a_condition_that_is_true() {
    let failed = JobEnd::Failed { reason: "DeadlineExceeded".into(), message: "late".into() };
    for (conditions, want) in [
        (json!([]), None),
        (json!([{ "type": "Complete", "status": "False" }]), None),
        (json!([{ "type": "SuccessCriteriaMet", "status": "True" }]), None),
        (json!([{ "type": "Suspended", "status": "True" }]), None),
        (json!([{ "type": "Complete", "status": "True" }]), Some(JobEnd::Succeeded)),
        (
            json!([{ "type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late" }]),
            Some(failed),
        ),
    ] {
        let spec = json!({ "suspend": true, "template": {} });
        let status = json!({ "active": 1, "succeeded": 2, "failed": 3, "conditions": conditions });
        let state = read::<Job>(with(meta(), spec, status)).state;
        let end = want;
        assert_eq!(state, ChildState::Job { suspended: true, active: 1, succeeded: 2, failed: 3, end });
    }
}

#[test]
fn a_cron_jobs_times_are_read() {
    let spec = json!({ "schedule": "@daily", "jobTemplate": {} });
    let status = json!({
        "active": [{}, {}], "lastScheduleTime": "2026-11-25T00:00:00Z",
        "lastSuccessfulTime": "2026-11-24T00:00:09Z",
    });
    assert_eq!(
        read::<CronJob>(with(meta(), spec, status)).state,
        ChildState::CronJob {
            suspended: false,
            active: 2,
            last_schedule: Some("2026-11-25T00:00:00Z".into()),
            last_success: Some("2026-11-24T00:00:09Z".into()),
        }
    );
}
