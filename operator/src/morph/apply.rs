//! Carries out a plan: first what shall be gone, then what shall be there, in its order. Makes no choices but
//! one: what is already as it shall be is not written. That comparison is in `compare.rs`.

pub(crate) mod compare;
mod image_volumes;

use super::observe::Live;
use super::server::{CallError, Doomed, Server};
use super::{Applied, ChildKind, Deletion, Failure, Object, Plan};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use lru::LruCache;
use morph_crds::Reason;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

/// Objects remembered that somebody else keeps different from what we apply.
pub const CONTESTED_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

/// Applies plans.
pub struct Applier {
    server: Server,
    contested: Mutex<LruCache<String, Contested>>,
}

/// What we applied and who came right after it: an object that an admission hook keeps different must not be
/// written for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contested {
    hash: String,
    generation: Option<i64>,
}

/// What became of one object.
enum Put {
    /// It was as it shall be.
    Same,
    /// It was written.
    Written,
    /// It was not, since the cluster would drop volumes that it needs.
    NoImageVolumes,
}

impl Applier {
    /// An applier that writes to `server`.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { server, contested: Mutex::new(LruCache::new(CONTESTED_MAX)) }
    }

    /// Carries out `plan` in `namespace`, given what is `live` there.
    ///
    /// # Errors
    /// The API server doesn't answer, or what was seen has changed meanwhile; what it refuses is a result.
    pub async fn apply(&self, namespace: &str, plan: &Plan, live: &Live) -> Result<Applied, CallError> {
        let mut changed = false;
        for deletion in &plan.delete {
            if let Some(failure) = self.delete(namespace, deletion).await? {
                return Ok(Applied::Failed(failure));
            }
            changed = true;
        }
        for object in &plan.apply {
            let found = live.get(&(object.kind(), object.name().to_owned()));
            match self.put(namespace, object, found).await {
                Ok(Put::Same) => {}
                Ok(Put::Written) => changed = true,
                Ok(Put::NoImageVolumes) => {
                    let failure = image_volumes::failure(object.kind().as_str(), object.name());
                    return Ok(Applied::Failed(failure));
                }
                Err(error) => {
                    return refused(object.kind().as_str(), object.name(), error).map(Applied::Failed);
                }
            }
        }
        Ok(Applied::All { changed })
    }

    async fn put(&self, namespace: &str, object: &Object, found: Option<&Value>) -> Result<Put, CallError> {
        match object {
            Object::ServiceAccount(it) => self.put_as::<ServiceAccount>(namespace, it, found).await,
            Object::NetworkPolicy(it) => self.put_as::<NetworkPolicy>(namespace, it, found).await,
            Object::Service(it) => self.put_as::<Service>(namespace, it, found).await,
            Object::Deployment(it) => self.put_as::<Deployment>(namespace, it, found).await,
            Object::Job(it) => self.put_as::<Job>(namespace, it, found).await,
            Object::CronJob(it) => self.put_as::<CronJob>(namespace, it, found).await,
        }
    }

    async fn put_as<K>(&self, namespace: &str, object: &K, found: Option<&Value>) -> Result<Put, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Serialize + DeserializeOwned + Debug,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let wanted = serde_json::to_value(object).map_err(|error| CallError::Failed {
            what: format!("write {} {name} as JSON", K::kind(&())),
            source: Box::new(kube::Error::SerdeError(error)),
        })?;
        let stamped = compare::stamp(wanted, found);
        if found.is_some_and(|found| {
            compare::difference(&stamped, found).is_none() || self.gave_up(&stamped, found)
        }) {
            return Ok(Put::Same);
        }
        if !self.has_image_volumes_for::<K>(namespace, &name, &stamped).await? {
            return Ok(Put::NoImageVolumes);
        }
        let answer: K = self.server.apply(namespace, &name, &stamped).await?;
        let answer = serde_json::to_value(&answer).unwrap_or_default();
        if let Some(field) = compare::difference(&stamped, &answer) {
            let kind = K::kind(&());
            tracing::warn!(%kind, namespace, name, field, "somebody keeps a field different");
            let mut contested = self.contested.lock().unwrap_or_else(PoisonError::into_inner);
            contested.put(compare::uid(&answer), contested_by(&stamped, &answer));
        }
        Ok(Put::Written)
    }

    /// Whether the API server would keep the images among an object's volumes; it isn't asked where there are
    /// none. Without them pods would be made that can't start.
    async fn has_image_volumes_for<K>(
        &self,
        namespace: &str,
        name: &str,
        stamped: &Value,
    ) -> Result<bool, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Serialize + DeserializeOwned + Debug,
    {
        if image_volumes::names(stamped).is_empty() {
            return Ok(true);
        }
        match self.server.try_apply::<K>(namespace, name, stamped).await {
            Ok(answer) => {
                let answer = serde_json::to_value(&answer).unwrap_or_default();
                Ok(!image_volumes::are_lost(stamped, &answer))
            }
            Err(error) if error.code().is_some() && image_volumes::are_refused(&error.answer()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this was applied before and something else came of it, and nobody has changed it since.
    fn gave_up(&self, stamped: &Value, found: &Value) -> bool {
        let mut contested = self.contested.lock().unwrap_or_else(PoisonError::into_inner);
        contested.get(&compare::uid(found)) == Some(&contested_by(stamped, found))
    }

    /// What the API server refuses is a result; that it is gone already is none.
    async fn delete(&self, namespace: &str, deletion: &Deletion) -> Result<Option<Failure>, CallError> {
        let deleted = match deletion.kind {
            ChildKind::ServiceAccount => self.delete_as::<ServiceAccount>(namespace, deletion).await,
            ChildKind::NetworkPolicy => self.delete_as::<NetworkPolicy>(namespace, deletion).await,
            ChildKind::Service => self.delete_as::<Service>(namespace, deletion).await,
            ChildKind::Deployment => self.delete_as::<Deployment>(namespace, deletion).await,
            ChildKind::Job => self.delete_as::<Job>(namespace, deletion).await,
            ChildKind::CronJob => self.delete_as::<CronJob>(namespace, deletion).await,
        };
        match deleted {
            Ok(()) => Ok(None),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => refused(deletion.kind.as_str(), &deletion.name, error).map(Some),
        }
    }

    async fn delete_as<K>(&self, namespace: &str, deletion: &Deletion) -> Result<(), CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let doomed = Doomed {
            name: &deletion.name,
            uid: &deletion.uid,
            resource_version: Some(&deletion.resource_version),
            waits: deletion.wait_for_pods,
        };
        self.server.delete::<K>(namespace, &doomed).await
    }
}

fn contested_by(stamped: &Value, object: &Value) -> Contested {
    Contested { hash: compare::hash_of(stamped), generation: object["metadata"]["generation"].as_i64() }
}

/// An answer that is a refusal becomes a failure to show; no answer, or one by which what was seen is of the
/// past, stays an error, and the whole pass is made again.
pub(super) fn refused(kind: &str, name: &str, error: CallError) -> Result<Failure, CallError> {
    let Some(code) = error.code().filter(|code| !matches!(code, 404 | 409 | 410 | 429 | 503 | 504)) else {
        return Err(error);
    };
    // 422 and 400: the object itself is wrong. Others (a quota, a policy, a hook that fails) may pass.
    let transient = !matches!(code, 400 | 422);
    let message = format!("{kind} {name} was refused by the API server: {}", error.answer());
    Ok(Failure { reason: Reason::ApplyRefused, message, transient })
}
