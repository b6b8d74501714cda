//! Reads what a decision about a Morph rests on, fresh from the API server: a decision never rests on a cache
//! that is behind its own writes. Decides nothing.

use super::server::{CallError, Pages, Server, within};
use super::{Ceiling, Child, ChildKind, Children};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt as _};
use morph_crds::{MORPH_LABEL, Morph, MorphPolicy, POLICY_DEFAULT, POLICY_LABEL};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Jobs read in one page. A Morph has one, or few while an old one goes.
const PAGE_JOBS: u32 = 100;

/// Objects as they are, by kind and name: what is applied is compared with them.
pub type Live = BTreeMap<(ChildKind, String), Value>;

/// What was read.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The Morph.
    pub morph: Arc<Morph>,
    /// The ceiling of its namespace.
    pub ceiling: Ceiling,
    /// What exists of its name or with its label, as far as decisions need it.
    pub children: Children,
    /// The same, whole.
    pub live: Live,
}

/// Reads a Morph and what exists of it; nothing if the Morph is gone.
///
/// # Errors
/// The API server refuses or doesn't answer.
pub async fn observe(server: &Server, namespace: &str, name: &str) -> Result<Option<Observed>, CallError> {
    let api = server.namespaced::<Morph>(namespace);
    let Some(morph) = within(format!("get Morph {namespace}/{name}"), api.get_opt(name)).await? else {
        return Ok(None);
    };
    let (ceiling, account, policy, service, deployment, cron_job, jobs) = tokio::try_join!(
        ceiling(server, namespace),
        by_name::<ServiceAccount>(server, namespace, name),
        by_name::<NetworkPolicy>(server, namespace, name),
        by_name::<Service>(server, namespace, name),
        by_name::<Deployment>(server, namespace, name),
        by_name::<CronJob>(server, namespace, name),
        jobs(server, namespace, name),
    )?;
    let morph = Arc::new(morph);
    let mut observed = Observed { morph, ceiling, children: Children::default(), live: Live::new() };
    observed.add(account.as_slice());
    observed.add(policy.as_slice());
    observed.add(service.as_slice());
    observed.add(deployment.as_slice());
    observed.add(&jobs);
    observed.add(cron_job.as_slice());
    Ok(Some(observed))
}

impl Observed {
    fn add<K>(&mut self, objects: &[K])
    where
        K: Serialize,
        for<'a> Child: From<&'a K>,
    {
        for object in objects {
            let child = Child::from(object);
            // An object that can't be written as JSON was never read from any; were it so, it would be
            // compared with nothing, and applied.
            let value = serde_json::to_value(object).unwrap_or_default();
            self.live.insert((child.kind, child.name.clone()), value);
            self.children.0.push(child);
        }
    }
}

/// The policy that the namespace's label names; without a label the one for such namespaces, if there is one.
async fn ceiling(server: &Server, namespace: &str) -> Result<Ceiling, CallError> {
    let namespaces = server.everywhere::<Namespace>();
    let what = format!("get the labels of namespace {namespace}");
    let found = within(what, namespaces.get_metadata(namespace)).await?;
    let label = found.labels().get(POLICY_LABEL);
    let name = label.map_or(POLICY_DEFAULT, String::as_str);
    let policy = match is_name(name) {
        true => {
            let policies = server.everywhere::<MorphPolicy>();
            within(format!("get MorphPolicy {name}"), policies.get_opt(name)).await?
        }
        // A label's value that no policy can have as its name.
        false => None,
    };
    Ok(match (policy, label) {
        (Some(policy), _) => Ceiling::Policy { name: name.to_owned(), spec: Arc::new(policy.spec) },
        (None, Some(_)) => Ceiling::Missing { name: name.to_owned() },
        (None, None) => Ceiling::None,
    })
}

/// Whether a label's value is a DNS label, as names of policies are; else it would ask for another path.
fn is_name(value: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    value.starts_with(word) && value.ends_with(word) && value.chars().all(|c| word(c) || c == '-')
}

async fn by_name<K>(server: &Server, namespace: &str, name: &str) -> Result<Option<K>, CallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let what = format!("get {} {namespace}/{name}", K::kind(&()));
    let mut found = within(what, server.namespaced::<K>(namespace).get_opt(name)).await?;
    if let Some(object) = &mut found {
        object.managed_fields_mut().clear();
    }
    Ok(found)
}

/// Jobs are named by a hash, so they are found by label. Those of a CronJob carry it too: they are its own,
/// not the Morph's.
async fn jobs(server: &Server, namespace: &str, name: &str) -> Result<Vec<Job>, CallError> {
    let api = server.namespaced::<Job>(namespace);
    let mut pages =
        Pages::new(ListParams::default().labels(&format!("{MORPH_LABEL}={name}")).limit(PAGE_JOBS));
    let mut all = Vec::new();
    while let Some(params) = pages.next() {
        let page = within(format!("list Jobs of {namespace}/{name}"), api.list(params)).await?;
        pages.turn(&page.metadata);
        all.extend(page.items);
    }
    for job in &mut all {
        job.managed_fields_mut().clear();
    }
    Ok(all)
}
