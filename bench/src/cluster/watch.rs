//! A Deployment and its pods as the API server tells of them: a moment is that at which an event came, not
//! that of a look. It changes nothing.

use super::pods::Pods;
use anyhow::{Context, Result, anyhow, bail};
use futures::stream::{self, BoxStream, StreamExt, select};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use morph_e2e::Space;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long a change may take, in seconds: the API server ends a watch after 290.
const CHANGE_SECONDS_MAX: u64 = 240;

/// What the API server tells.
enum Event {
    Deployment(Box<WatchEvent<Deployment>>),
    Pod(Box<WatchEvent<Pod>>),
}

type Events = BoxStream<'static, Result<Event>>;

/// Two watches from one moment on.
pub(super) struct Watch {
    pods: Pods,
    events: Events,
}

/// When something was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// The Deployment asks for so many.
    pub(super) deployment: Instant,
    /// So many are Ready, or none is left.
    pub(super) pods: Instant,
}

impl Watch {
    /// Watches the Deployment of this name and the pods with this label.
    pub(super) async fn open(space: &Space, name: &str, label: &str) -> Result<Self> {
        let of_name = ListParams::default().fields(&format!("metadata.name={name}"));
        let (_, deployments) = from_now::<Deployment>(&space.api(), of_name, Event::Deployment).await?;
        let of_label = ListParams::default().labels(label);
        let (there, pods) = from_now::<Pod>(&space.api(), of_label, Event::Pod).await?;
        Ok(Self { pods: there.iter().collect(), events: select(deployments, pods).boxed() })
    }

    /// Waits until the Deployment asks for so many pods and these are there and Ready; for none, until no pod
    /// is left.
    pub(super) async fn until(mut self, replicas: usize) -> Result<Seen> {
        let limit = Duration::from_secs(CHANGE_SECONDS_MAX);
        let followed = tokio::time::timeout(limit, self.follow(replicas)).await;
        let followed = followed.unwrap_or_else(|_| Err(anyhow!("not so after {CHANGE_SECONDS_MAX} s")));
        let (there, ready) = (self.pods.there(), self.pods.ready());
        followed.with_context(|| format!("{replicas} pods asked for, {there} there, {ready} Ready"))
    }

    async fn follow(&mut self, replicas: usize) -> Result<Seen> {
        let mut asked = None;
        loop {
            match self.events.next().await.context("no event is left")?? {
                Event::Deployment(event) => {
                    if asks_for(&event, replicas)? {
                        asked.get_or_insert_with(Instant::now);
                    }
                }
                Event::Pod(event) => self.pods.tell(&event)?,
            }
            if let Some(deployment) = asked
                && self.pods.are(replicas)
            {
                return Ok(Seen { deployment, pods: Instant::now() });
            }
        }
    }
}

/// What is there now, and all that happens to it from then on. The end of the watch is an error.
async fn from_now<K>(
    api: &Api<K>,
    of: ListParams,
    event: fn(Box<WatchEvent<K>>) -> Event,
) -> Result<(Vec<K>, Events)>
where
    K: Clone + DeserializeOwned + Debug + Send + 'static,
{
    let list = api.list(&of).await?;
    let version = list.metadata.resource_version.context("a list without its version")?;
    let params = WatchParams {
        label_selector: of.label_selector,
        field_selector: of.field_selector,
        ..WatchParams::default()
    };
    let told = api.watch(&params, &version).await?;
    let ended = stream::once(async { Err(anyhow!("a watch has ended")) });
    let told = told.map(move |next| -> Result<Event> { Ok(event(Box::new(next?))) }).chain(ended);
    Ok((list.items, told.boxed()))
}

/// Whether a Deployment is said to ask for so many pods now.
fn asks_for(event: &WatchEvent<Deployment>, replicas: usize) -> Result<bool> {
    let deployment = match event {
        WatchEvent::Added(deployment) | WatchEvent::Modified(deployment) => deployment,
        WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => return Ok(false),
        WatchEvent::Error(status) => bail!("the watch of the Deployment: {status:?}"),
    };
    let asked = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    Ok(asked.and_then(|asked| usize::try_from(asked).ok()) == Some(replicas))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::pods::tests_support::pod;
    use super::*;
    use WatchEvent::{Added, Deleted, Modified};
    use serde_json::json;

    fn scaled(replicas: i32) -> Event {
        let spec = json!({ "replicas": replicas, "selector": {}, "template": {} });
        let deployment = serde_json::from_value(json!({ "spec": spec })).unwrap();
        Event::Deployment(Box::new(Modified(deployment)))
    }

    fn added(name: &str, ready: &str) -> Event {
        Event::Pod(Box::new(Added(pod(name, ready))))
    }

    fn deleted(name: &str) -> Event {
        Event::Pod(Box::new(Deleted(pod(name, "True"))))
    }

    /// Follows these events, after which nothing more comes.
    async fn follow(pods: &[Pod], events: Vec<Event>, replicas: usize) -> Result<Seen> {
        let events = stream::iter(events.into_iter().map(Ok)).boxed();
        Watch { pods: pods.iter().collect(), events }.until(replicas).await
    }

    async fn check_error(pods: &[Pod], events: Vec<Event>, replicas: usize, words: &str) {
        let error = format!("{:#}", follow(pods, events, replicas).await.unwrap_err());
        assert!(error.contains(words), "{words}: {error}");
    }

    #[tokio::test]
    async fn ready_pods_of_a_deployment_that_asked_for_them_end_the_wait() {
        follow(&[], vec![scaled(2), added("a", "True"), added("b", "True")], 2).await.unwrap();
        follow(&[pod("a", "True")], vec![scaled(1), scaled(0), deleted("a")], 0).await.unwrap();
    }

    #[tokio::test]
    async fn pods_of_a_deployment_that_asked_for_another_count_do_not() {
        let events = vec![scaled(1), deleted("a")];
        check_error(&[pod("a", "True")], events, 0, "0 pods asked for, 0 there, 0 Ready: no event").await;
    }

    #[tokio::test]
    async fn the_first_event_that_asks_is_the_one_that_counts() {
        let later = stream::once(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(scaled(1))
        });
        let events = stream::iter([Ok(scaled(1))]).chain(later).chain(stream::iter([Ok(added("a", "True"))]));
        let seen = Watch { pods: Pods::default(), events: events.boxed() }.until(1).await.unwrap();
        assert!(seen.pods - seen.deployment >= Duration::from_millis(20));
    }

    #[tokio::test]
    async fn what_was_seen_last_is_in_the_error() {
        let events = vec![scaled(3), added("a", "True"), added("b", "False")];
        check_error(&[], events, 3, "3 pods asked for, 2 there, 1 Ready").await;
    }

    #[tokio::test]
    async fn a_failed_watch_of_the_deployment_is_an_error() {
        let status = json!({ "status": "Failure", "code": 410, "reason": "Expired", "message": "too old" });
        let failed = WatchEvent::Error(serde_json::from_value(status).unwrap());
        check_error(&[], vec![Event::Deployment(Box::new(failed))], 1, "Expired").await;
    }
}
