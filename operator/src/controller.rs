//! Watches Morphs and what is ours, and makes a pass over each Morph to which something happened: bounded in
//! number, with growing waits after errors. Keeps metadata alone; what a pass decides on it reads itself.

use crate::backoff::{self, Failures};
use crate::metrics::Metrics;
use crate::morph::reconcile::{Next, Reconciler};
use crate::morph::server::{CallError, Server};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config, Controller, Error};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{PredicateConfig, WatchStreamExt as _, predicates, watcher};
use kube::{Api, Resource, ResourceExt as _};
use morph_crds::{MORPH_LABEL, Morph, MorphPolicy, POLICY_DEFAULT, POLICY_LABEL};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long requests for passes over one Morph are gathered, in milliseconds. A roll-out is a burst, whose
/// events come a few milliseconds apart; the first pod of a new Morph waits for it as well.
pub const DEBOUNCE_MS: u64 = 20;

/// Objects in one page of a watch's first list.
pub const PAGE_OBJECTS: u32 = 500;

type MorphMeta = PartialObjectMeta<Morph>;
type NamespaceMeta = PartialObjectMeta<Namespace>;

struct Context {
    reconciler: Arc<Reconciler>,
    failures: Failures<String>,
}

/// Runs until told to stop; passes that run then are finished.
///
/// # Errors
/// The watches ended though nobody had told them to.
pub async fn run(
    server: &Server,
    reconciler: Arc<Reconciler>,
    workers: u16,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = Arc::clone(&server.metrics);
    let (reader, writer) = reflector::store();
    let morphs = watched::<Morph>(server, watcher::Config::default(), &metrics);
    let morphs = reflector::reflector(writer, morphs).touched_objects();
    let (namespaces, labels) = reflector::store();
    let labelled =
        reflector::reflector(labels, watched::<Namespace>(server, watcher::Config::default(), &metrics))
            .touched_objects()
            .predicate_filter(predicates::labels, PredicateConfig::default());
    let policies = watched::<MorphPolicy>(server, watcher::Config::default(), &metrics).touched_objects();
    let (of_namespace, of_policy) = (reader.clone(), reader.clone());
    let told_to_stop = stop.clone();
    let controller = Controller::for_stream(morphs, reader)
        .owns_stream(children::<ServiceAccount>(server, &metrics))
        .owns_stream(children::<NetworkPolicy>(server, &metrics))
        .owns_stream(children::<Service>(server, &metrics))
        .owns_stream(children::<Deployment>(server, &metrics))
        .owns_stream(children::<Job>(server, &metrics))
        .owns_stream(children::<CronJob>(server, &metrics))
        .watches_stream(labelled, move |namespace: NamespaceMeta| {
            in_namespace(&of_namespace, &namespace.name_any())
        })
        .watches_stream(policies, move |policy: PartialObjectMeta<MorphPolicy>| {
            under_policy(&of_policy, &namespaces, &policy.name_any())
        })
        .with_config(Config::default().concurrency(workers).debounce(Duration::from_millis(DEBOUNCE_MS)))
        .graceful_shutdown_on(async move { told_to_stop.cancelled().await });
    let context = Arc::new(Context { reconciler, failures: Failures::default() });
    controller.run(pass, retry, context).for_each(|ended| async { told(ended) }).await;
    anyhow::ensure!(stop.is_cancelled(), "the watches ended");
    Ok(())
}

/// Morphs of one namespace: its label has changed.
fn in_namespace(morphs: &Store<MorphMeta>, namespace: &str) -> Vec<ObjectRef<MorphMeta>> {
    let all = morphs.state();
    let inside = all.iter().filter(|morph| morph.metadata.namespace.as_deref() == Some(namespace));
    inside.map(|morph| ObjectRef::from_obj(morph.as_ref())).collect()
}

/// Morphs whose namespace chooses a policy: it has changed, has come or has gone.
fn under_policy(
    morphs: &Store<MorphMeta>,
    namespaces: &Store<NamespaceMeta>,
    policy: &str,
) -> Vec<ObjectRef<MorphMeta>> {
    let chooses = |morph: &MorphMeta| {
        let namespace =
            namespaces.get(&ObjectRef::new(morph.metadata.namespace.as_deref().unwrap_or_default()));
        // One that isn't known yet may choose any.
        namespace.is_none_or(|namespace| {
            namespace.labels().get(POLICY_LABEL).map_or(POLICY_DEFAULT, String::as_str) == policy
        })
    };
    let all = morphs.state();
    all.iter().filter(|morph| chooses(morph)).map(|morph| ObjectRef::from_obj(morph.as_ref())).collect()
}

/// Metadata of a kind, without the part that only says who wrote what.
pub(crate) fn watched<K>(
    server: &Server,
    config: watcher::Config,
    metrics: &Arc<Metrics>,
) -> impl Stream<Item = watcher::Result<watcher::Event<PartialObjectMeta<K>>>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::all(server.client.clone());
    let metrics = Arc::clone(metrics);
    watcher(api, config.page_size(PAGE_OBJECTS))
        .modify(|object| {
            object.managed_fields_mut().clear();
            object.annotations_mut().clear();
        })
        .inspect_err(move |error| {
            metrics.watch_errors.inc();
            tracing::warn!(%error, kind = K::kind(&()).as_ref(), "a watch is started anew");
        })
        .default_backoff()
}

fn children<K>(
    server: &Server,
    metrics: &Arc<Metrics>,
) -> impl Stream<Item = watcher::Result<PartialObjectMeta<K>>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    watched(server, watcher::Config::default().labels(MORPH_LABEL), metrics).touched_objects()
}

async fn pass(morph: Arc<MorphMeta>, context: Arc<Context>) -> Result<Action, CallError> {
    let (namespace, name) = (morph.namespace().unwrap_or_default(), morph.name_any());
    let started = Instant::now();
    let done = context.reconciler.reconcile(&namespace, &name).await;
    let result = if done.is_ok() { "done" } else { "failed" };
    context.reconciler.metrics().reconciled(result, started.elapsed().as_secs_f64());
    let next = done?;
    context.failures.clear(&key(&morph));
    Ok(match next {
        Next::After(wait) => Action::requeue(wait),
        Next::Gone => Action::await_change(),
    })
}

fn key(morph: &MorphMeta) -> String {
    morph.uid().unwrap_or_default()
}

fn retry(morph: Arc<MorphMeta>, error: &CallError, context: Arc<Context>) -> Action {
    let failures = context.failures.add(key(&morph));
    let wait = backoff::wait(failures, backoff::spread());
    tracing::warn!(
        namespace = morph.namespace(),
        name = morph.name_any(),
        %error,
        failures,
        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "a pass came to nothing"
    );
    Action::requeue(wait)
}

fn told(ended: Result<(ObjectRef<MorphMeta>, Action), Error<CallError, watcher::Error>>) {
    match ended {
        Ok((morph, action)) => tracing::debug!(%morph, ?action, "a pass is done"),
        // Said by retry.
        Err(Error::ReconcilerFailed(..)) => {}
        // An event of a child whose Morph is gone.
        Err(Error::ObjectNotFound(morph)) => tracing::debug!(%morph, "a Morph is gone"),
        // Said and counted where the watch is made.
        Err(Error::QueueError(_)) => {}
        Err(error) => tracing::error!(%error, "the queue of passes came to an error"),
    }
}
