//! The Job of a Command, and the part of it that a CronJob has too.

use super::{names, pod};
use crate::morph::validate::Valid;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use morph_crds::bounds::{BACKOFF_LIMIT_DEFAULT, RUNS_DEFAULT};
use serde::Serialize;

/// What can't change in a Job: another of these is another Job.
#[derive(Serialize)]
struct Fixed<'a> {
    template: &'a PodTemplateSpec,
    completions: i32,
}

/// A Job's name says what it runs. No TTL: a Job that ended is the proof that this ran.
pub(super) fn job(valid: &Valid) -> Job {
    let spec = JobSpec { suspend: Some(run(valid).suspend.unwrap_or(false)), ..spec(valid) };
    let fixed = Fixed { template: &spec.template, completions: spec.completions.unwrap_or(RUNS_DEFAULT) };
    let name = names::job(&valid.identity.name, &fixed);
    Job { metadata: names::workload_metadata(valid, &name), spec: Some(spec), status: None }
}

pub(super) fn run(valid: &Valid) -> morph_crds::Run {
    valid.spec.run.clone().unwrap_or_default()
}

/// All of a Job but whether it rests.
pub(super) fn spec(valid: &Valid) -> JobSpec {
    let run = run(valid);
    JobSpec {
        template: pod::template(valid),
        parallelism: Some(run.parallelism.unwrap_or(RUNS_DEFAULT)),
        completions: Some(run.completions.unwrap_or(RUNS_DEFAULT)),
        backoff_limit: Some(run.backoff_limit.unwrap_or(BACKOFF_LIMIT_DEFAULT)),
        active_deadline_seconds: run.active_deadline_seconds,
        ..JobSpec::default()
    }
}
