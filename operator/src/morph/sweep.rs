//! Deletes what carries our label and whose Morph is gone: owner references can be removed, and with them the
//! garbage collector's reach; a grant must not outlive its Morph.

use super::server::{CallError, Doomed, Server, was_deleted, within, word};
use super::{KEY_ANNOTATION, MORPH_UID_LABEL};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Resource, ResourceExt as _};
use morph_crds::Morph;
use morph_grant::KeyId;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;

/// Objects read in one page.
pub const PAGE_OBJECTS: u32 = 500;

/// Most objects that one sweep deletes; the next takes the rest.
pub const DELETIONS_MAX: usize = 500;

/// An object that lost its Morph.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Orphan {
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
    morph: String,
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
    sweep.kind::<CronJob>(said_key).await?;
    sweep.kind::<Deployment>(said_key).await?;
    sweep.kind::<Job>(said_key).await?;
    sweep.kind::<ReplicaSet>(no_key).await?;
    sweep.kind::<Service>(no_key).await?;
    sweep.kind::<ServiceAccount>(no_key).await?;
    sweep.kind::<Pod>(signing_key).await?;
    // Last: while a pod is there, it keeps its fence.
    sweep.kind::<NetworkPolicy>(no_key).await?;
    Ok(Swept { deleted: DELETIONS_MAX - sweep.left, keys: sweep.keys })
}

struct Sweep<'a> {
    server: &'a Server,
    living: Option<HashSet<String>>,
    left: usize,
    keys: BTreeSet<KeyId>,
}

impl Sweep<'_> {
    async fn kind<K>(&mut self, key_of: fn(&ObjectMeta) -> Option<KeyId>) -> Result<(), CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
        K: Send + Sync + 'static,
    {
        // The objects first: the Morph of each was there before it, so one that isn't found later is gone.
        let keys = &mut self.keys;
        let note = |object: &PartialObjectMeta<K>| keys.extend(key_of(&object.metadata));
        let found = list::<K>(self.server, Some(MORPH_UID_LABEL), note).await?;
        let ours: Vec<Orphan> = found.iter().filter_map(orphan).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let living = self.living(&ours).await?;
        for lost in ours.iter().filter(|object| !living.contains(&object.morph)) {
            if self.left == 0 {
                tracing::warn!(limit = DELETIONS_MAX, "a sweep has found more than it deletes at once");
                return Ok(());
            }
            self.left -= usize::from(self.delete::<K>(lost).await?);
        }
        Ok(())
    }

    /// Uids of the Morphs that live. Read anew if one is missing: it may have been made since.
    async fn living(&mut self, objects: &[Orphan]) -> Result<HashSet<String>, CallError> {
        if let Some(living) = &self.living
            && objects.iter().all(|object| living.contains(&object.morph))
        {
            return Ok(living.clone());
        }
        let morphs = list::<Morph>(self.server, None, |_| {}).await?;
        let living: HashSet<String> = morphs.into_iter().filter_map(|morph| morph.metadata.uid).collect();
        self.living = Some(living.clone());
        Ok(living)
    }

    /// Whether it was deleted.
    async fn delete<K>(&self, lost: &Orphan) -> Result<bool, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let Orphan { namespace, name, uid, resource_version, .. } = lost;
        let resource_version = Some(resource_version.as_str());
        let doomed = Doomed { name, uid, resource_version, waits: false };
        if !was_deleted(self.server.delete::<K>(namespace, &doomed).await)? {
            return Ok(false);
        }
        let resource = word(&K::plural(&()));
        tracing::info!(resource, namespace, name, "swept: its Morph is gone");
        self.server.metrics.swept.get_or_create(&[("resource", resource)]).inc();
        Ok(true)
    }
}

/// The key by which a pod's own grant says that it is signed.
fn signing_key(pod: &ObjectMeta) -> Option<KeyId> {
    morph_grant::key_id_of(pod.annotations.as_ref()?.get(morph_grant::ANNOTATION)?).ok()
}

/// The key that signed the grant in a workload's template, as its metadata says. Only the operator writes that
/// (`charts/morph/templates/admission.yaml`): who could keep a key in use by a word would keep one trusted
/// that was retired.
fn said_key(workload: &ObjectMeta) -> Option<KeyId> {
    workload.annotations.as_ref()?.get(KEY_ANNOTATION)?.parse().ok()
}

/// What makes no pods by itself has no grant to sign, whatever it says.
fn no_key(_: &ObjectMeta) -> Option<KeyId> {
    None
}

fn orphan<K>(object: &PartialObjectMeta<K>) -> Option<Orphan> {
    let meta = &object.metadata;
    let morph = meta.labels.as_ref()?.get(MORPH_UID_LABEL)?;
    if meta.deletion_timestamp.is_some() {
        return None;
    }
    Some(Orphan {
        namespace: meta.namespace.clone()?,
        name: meta.name.clone()?,
        uid: meta.uid.clone()?,
        resource_version: meta.resource_version.clone()?,
        morph: morph.clone(),
    })
}

/// Metadata of all objects of a kind, in pages; annotations are kept no longer than `note` takes.
async fn list<K>(
    server: &Server,
    label: Option<&str>,
    mut note: impl FnMut(&PartialObjectMeta<K>),
) -> Result<Vec<PartialObjectMeta<K>>, CallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    K: Send + Sync + 'static,
{
    let api = server.everywhere::<K>();
    let mut params = ListParams::default().limit(PAGE_OBJECTS);
    params.label_selector = label.map(ToOwned::to_owned);
    let mut all = Vec::new();
    loop {
        let what = format!("list {}", K::plural(&()));
        let page = within(what, api.list_metadata(&params)).await?;
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        all.extend(page.items.into_iter().map(|mut object| {
            note(&object);
            object.managed_fields_mut().clear();
            object.annotations_mut().clear();
            object
        }));
        if params.continue_token.is_none() {
            return Ok(all);
        }
    }
}
