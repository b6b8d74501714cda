//! Deletes what carries our label and whose Morph is gone: owner references can be removed, and with them the
//! garbage collector's reach; a grant must not outlive its Morph. With it goes what looks at an image for a
//! Morph that has changed since.

use super::server::{CallError, Doomed, Pages, Server, was_deleted, within, word};
use super::{Child, GENERATION_ANNOTATION, KEY_ANNOTATION, MORPH_UID_LABEL};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use morph_crds::Morph;
use morph_grant::KeyId;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

/// Objects read in one page.
pub const PAGE_OBJECTS: u32 = 500;

/// Most objects that one sweep deletes; the next takes the rest.
pub const DELETIONS_MAX: usize = 500;

/// Jobs read in one page: they are read whole.
const PAGE_JOBS: u32 = 100;

/// Pods that can still start a container.
const LIVING_PODS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Pods that never start one again: they need no key.
const ENDED_PODS: [&str; 2] = ["status.phase=Succeeded", "status.phase=Failed"];

/// Generations of the Morphs that live, by uid.
type Living = HashMap<String, i64>;

/// An object that may have lost its Morph.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Orphan {
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
    morph: String,
    /// The generation of which alone it is.
    generation: Option<i64>,
}

impl Orphan {
    /// Whether it is of no use any more: its Morph is gone, or is at a later generation. What is behind takes
    /// nothing: generations only grow.
    fn is_lost(&self, living: &Living) -> bool {
        living.get(&self.morph).is_none_or(|now| self.generation.is_some_and(|of| of < *now))
    }
}

/// What a sweep did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects deleted.
    pub deleted: usize,
    /// Keys that signed a grant of what was there.
    pub keys: BTreeSet<KeyId>,
}

/// One sweep over all namespaces.
///
/// # Errors
/// The API server refuses or doesn't answer; what was deleted before stays deleted.
pub async fn sweep(server: &Server) -> Result<Swept, CallError> {
    let mut sweep = Sweep { server, living: None, left: DELETIONS_MAX, keys: BTreeSet::new() };
    // Makers before what they make, or it would be made again.
    sweep.kind::<CronJob>(None, said_key).await?;
    sweep.kind::<Deployment>(None, said_key).await?;
    sweep.jobs().await?;
    sweep.kind::<ReplicaSet>(None, no_key).await?;
    sweep.kind::<Service>(None, no_key).await?;
    sweep.kind::<ServiceAccount>(None, no_key).await?;
    sweep.kind::<Pod>(Some(LIVING_PODS), signing_key).await?;
    for ended in ENDED_PODS {
        sweep.kind::<Pod>(Some(ended), no_key).await?;
    }
    // Last: while a pod is there, it keeps its fence.
    sweep.kind::<NetworkPolicy>(None, no_key).await?;
    Ok(Swept { deleted: DELETIONS_MAX - sweep.left, keys: sweep.keys })
}

struct Sweep<'a> {
    server: &'a Server,
    living: Option<Living>,
    left: usize,
    keys: BTreeSet<KeyId>,
}

impl Sweep<'_> {
    /// One kind; of pods, those that a field selector chooses.
    async fn kind<K>(
        &mut self,
        fields: Option<&str>,
        key_of: fn(&ObjectMeta) -> Option<KeyId>,
    ) -> Result<(), CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
        K: Send + Sync + 'static,
    {
        let api = self.server.everywhere::<K>();
        let params = ListParams::default().labels(MORPH_UID_LABEL).limit(PAGE_OBJECTS);
        let params = ListParams { field_selector: fields.map(ToOwned::to_owned), ..params };
        let mut pages = Pages::new(params);
        let mut ours = Vec::new();
        while let Some(params) = pages.next() {
            let page = within(format!("list {}", K::plural(&())), api.list_metadata(params)).await?;
            pages.turn(&page.metadata);
            self.keys.extend(page.items.iter().filter_map(|object| key_of(&object.metadata)));
            ours.extend(page.items.iter().filter_map(|object| orphan(&object.metadata)));
        }
        self.lost::<K>(&ours).await
    }

    /// Jobs: whether one can start a pod is in its status.
    async fn jobs(&mut self) -> Result<(), CallError> {
        let api = self.server.everywhere::<Job>();
        let mut pages = Pages::new(ListParams::default().labels(MORPH_UID_LABEL).limit(PAGE_JOBS));
        let mut ours = Vec::new();
        while let Some(params) = pages.next() {
            let page = within("list jobs".to_owned(), api.list(params)).await?;
            pages.turn(&page.metadata);
            self.keys.extend(page.items.iter().filter_map(job_key));
            ours.extend(page.items.iter().filter_map(|job| orphan(&job.metadata)));
        }
        self.lost::<Job>(&ours).await
    }

    /// Deletes those that are lost. They were read first: the Morph of each was there before it, so one
    /// that isn't found now is gone.
    async fn lost<K>(&mut self, ours: &[Orphan]) -> Result<(), CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        if ours.is_empty() {
            return Ok(());
        }
        let living = self.living(ours).await?;
        for lost in ours.iter().filter(|object| object.is_lost(&living)) {
            if self.left == 0 {
                tracing::warn!(limit = DELETIONS_MAX, "a sweep has found more than it deletes at once");
                return Ok(());
            }
            self.left -= usize::from(self.delete::<K>(lost).await?);
        }
        Ok(())
    }

    /// The Morphs that live. Read anew if one is missing: it may have been made since.
    async fn living(&mut self, objects: &[Orphan]) -> Result<Living, CallError> {
        if let Some(living) = &self.living
            && objects.iter().all(|object| living.contains_key(&object.morph))
        {
            return Ok(living.clone());
        }
        let api = self.server.everywhere::<Morph>();
        let mut pages = Pages::new(ListParams::default().limit(PAGE_OBJECTS));
        let mut living = Living::new();
        while let Some(params) = pages.next() {
            let page = within("list morphs".to_owned(), api.list_metadata(params)).await?;
            pages.turn(&page.metadata);
            let morphs = page.items.into_iter().map(|morph| morph.metadata);
            living.extend(morphs.filter_map(|meta| Some((meta.uid?, meta.generation.unwrap_or_default()))));
        }
        self.living = Some(living.clone());
        Ok(living)
    }

    /// Whether it was deleted.
    async fn delete<K>(&self, lost: &Orphan) -> Result<bool, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let Orphan { namespace, name, uid, resource_version, .. } = lost;
        let why = match self.living.as_ref().is_some_and(|living| living.contains_key(&lost.morph)) {
            true => "it looked at an image for a Morph that has changed since",
            false => "its Morph is gone",
        };
        let resource_version = Some(resource_version.as_str());
        let doomed = Doomed { name, uid, resource_version, waits: false };
        if !was_deleted(self.server.delete::<K>(namespace, &doomed).await)? {
            return Ok(false);
        }
        let resource = word(&K::plural(&()));
        tracing::info!(resource, namespace, name, why, "swept");
        self.server.metrics.swept.get_or_create(&[("resource", resource)]).inc();
        Ok(true)
    }
}

/// The key by which a pod's own grant says that it is signed.
fn signing_key(pod: &ObjectMeta) -> Option<KeyId> {
    morph_grant::key_id_of(pod.annotations.as_ref()?.get(morph_grant::ANNOTATION)?).ok()
}

/// The key that signed the grant in a template, as its workload's metadata says. Only the operator writes
/// that (`charts/morph/templates/admission.yaml`): who could keep a key in use by a word would keep one
/// trusted that was retired.
fn said_key(workload: &ObjectMeta) -> Option<KeyId> {
    workload.annotations.as_ref()?.get(KEY_ANNOTATION)?.parse().ok()
}

/// What makes no pods by itself has no grant to sign, whatever it says.
fn no_key(_: &ObjectMeta) -> Option<KeyId> {
    None
}

/// The key that signed the grant in a Job's template, if the Job can still start a pod.
fn job_key(job: &Job) -> Option<KeyId> {
    let child = Child::from(job);
    let grant = child.grant.as_ref().filter(|_| !child.has_ended())?;
    morph_grant::key_id_of(grant).ok()
}

fn orphan(meta: &ObjectMeta) -> Option<Orphan> {
    let morph = meta.labels.as_ref()?.get(MORPH_UID_LABEL)?;
    if meta.deletion_timestamp.is_some() {
        return None;
    }
    let generation = meta.annotations.as_ref().and_then(|all| all.get(GENERATION_ANNOTATION));
    Some(Orphan {
        namespace: meta.namespace.clone()?,
        name: meta.name.clone()?,
        uid: meta.uid.clone()?,
        resource_version: meta.resource_version.clone()?,
        morph: morph.clone(),
        generation: generation.and_then(|text| text.parse().ok()),
    })
}
