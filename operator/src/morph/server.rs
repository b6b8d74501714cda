//! The API server as the steps use it: typed, each request with an end and a name in its error, each write
//! counted. Decides nothing.

use crate::metrics::Metrics;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::FIELD_MANAGER;

/// How long one request may take, in milliseconds: admission by others may take ten seconds by default.
pub const REQUEST_MS_MAX: u64 = 30_000;

/// Longest part of the API server's message that is shown, in characters.
pub const ANSWER_CHARS_MAX: usize = 512;

/// A request that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server answered with an error, or not at all.
    #[error("{what}: {source}")]
    Failed {
        /// What was tried, on what.
        what: String,
        /// What came of it.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("{what}: the API server did not answer within {REQUEST_MS_MAX} ms")]
    Slow {
        /// What was tried, on what.
        what: String,
    },
}

impl CallError {
    /// The HTTP status that the API server answered with.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Failed { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Slow { .. } => None,
        }
    }

    /// The API server's own words, cut to a length that can be shown.
    #[must_use]
    pub fn answer(&self) -> String {
        let text = match self {
            Self::Failed { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.message.clone(),
                error => error.to_string(),
            },
            Self::Slow { .. } => self.to_string(),
        };
        text.chars().take(ANSWER_CHARS_MAX).collect()
    }
}

/// An object that shall be gone: this one, and no other of its name.
#[derive(Debug, Clone, Copy)]
pub struct Doomed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Its state, if no later one shall go.
    pub resource_version: Option<&'a str>,
    /// Whether it stays visible until what it owns is gone.
    pub waits: bool,
}

impl<'a> Doomed<'a> {
    /// The object with this metadata, in any state.
    #[must_use]
    pub fn of(meta: &'a ObjectMeta) -> Self {
        let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
        Self { name: text(&meta.name), uid: text(&meta.uid), resource_version: None, waits: false }
    }

    fn params(&self) -> DeleteParams {
        let propagation =
            if self.waits { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
        DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: Some(Preconditions {
                uid: Some(self.uid.to_owned()),
                resource_version: self.resource_version.map(ToOwned::to_owned),
            }),
            ..DeleteParams::default()
        }
    }
}

/// The API server.
#[derive(Clone)]
pub struct Server {
    /// Its client.
    pub client: Client,
    /// Where writes are counted.
    pub metrics: Arc<Metrics>,
}

impl Server {
    /// Objects of a kind in one namespace.
    #[must_use]
    pub fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Objects of a kind in every namespace.
    #[must_use]
    pub fn everywhere<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Server-side apply with our field manager, taking over fields that somebody else has written.
    ///
    /// # Errors
    /// The API server refuses or doesn't answer.
    pub async fn apply<K>(
        &self,
        namespace: &str,
        name: &str,
        object: &(impl Serialize + Debug + Sync),
    ) -> Result<K, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("apply {} {namespace}/{name}", K::kind(&()));
        self.apply_to(&self.namespaced(namespace), what, name, object).await
    }

    /// What [`Server::apply`] would make, without making it.
    ///
    /// # Errors
    /// As [`Server::apply`].
    pub async fn try_apply<K>(
        &self,
        namespace: &str,
        name: &str,
        object: &(impl Serialize + Debug + Sync),
    ) -> Result<K, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("try to apply {} {namespace}/{name}", K::kind(&()));
        let params = PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER).force() };
        within(what, self.namespaced::<K>(namespace).patch(name, &params, &Patch::Apply(object))).await
    }

    /// As [`Server::apply`], of an object that is in no namespace.
    ///
    /// # Errors
    /// As [`Server::apply`].
    pub async fn apply_everywhere<K>(
        &self,
        name: &str,
        object: &(impl Serialize + Debug + Sync),
    ) -> Result<K, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("apply {} {name}", K::kind(&()));
        self.apply_to(&self.everywhere(), what, name, object).await
    }

    async fn apply_to<K>(
        &self,
        api: &Api<K>,
        what: String,
        name: &str,
        object: &(impl Serialize + Debug + Sync),
    ) -> Result<K, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = within(what, api.patch(name, &params, &Patch::Apply(object))).await?;
        self.metrics.wrote("patch", word(&K::plural(&())));
        Ok(applied)
    }

    /// The same, of the status alone.
    ///
    /// # Errors
    /// As [`Server::apply`].
    pub async fn apply_status<K>(
        &self,
        namespace: &str,
        name: &str,
        object: &(impl Serialize + Debug + Sync),
    ) -> Result<(), CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api: Api<K> = self.namespaced(namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let what = format!("apply the status of {} {namespace}/{name}", K::kind(&()));
        within(what, api.patch_status(name, &params, &Patch::Apply(object))).await?;
        self.metrics.wrote("patch", "morphs/status");
        Ok(())
    }

    /// Gives an object this annotation, and changes nothing else: what others have written into it stays,
    /// also where it can't be changed. `None` where it is gone.
    ///
    /// # Errors
    /// The API server refuses, with 409 if the object is in another state by now, or doesn't answer.
    pub async fn annotate<K>(&self, object: &K, (name, value): (&str, &str)) -> Result<Option<K>, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let meta = object.meta();
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (namespace, of) = (text(&meta.namespace), text(&meta.name));
        let patch = json!({ "metadata": {
            "uid": meta.uid, "resourceVersion": meta.resource_version, "annotations": { name: value },
        } });
        let what = format!("annotate {} {namespace}/{of}", K::kind(&()));
        let api = self.namespaced::<K>(&namespace);
        match within(what, api.patch(&of, &PatchParams::default(), &Patch::Merge(patch))).await {
            Ok(annotated) => {
                self.metrics.wrote("patch", word(&K::plural(&())));
                Ok(Some(annotated))
            }
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object, and what it owns.
    ///
    /// # Errors
    /// The API server refuses or doesn't answer: with 404 if the object is gone, with 409 if it is another
    /// one or in another state.
    pub async fn delete<K>(&self, namespace: &str, doomed: &Doomed<'_>) -> Result<(), CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("delete {} {namespace}/{}", K::kind(&()), doomed.name);
        self.delete_from(&self.namespaced::<K>(namespace), what, doomed).await
    }

    /// The same of an object that is in no namespace.
    ///
    /// # Errors
    /// As [`Server::delete`].
    pub async fn delete_everywhere<K>(&self, doomed: &Doomed<'_>) -> Result<(), CallError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("delete {} {}", K::kind(&()), doomed.name);
        self.delete_from(&self.everywhere::<K>(), what, doomed).await
    }

    async fn delete_from<K>(&self, api: &Api<K>, what: String, doomed: &Doomed<'_>) -> Result<(), CallError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        within(what, api.delete(doomed.name, &doomed.params())).await?;
        self.metrics.wrote("delete", word(&K::plural(&())));
        Ok(())
    }
}

/// Whether it was deleted: that it is gone already, or has changed meanwhile, is left to the next look.
///
/// # Errors
/// Any other.
pub fn was_deleted(deleted: Result<(), CallError>) -> Result<bool, CallError> {
    match deleted {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A resource's name as a label of metrics: a word of ours.
pub(crate) fn word(resource: &str) -> &'static str {
    const WORDS: [&str; 11] = [
        "serviceaccounts",
        "networkpolicies",
        "services",
        "deployments",
        "jobs",
        "cronjobs",
        "replicasets",
        "pods",
        "configmaps",
        "morphs/status",
        "validatingadmissionpolicybindings",
    ];
    WORDS.into_iter().find(|word| *word == resource).unwrap_or("other")
}

/// The pages of a list, one after the other: no more is kept of them than whoever reads them takes.
#[derive(Debug)]
pub struct Pages {
    params: ListParams,
    ended: bool,
}

impl Pages {
    /// From the first page on; how many objects are on one is said by these.
    #[must_use]
    pub fn new(params: ListParams) -> Self {
        Self { params, ended: false }
    }

    /// What to ask for next; nothing after the last page.
    #[must_use]
    pub fn next(&self) -> Option<&ListParams> {
        (!self.ended).then_some(&self.params)
    }

    /// Goes on behind a page.
    pub fn turn(&mut self, page: &ListMeta) {
        self.params.continue_token = page.continue_.clone().filter(|token| !token.is_empty());
        self.ended = self.params.continue_token.is_none();
    }
}

/// Waits for a request, but not for ever.
///
/// # Errors
/// Its own, or that the time is over.
pub async fn within<T>(
    what: String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(Duration::from_millis(REQUEST_MS_MAX), request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(CallError::Failed { what, source: Box::new(source) }),
        Err(_) => Err(CallError::Slow { what }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_last() {
        let page = |token: Option<&str>| ListMeta { continue_: token.map(Into::into), ..ListMeta::default() };
        for last in [None, Some("")] {
            let mut pages = Pages::new(ListParams::default().labels("a").limit(7));
            assert_eq!(pages.next().unwrap().continue_token, None);
            pages.turn(&page(Some("second")));
            let second = pages.next().unwrap();
            assert_eq!(second.continue_token.as_deref(), Some("second"));
            assert_eq!((second.label_selector.as_deref(), second.limit), (Some("a"), Some(7)));
            pages.turn(&page(last));
            assert!(pages.next().is_none());
        }
    }
}
