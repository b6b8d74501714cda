//! The CronJob of a Command with a schedule.

use super::{job, names};
use crate::morph::validate::Valid;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use morph_crds::ConcurrencyPolicy;

/// Jobs kept of those that succeeded, and of those that failed: Kubernetes' own numbers, said out loud.
const SUCCEEDED_KEPT: i32 = 3;
const FAILED_KEPT: i32 = 1;

pub(super) fn cron_job(valid: &Valid, schedule: &str) -> CronJob {
    let run = job::run(valid);
    CronJob {
        metadata: names::workload_metadata(valid, &valid.identity.name),
        spec: CronJobSpec {
            schedule: schedule.to_owned(),
            time_zone: run.time_zone.clone(),
            concurrency_policy: Some(policy(run.concurrency_policy.unwrap_or_default()).to_owned()),
            suspend: Some(run.suspend.unwrap_or(false)),
            successful_jobs_history_limit: Some(SUCCEEDED_KEPT),
            failed_jobs_history_limit: Some(FAILED_KEPT),
            starting_deadline_seconds: None,
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(names::labels(&valid.identity)),
                    ..ObjectMeta::default()
                }),
                spec: Some(job::spec(valid)),
            },
        },
        status: None,
    }
}

fn policy(policy: ConcurrencyPolicy) -> &'static str {
    match policy {
        ConcurrencyPolicy::Allow => "Allow",
        ConcurrencyPolicy::Forbid => "Forbid",
        ConcurrencyPolicy::Replace => "Replace",
    }
}
