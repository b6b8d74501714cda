//! One replica leads; who loses the lease ends; who stops gives it back.

use crate::server::{FakeServer, Fault, OWN_NAMESPACE};
use crate::store::Key;
use kube::Api;
use morph_operator::leader::{LEASE_SECONDS, Leader, RENEW_MS_MAX, RETRY_MS};
use morph_operator::metrics::Metrics;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

struct Replica {
    task: JoinHandle<anyhow::Result<()>>,
    leads: watch::Receiver<bool>,
    stop: CancellationToken,
}

impl Replica {
    fn start(api: &FakeServer, name: &str) -> Self {
        let (elected, leads) = watch::channel(false);
        let stop = CancellationToken::new();
        let leases = Api::namespaced(api.client(), OWN_NAMESPACE);
        let leader = Leader::new(leases, name.to_owned(), elected, Arc::new(Metrics::default()));
        Self { task: tokio::spawn(leader.run(stop.clone())), leads, stop }
    }

    async fn leads(&mut self) {
        self.leads.wait_for(|leads| *leads).await.unwrap();
    }

    fn leads_now(&self) -> bool {
        *self.leads.borrow()
    }
}

fn key() -> Key {
    Key::new("coordination.k8s.io", "leases", OWN_NAMESPACE, "morph-operator")
}

fn lease(api: &FakeServer) -> Value {
    api.with(|store| store.get(&key()).cloned()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads() {
    let api = FakeServer::default();
    let mut first = Replica::start(&api, "a");
    first.leads().await;
    let second = Replica::start(&api, "b");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(first.leads_now() && !second.leads_now());
    assert_eq!(lease(&api)["spec"]["holderIdentity"], "a");
    assert_eq!(lease(&api)["spec"]["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn who_stops_gives_the_lease_back_and_the_next_takes_it_at_once() {
    let api = FakeServer::default();
    let mut first = Replica::start(&api, "a");
    first.leads().await;
    let mut second = Replica::start(&api, "b");
    first.stop.cancel();
    first.task.await.unwrap().unwrap();
    let started = Instant::now();
    second.leads().await;
    assert!(started.elapsed() <= Duration::from_millis(2 * RETRY_MS), "{:?}", started.elapsed());
    assert_eq!(lease(&api)["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_holder_is_followed_when_the_lease_has_run_out_and_not_before() {
    let api = FakeServer::default();
    let mut first = Replica::start(&api, "a");
    first.leads().await;
    first.task.abort();
    let mut second = Replica::start(&api, "b");
    let started = Instant::now();
    second.leads().await;
    let waited = started.elapsed();
    let lease = Duration::from_secs(u64::try_from(LEASE_SECONDS).unwrap());
    assert!(lease <= waited && waited <= lease + Duration::from_millis(2 * RETRY_MS), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn who_can_not_renew_ends_before_another_one_may_lead() {
    for fault in [Fault::Status(500), Fault::LostBefore, Fault::Silent] {
        let api = FakeServer::default();
        let mut only = Replica::start(&api, "a");
        only.leads().await;
        let started = Instant::now();
        api.faults(move |_, _| Some(fault));
        let error = only.task.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the lease is lost"), "{fault:?}: {error}");
        assert!(started.elapsed() >= Duration::from_millis(RENEW_MS_MAX - RETRY_MS), "{fault:?}");
        assert!(started.elapsed() < Duration::from_secs(15), "{fault:?}");
        assert!(!*only.leads.borrow());
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_break_is_borne() {
    let api = FakeServer::default();
    let mut only = Replica::start(&api, "a");
    only.leads().await;
    api.faults(|number, _| (number < 3).then_some(Fault::Status(503)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(only.leads_now() && !only.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_took_is_lost() {
    let api = FakeServer::default();
    let mut only = Replica::start(&api, "a");
    only.leads().await;
    api.with(|store| store.edit(&key(), |lease| lease["spec"]["holderIdentity"] = json!("b")));
    let error = only.task.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("somebody else holds it"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_under_the_same_name_goes_on_leading() {
    let api = FakeServer::default();
    let mut first = Replica::start(&api, "a");
    first.leads().await;
    first.task.abort();
    let mut again = Replica::start(&api, "a");
    let started = Instant::now();
    again.leads().await;
    assert!(started.elapsed() <= Duration::from_millis(RETRY_MS));
    assert_eq!(lease(&api)["spec"]["leaseTransitions"], 0);
}
