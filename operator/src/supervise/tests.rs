//! Which end of which task ends what.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use std::sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// A supervisor with one obedient task of each phase, and the order in which they end.
fn obedient() -> (Supervisor, Log) {
    let mut supervisor = Supervisor::default();
    let log = Log::default();
    for (phase, name) in [(Phase::Service, "lease"), (Phase::Work, "controller")] {
        let (stop, log) = (supervisor.stop(phase), Arc::clone(&log));
        supervisor.spawn(phase, name, async move {
            stop.cancelled().await;
            log.lock().unwrap().push(name);
            Ok(())
        });
    }
    (supervisor, log)
}

async fn never() {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_signal_ends_work_before_what_it_rests_on() {
    let (supervisor, log) = obedient();
    supervisor.run(async {}).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["controller", "lease"]);
}

#[tokio::test]
async fn the_first_task_that_returns_ends_the_process() {
    for phase in [Phase::Work, Phase::Service] {
        let (mut supervisor, log) = obedient();
        supervisor.spawn(phase, "short", async { Ok(()) });
        let failed = supervisor.run(never()).await.unwrap_err();
        assert!(matches!(failed, Failed::Ended { task: "short" }), "{failed}");
        assert!(log.lock().unwrap().is_empty(), "the others are stopped, not asked");
    }
}

#[tokio::test]
async fn an_error_names_its_task() {
    let (mut supervisor, _) = obedient();
    supervisor.spawn(Phase::Service, "leader", async { anyhow::bail!("the lease is lost") });
    let failed = supervisor.run(never()).await.unwrap_err();
    assert_eq!(failed.to_string(), "task leader: the lease is lost");
}

#[tokio::test]
async fn a_panic_is_seen() {
    let (mut supervisor, _) = obedient();
    supervisor.spawn(Phase::Work, "sweep", async { panic!("on purpose") });
    assert!(matches!(supervisor.run(never()).await.unwrap_err(), Failed::Panic(_)));
}

#[tokio::test(start_paused = true)]
async fn work_that_hangs_is_not_waited_for_without_end() {
    let (mut supervisor, log) = obedient();
    supervisor.spawn(Phase::Work, "stuck", async {
        never().await;
        Ok(())
    });
    let failed = supervisor.run(async {}).await.unwrap_err();
    assert!(matches!(failed, Failed::Slow { phase: Phase::Work, .. }), "{failed}");
    assert_eq!(*log.lock().unwrap(), ["controller", "lease"], "the lease is given back all the same");
}

#[tokio::test]
async fn a_lease_lost_while_stopping_stops_work_at_once() {
    let mut supervisor = Supervisor::default();
    let stop = supervisor.stop(Phase::Work);
    supervisor.spawn(Phase::Work, "stuck", async {
        never().await;
        Ok(())
    });
    supervisor.spawn(Phase::Service, "leader", async move {
        stop.cancelled().await;
        anyhow::bail!("the lease is lost")
    });
    let failed = supervisor.run(async {}).await.unwrap_err();
    assert!(matches!(failed, Failed::Error { task: "leader", .. }), "{failed}");
}

#[test]
fn all_waits_fit_into_the_grace_of_a_pod() {
    const GRACE_MS: u64 = 30_000;
    const { assert!(WORK_STOP_MS_MAX + SERVICE_STOP_MS_MAX < GRACE_MS) };
}
