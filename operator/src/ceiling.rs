//! Keeps the bindings of the ceiling's admission policies as the MorphPolicies are: which there shall be is
//! pure (`plan.rs`), this file asks and writes. What is above a policy is judged elsewhere: by the API
//! server, and for each Morph in `morph/validate.rs`.

mod plan;

pub use plan::{BINDING_LABEL, Bound, POLICIES_MAX, wanted};

use crate::backoff;
use crate::controller::watched;
use crate::morph::apply::compare;
use crate::morph::server::{CallError, Doomed, Pages, Server, was_deleted, within};
use crate::sweeper::lead_or_stop;
use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Resource, ResourceExt as _};
use morph_crds::MorphPolicy;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Objects read in one page.
const PAGE_OBJECTS: u32 = 500;

/// Changes of policies that one pass answers at most: those that are there already.
const CHANGES_MAX: usize = 64;

/// Keeps the bindings until told to stop: after each change of a policy, and every so often, in case somebody
/// has changed a binding. A pass that fails is said, and made again.
///
/// # Errors
/// The watch ended though nobody had told it to.
pub async fn run(
    server: Server,
    every: Duration,
    leading: watch::Receiver<bool>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if !lead_or_stop(leading, &stop).await {
        return Ok(());
    }
    let policies = watched::<MorphPolicy>(&server, watcher::Config::default(), &server.metrics);
    let mut changes = pin!(policies.touched_objects().ready_chunks(CHANGES_MAX));
    let mut failures = 0_u32;
    loop {
        let wait = match keep(&server).await {
            Ok(count) => {
                if count > 0 {
                    tracing::info!(count, "bindings of ceilings written or deleted");
                }
                failures = 0;
                backoff::jitter(every, backoff::spread())
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(%error, failures, "the bindings of ceilings are not as they shall be");
                backoff::wait(failures, backoff::spread())
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
            change = changes.next() => anyhow::ensure!(change.is_some(), "the watch of MorphPolicies ended"),
        }
    }
}

/// One pass; gives how many bindings were written or deleted.
///
/// # Errors
/// The API server refuses or doesn't answer; what was written before stays.
pub async fn keep(server: &Server) -> Result<usize, CallError> {
    let policies: Vec<Bound> =
        list::<MorphPolicy>(server, ListParams::default()).await?.iter().map(bound).collect();
    if policies.len() > POLICIES_MAX {
        let (count, limit) = (policies.len(), POLICIES_MAX);
        tracing::warn!(count, limit, "namespaces that choose the last of so many MorphPolicies are refused");
    }
    let ours = ListParams::default().labels(BINDING_LABEL);
    let found = list::<ValidatingAdmissionPolicyBinding>(server, ours).await?;
    let mut surplus: BTreeMap<String, ValidatingAdmissionPolicyBinding> =
        found.into_iter().map(|binding| (binding.name_any(), binding)).collect();
    let mut count = 0;
    for binding in wanted(&policies) {
        let name = binding["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let found = surplus.remove(&name);
        count += usize::from(put(server, &name, binding, found.as_ref()).await?);
    }
    // Last: until its name is among those that are unknown, a policy that has gone still binds.
    for binding in surplus.values() {
        count += usize::from(delete(server, binding).await?);
    }
    Ok(count)
}

fn bound(policy: &MorphPolicy) -> Bound {
    Bound { name: policy.name_any(), enforcement: policy.spec.enforcement }
}

/// Whether it had to be written.
async fn put(
    server: &Server,
    name: &str,
    wanted: Value,
    found: Option<&ValidatingAdmissionPolicyBinding>,
) -> Result<bool, CallError> {
    let found = found.map(serde_json::to_value).transpose().map_err(|error| CallError::Failed {
        what: format!("write binding {name} as JSON"),
        source: Box::new(kube::Error::SerdeError(error)),
    })?;
    let stamped = compare::stamp(wanted, found.as_ref());
    if found.is_some_and(|found| compare::difference(&stamped, &found).is_none()) {
        return Ok(false);
    }
    server.apply_everywhere::<ValidatingAdmissionPolicyBinding>(name, &stamped).await?;
    Ok(true)
}

/// Whether it was deleted; that it has changed or gone meanwhile is the next pass's.
async fn delete(server: &Server, binding: &ValidatingAdmissionPolicyBinding) -> Result<bool, CallError> {
    let resource_version = binding.metadata.resource_version.as_deref();
    let doomed = Doomed { resource_version, ..Doomed::of(&binding.metadata) };
    was_deleted(server.delete_everywhere::<ValidatingAdmissionPolicyBinding>(&doomed).await)
}

/// All objects of a kind, in pages.
async fn list<K>(server: &Server, params: ListParams) -> Result<Vec<K>, CallError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api = server.everywhere::<K>();
    let mut pages = Pages::new(params.limit(PAGE_OBJECTS));
    let mut all = Vec::new();
    while let Some(params) = pages.next() {
        let page = within(format!("list {}", K::plural(&())), api.list(params)).await?;
        pages.turn(&page.metadata);
        all.extend(page.items);
    }
    Ok(all)
}
