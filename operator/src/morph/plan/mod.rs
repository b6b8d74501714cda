//! From a valid Morph to the objects that shall be and those that shall be gone. One file for each object.
//! Pure, cannot fail, and the same input gives the same bytes.

mod cron_job;
mod deployment;
mod env;
pub(crate) mod files;
pub(crate) mod grant;
mod job;
pub(crate) mod names;
mod network_policy;
pub(crate) mod plug;
pub(crate) mod pod;
mod probe;
pub(crate) mod service;
mod service_account;
mod volume;

use super::fence::Fence;
use super::validate::Valid;
use super::{Child, ChildKind, Deletion, Object, Plan, Seen};
use morph_crds::RunType;

/// What shall be, and what shall be gone.
///
/// Of a Command, an old Job goes first and with its pods: until it is gone, the next isn't in the plan. Its
/// end is an event that makes the next plan. What is being deleted is not applied either, and no pods are
/// made while their NetworkPolicy goes.
#[must_use]
pub fn plan(valid: &Valid, seen: &Seen) -> Plan {
    let wanted = wanted(valid, seen.fence.as_deref());
    let keeps =
        |child: &Child| wanted.iter().any(|o| (o.kind(), o.name()) == (child.kind, child.name.as_str()));
    let surplus: Vec<&Child> =
        seen.children.owned(&valid.identity.uid).filter(|child| !keeps(child)).collect();
    let old_run = surplus.iter().any(|child| child.kind == ChildKind::Job);
    let goes = |kind, name: &str| seen.children.get(kind, name).is_some_and(|child| child.deleting);
    let unfenced = seen.fence.is_some() && goes(ChildKind::NetworkPolicy, &valid.identity.name);
    let ready = |object: &Object| {
        !(goes(object.kind(), object.name())
            || old_run && object.kind() == ChildKind::Job
            || unfenced && WORKLOADS.contains(&object.kind()))
    };
    Plan {
        delete: surplus.iter().filter(|child| !child.deleting).map(|child| deletion(child)).collect(),
        apply: wanted.iter().filter(|object| ready(object)).cloned().collect(),
    }
}

/// Kinds that make pods.
pub(crate) const WORKLOADS: [ChildKind; 3] = [ChildKind::Deployment, ChildKind::Job, ChildKind::CronJob];

/// All objects that a Morph has once everything old is gone.
fn wanted(valid: &Valid, fence: Option<&Fence>) -> Vec<Object> {
    let mut objects = Vec::new();
    if valid.spec.template.as_ref().is_none_or(|template| template.service_account_name.is_none()) {
        objects.push(Object::ServiceAccount(Box::new(service_account::service_account(valid))));
    }
    if let Some(fence) = fence {
        objects.push(Object::NetworkPolicy(Box::new(network_policy::network_policy(valid, fence))));
    }
    let schedule = valid.spec.run.as_ref().and_then(|run| run.schedule.as_deref());
    match (valid.found.runs, schedule) {
        (RunType::Server, _) => {
            objects.push(Object::Service(Box::new(service::service(valid))));
            objects.push(Object::Deployment(Box::new(deployment::deployment(valid))));
        }
        (RunType::Command, None) => objects.push(Object::Job(Box::new(job::job(valid)))),
        (RunType::Command, Some(line)) => {
            objects.push(Object::CronJob(Box::new(cron_job::cron_job(valid, line))));
        }
    }
    objects
}

/// The object that runs a Morph's pods: its kind and name.
pub(crate) fn workload(valid: &Valid) -> (ChildKind, String) {
    let object = wanted(valid, None).into_iter().find(|object| WORKLOADS.contains(&object.kind()));
    object.map_or((ChildKind::Deployment, String::new()), |object| (object.kind(), object.name().to_owned()))
}

/// The kind of the object that runs a Morph's pods.
pub(crate) fn workload_kind(runs: RunType, scheduled: bool) -> ChildKind {
    match (runs, scheduled) {
        (RunType::Server, _) => ChildKind::Deployment,
        (RunType::Command, false) => ChildKind::Job,
        (RunType::Command, true) => ChildKind::CronJob,
    }
}

/// Kinds and names of what a Morph of this type has: [`super::validate`] looks whether others have them.
/// A Job's name holds the uid's hash and can't be taken.
pub(crate) fn kinds(runs: RunType, scheduled: bool, own_account: bool, fenced: bool) -> Vec<ChildKind> {
    let account = own_account.then_some(ChildKind::ServiceAccount);
    let policy = fenced.then_some(ChildKind::NetworkPolicy);
    let workload: &[ChildKind] = match (runs, scheduled) {
        (RunType::Server, _) => &[ChildKind::Service, ChildKind::Deployment],
        (RunType::Command, false) => &[],
        (RunType::Command, true) => &[ChildKind::CronJob],
    };
    account.into_iter().chain(policy).chain(workload.iter().copied()).collect()
}

pub(crate) fn deletion(child: &Child) -> Deletion {
    Deletion {
        kind: child.kind,
        name: child.name.clone(),
        uid: child.uid.clone(),
        resource_version: child.resource_version.clone(),
        wait_for_pods: child.kind == ChildKind::Job,
    }
}

#[cfg(test)]
mod tests;
