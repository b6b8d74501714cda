//! What a decision needs of an object that exists: who it is, whose it is, and how it fares.

use super::SPEC_ANNOTATION;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Service, ServiceAccount, Volume};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Kinds of objects that a plan can hold, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// `v1` ServiceAccount
    ServiceAccount,
    /// `networking.k8s.io/v1` NetworkPolicy
    NetworkPolicy,
    /// `v1` Service
    Service,
    /// `apps/v1` Deployment
    Deployment,
    /// `batch/v1` Job
    Job,
    /// `batch/v1` CronJob
    CronJob,
}

impl ChildKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ServiceAccount,
        Self::NetworkPolicy,
        Self::Service,
        Self::Deployment,
        Self::Job,
        Self::CronJob,
    ];

    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }
}

/// An object that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name, in the Morph's namespace.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion: a delete is for this state of it and no later one.
    pub resource_version: String,
    /// Uid of its controller.
    pub owner: Option<String>,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// Its [`SPEC_ANNOTATION`].
    pub spec_hash: Option<String>,
    /// The image of its pods.
    pub image: Option<String>,
    /// Images of its pods' plugs, by the names of their volumes.
    pub plugs: BTreeMap<String, String>,
    /// The grant of its pods, as it stands in the annotation.
    pub grant: Option<String>,
    /// How it fares.
    pub state: ChildState,
}

impl Child {
    /// Whether it is a Job that has come to its end: it never starts a pod again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, ChildState::Job { end: Some(_), .. })
    }
}

/// How an object fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildState {
    /// It has no life of its own.
    Plain,
    /// A Deployment.
    Deployment {
        /// Whether its controller has seen the newest generation.
        observed: bool,
        /// Pods asked for.
        desired: i32,
        /// Pods that exist, of any template.
        existing: i32,
        /// Pods of the newest template.
        updated: i32,
        /// Pods that serve, of any template.
        available: i32,
        /// Message of `Progressing=False`: the roll-out passed its deadline.
        stuck: Option<String>,
        /// Message of `ReplicaFailure=True`: pods are refused.
        refused: Option<String>,
    },
    /// A Job.
    Job {
        /// Whether it is told to rest.
        suspended: bool,
        /// Pods that run or are about to.
        active: i32,
        /// Pods that succeeded.
        succeeded: i32,
        /// Pods that failed.
        failed: i32,
        /// Whether and how it ended.
        end: Option<JobEnd>,
    },
    /// A CronJob.
    CronJob {
        /// Whether it is told to rest.
        suspended: bool,
        /// Jobs that run.
        active: i32,
        /// When it last started one (RFC 3339).
        last_schedule: Option<String>,
        /// When one last succeeded (RFC 3339).
        last_success: Option<String>,
    },
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// All completions are there.
    Succeeded,
    /// It gave up; Kubernetes' reason and message.
    Failed {
        /// `BackoffLimitExceeded`, `DeadlineExceeded`, …
        reason: String,
        /// Its sentence.
        message: String,
    },
}

fn child(kind: ChildKind, meta: &ObjectMeta, pod: Option<&PodTemplateSpec>, state: ChildState) -> Child {
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let annotation = meta.annotations.as_ref().and_then(|all| all.get(SPEC_ANNOTATION));
    Child {
        kind,
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        owner: owner.map(|owner| owner.uid.clone()),
        deleting: meta.deletion_timestamp.is_some(),
        spec_hash: annotation.cloned(),
        image: pod.and_then(|pod| pod.spec.as_ref()?.containers.first()?.image.clone()),
        plugs: pod.map(plugs).unwrap_or_default(),
        grant: pod.and_then(grant),
        state,
    }
}

fn plugs(pod: &PodTemplateSpec) -> BTreeMap<String, String> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let reference = |volume: &Volume| volume.image.as_ref()?.reference.clone();
    volumes.filter_map(|volume| Some((volume.name.clone(), reference(volume)?))).collect()
}

fn grant(pod: &PodTemplateSpec) -> Option<String> {
    pod.metadata.as_ref()?.annotations.as_ref()?.get(morph_grant::ANNOTATION).cloned()
}

impl From<&ServiceAccount> for Child {
    fn from(object: &ServiceAccount) -> Self {
        child(ChildKind::ServiceAccount, &object.metadata, None, ChildState::Plain)
    }
}

impl From<&NetworkPolicy> for Child {
    fn from(object: &NetworkPolicy) -> Self {
        child(ChildKind::NetworkPolicy, &object.metadata, None, ChildState::Plain)
    }
}

impl From<&Service> for Child {
    fn from(object: &Service) -> Self {
        child(ChildKind::Service, &object.metadata, None, ChildState::Plain)
    }
}

impl From<&Deployment> for Child {
    fn from(object: &Deployment) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let message = |type_: &str, state: &str, reason: Option<&str>| {
            let fits = |found: Option<&str>| reason.is_none() || found == reason;
            let found = conditions
                .iter()
                .find(|c| c.type_ == type_ && c.status == state && fits(c.reason.as_deref()));
            found.map(|c| c.message.clone().unwrap_or_default())
        };
        let state = ChildState::Deployment {
            observed: status.observed_generation.unwrap_or(0) >= object.metadata.generation.unwrap_or(0),
            desired: object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            existing: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            stuck: message("Progressing", "False", Some("ProgressDeadlineExceeded")),
            refused: message("ReplicaFailure", "True", None),
        };
        let pod = object.spec.as_ref().map(|spec| &spec.template);
        child(ChildKind::Deployment, &object.metadata, pod, state)
    }
}

impl From<&Job> for Child {
    fn from(object: &Job) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let end = status.conditions.unwrap_or_default().into_iter().find_map(|condition| {
            match (condition.type_.as_str(), condition.status.as_str()) {
                ("Complete", "True") => Some(JobEnd::Succeeded),
                ("Failed", "True") => Some(JobEnd::Failed {
                    reason: condition.reason.unwrap_or_default(),
                    message: condition.message.unwrap_or_default(),
                }),
                _ => None,
            }
        });
        let state = ChildState::Job {
            suspended: object.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false),
            active: status.active.unwrap_or(0),
            succeeded: status.succeeded.unwrap_or(0),
            failed: status.failed.unwrap_or(0),
            end,
        };
        let pod = object.spec.as_ref().map(|spec| &spec.template);
        child(ChildKind::Job, &object.metadata, pod, state)
    }
}

impl From<&CronJob> for Child {
    fn from(object: &CronJob) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let state = ChildState::CronJob {
            suspended: object.spec.suspend.unwrap_or(false),
            active: status.active.map_or(0, |jobs| i32::try_from(jobs.len()).unwrap_or(i32::MAX)),
            last_schedule: status.last_schedule_time.map(|time| time.0.to_string()),
            last_success: status.last_successful_time.map(|time| time.0.to_string()),
        };
        let pod = object.spec.job_template.spec.as_ref().map(|spec| &spec.template);
        child(ChildKind::CronJob, &object.metadata, pod, state)
    }
}

#[cfg(test)]
mod tests;
