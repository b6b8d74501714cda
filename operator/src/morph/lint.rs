//! What holds of every plan, whatever made it: looked at in tests, and again before anything is applied. A
//! plan that breaks one of these is a mistake of ours, and is not applied. Pure.

mod network;
mod plugs;
mod pods;

use super::plan::names;
use super::{Child, ChildKind, Identity, Object, Plan, Seen};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeSet;

/// A rule that a plan breaks: the object, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {problem}")]
pub struct Broken {
    /// Kind and name.
    pub object: String,
    /// The rule, as what is wrong.
    pub problem: String,
}

/// Longest name of a child: a DNS label, since it becomes the value of a label.
const NAME_CHARS_MAX: usize = 63;

/// Checks a plan against what was seen.
///
/// # Errors
/// Every rule that it breaks.
pub fn lint(plan: &Plan, seen: &Seen) -> Result<(), Vec<Broken>> {
    let identity = Identity::of(&seen.morph);
    let mut broken = Vec::new();
    for deletion in &plan.delete {
        let what = format!("{} {}", deletion.kind.as_str(), deletion.name);
        let child = seen.children.0.iter().find(|child| child.uid == deletion.uid);
        for problem in deletion_problems(&identity, deletion.kind, child) {
            broken.push(Broken { object: what.clone(), problem });
        }
        if plan.apply.iter().any(|object| (object.kind(), object.name()) == (deletion.kind, &deletion.name)) {
            broken.push(Broken { object: what, problem: "is applied and deleted".to_owned() });
        }
    }
    let mut names = BTreeSet::new();
    for object in &plan.apply {
        let mut problems = metadata_problems(&identity, object.metadata());
        problems.extend(object_problems(&identity, seen, object));
        if !names.insert((object.kind(), object.name())) {
            problems.push("is applied twice".to_owned());
        }
        let what = format!("{} {}", object.kind().as_str(), object.name());
        broken.extend(problems.into_iter().map(|problem| Broken { object: what.clone(), problem }));
    }
    broken.extend(network::unfenced(plan, seen));
    let runs = plan.apply.iter().filter(|object| object.kind() == ChildKind::Job).count();
    if runs > 0 && seen.children.owned(&identity.uid).any(|child| is_other_run(plan, child)) {
        let problem = "another run's Job is still there".to_owned();
        broken.push(Broken { object: "Job".to_owned(), problem });
    }
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

fn is_other_run(plan: &Plan, child: &Child) -> bool {
    child.kind == ChildKind::Job && plan.apply.iter().all(|object| object.name() != child.name)
}

fn deletion_problems(identity: &Identity, kind: ChildKind, child: Option<&Child>) -> Vec<String> {
    let Some(child) = child else { return vec!["is deleted and was not seen".to_owned()] };
    let rules = [
        (child.kind == kind, "is deleted and was seen as another kind"),
        (child.owner.as_deref() == Some(identity.uid.as_str()), "is deleted and is not ours"),
        (!child.resource_version.is_empty(), "is deleted without the state that it was seen in"),
    ];
    failed(&rules)
}

/// The texts of the rules that don't hold.
fn failed(rules: &[(bool, &str)]) -> Vec<String> {
    rules.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect()
}

fn metadata_problems(identity: &Identity, meta: &ObjectMeta) -> Vec<String> {
    let name = meta.name.as_deref().unwrap_or_default();
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owned = matches!(owners, [owner] if owner.uid == identity.uid
        && owner.name == identity.name
        // The garbage collector takes an owner that it doesn't find for one that is gone.
        && (owner.api_version.as_str(), owner.kind.as_str()) == (names::API_VERSION, names::KIND)
        && owner.controller == Some(true)
        && owner.block_owner_deletion == Some(true));
    failed(&[
        (!identity.uid.is_empty(), "its Morph has no uid"),
        (meta.namespace.as_deref() == Some(identity.namespace.as_str()), "is in another namespace"),
        (!name.is_empty() && name.len() <= NAME_CHARS_MAX, "has no name that fits"),
        (owned, "is not owned by its Morph alone"),
        (meta.labels.as_ref() == Some(&names::labels(identity)), "has other labels than a child has"),
    ])
}

fn object_problems(identity: &Identity, seen: &Seen, object: &Object) -> Vec<String> {
    let mut problems = Vec::new();
    match object {
        Object::ServiceAccount(account) => {
            let plain = account.automount_service_account_token == Some(false);
            problems.extend(failed(&[(plain, "lets its token be mounted")]));
        }
        Object::NetworkPolicy(policy) => problems.extend(network::problems(identity, seen, policy)),
        Object::Service(service) => {
            let spec = service.spec.clone().unwrap_or_default();
            let selects = spec.selector == Some(names::selector_labels(&identity.name));
            let inside = spec.type_.as_deref() == Some("ClusterIP") && spec.external_ips.is_none();
            problems.extend(failed(&[
                (selects, "selects by other labels than the Morph's"),
                (inside, "can be reached from outside the cluster"),
            ]));
        }
        Object::Deployment(deployment) => {
            let spec = deployment.spec.clone().unwrap_or_default();
            let selects = spec.selector == names::selector(&identity.name);
            problems.extend(failed(&[
                (selects, "selects by other labels than the Morph's"),
                (spec.revision_history_limit == Some(0), "keeps old ReplicaSets, and with them old grants"),
                (spec.replicas == Some(seen.morph.spec.replicas), "has other replicas than the Morph"),
            ]));
            problems.extend(pods::problems(identity, seen, &spec.template, "Always", false));
        }
        Object::Job(job) => {
            let spec = job.spec.clone().unwrap_or_default();
            problems.extend(failed(&[
                (spec.selector.is_none(), "selects pods by itself"),
                (spec.ttl_seconds_after_finished.is_none(), "loses the proof that it ran"),
            ]));
            let found = seen.children.get(ChildKind::Job, object.name());
            let ended = found.is_some_and(|job| job.owner.as_ref() == Some(&identity.uid) && job.has_ended());
            problems.extend(pods::problems(identity, seen, &spec.template, "Never", ended));
        }
        Object::CronJob(cron_job) => {
            let template = cron_job.spec.job_template.spec.clone().unwrap_or_default().template;
            problems.extend(pods::problems(identity, seen, &template, "Never", false));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
