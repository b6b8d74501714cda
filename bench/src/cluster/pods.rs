//! Pods as a watch tells of them: how many are there, how many are Ready. It is told and asks nobody.

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::WatchEvent;
use std::collections::BTreeMap;

/// Whether a pod is Ready, and not on its way out.
fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let says_so = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    says_so && pod.metadata.deletion_timestamp.is_none()
}

/// The pods of one Deployment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Pods {
    /// Each that is there, by name, and whether it is Ready.
    ready: BTreeMap<String, bool>,
}

impl Pods {
    /// Takes in what has happened.
    ///
    /// # Errors
    /// An event that says that the watch has failed.
    pub(super) fn tell(&mut self, event: &WatchEvent<Pod>) -> Result<()> {
        match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                self.ready.insert(pod.name_any(), is_ready(pod));
            }
            WatchEvent::Deleted(pod) => {
                self.ready.remove(&pod.name_any());
            }
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => bail!("the watch of the pods: {status:?}"),
        }
        Ok(())
    }

    /// How many are there, in whatever state.
    #[must_use]
    pub(super) fn there(&self) -> usize {
        self.ready.len()
    }

    /// How many are Ready.
    #[must_use]
    pub(super) fn ready(&self) -> usize {
        self.ready.values().filter(|ready| **ready).count()
    }

    /// Whether exactly so many are there and all are Ready; for none, whether no pod is left.
    #[must_use]
    pub(super) fn are(&self, replicas: usize) -> bool {
        self.there() == replicas && self.ready() == replicas
    }
}

impl<'a> FromIterator<&'a Pod> for Pods {
    fn from_iter<T: IntoIterator<Item = &'a Pod>>(pods: T) -> Self {
        Self { ready: pods.into_iter().map(|pod| (pod.name_any(), is_ready(pod))).collect() }
    }
}

/// Pods for the tests of what counts them.
#[cfg(test)]
pub(super) mod tests_support {
    #![allow(clippy::unwrap_used)]
    use super::Pod;
    use serde_json::{Value, json};

    /// A pod with these conditions.
    pub(crate) fn with(name: &str, conditions: &Value) -> Pod {
        let pod = json!({ "metadata": { "name": name }, "status": { "conditions": conditions } });
        serde_json::from_value(pod).unwrap()
    }

    /// A pod that says so of its being Ready.
    pub(crate) fn pod(name: &str, ready: &str) -> Pod {
        let scheduled = json!({ "type": "PodScheduled", "status": "True" });
        with(name, &json!([scheduled, { "type": "Ready", "status": ready }]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::tests_support::{pod, with};
    use super::*;
    use serde_json::json;

    fn leaving(name: &str) -> Pod {
        let mut pod = pod(name, "True");
        pod.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        pod
    }

    #[test]
    fn a_pod_is_ready_by_its_condition() {
        assert!(is_ready(&pod("a", "True")));
        for not_ready in [
            pod("a", "False"),
            pod("a", "Unknown"),
            with("a", &json!([])),
            with("a", &json!([{ "type": "ContainersReady", "status": "True" }])),
            Pod::default(),
        ] {
            assert!(!is_ready(&not_ready), "{:?}", not_ready.status);
        }
    }

    #[test]
    fn a_pod_that_is_being_deleted_is_there_and_not_ready() {
        let pods = Pods::from_iter(&[leaving("a")]);
        assert_eq!((pods.there(), pods.ready()), (1, 0));
    }

    #[track_caller]
    fn check(events: &[WatchEvent<Pod>], there: usize, ready: usize) {
        let mut pods = Pods::from_iter(&[pod("first", "True")]);
        for event in events {
            pods.tell(event).unwrap();
        }
        assert_eq!((pods.there(), pods.ready()), (there, ready));
    }

    #[test]
    fn pods_are_counted_as_they_come_and_go() {
        use WatchEvent::{Added, Deleted, Modified};
        check(&[], 1, 1);
        check(&[Added(pod("a", "False"))], 2, 1);
        check(&[Added(pod("a", "False")), Modified(pod("a", "True"))], 2, 2);
        check(&[Modified(pod("first", "False"))], 1, 0);
        check(&[Added(pod("a", "True")), Modified(leaving("a"))], 2, 1);
        check(&[Deleted(pod("first", "True"))], 0, 0);
        // Told twice, it is still one.
        check(&[Added(pod("first", "True"))], 1, 1);
    }

    #[test]
    fn a_count_is_reached_when_all_that_are_there_are_ready() {
        let of = |pods: &[Pod]| Pods::from_iter(pods);
        assert!(of(&[]).are(0));
        assert!(!of(&[leaving("a")]).are(0));
        assert!(of(&[pod("a", "True"), pod("b", "True")]).are(2));
        assert!(!of(&[pod("a", "True"), pod("b", "False")]).are(2));
        assert!(!of(&[pod("a", "True")]).are(2));
        assert!(!of(&[pod("a", "True"), leaving("b")]).are(1));
    }

    #[test]
    fn a_watch_that_failed_is_an_error() {
        let status = json!({ "status": "Failure", "code": 410, "reason": "Expired", "message": "too old" });
        let failed = WatchEvent::Error(serde_json::from_value(status).unwrap());
        let error = Pods::default().tell(&failed).unwrap_err();
        assert!(error.to_string().contains("Expired"), "{error}");
    }
}
