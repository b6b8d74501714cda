//! Reports of denials that are given up half-way or sent again: none is lost, none counted twice.

use crate::denials::{World, pod_key, report};
use crate::server::Fault;
use http::StatusCode;
use morph_grant::DenialReport;
use morph_operator::denials::ledger::EVENTS_PER_MORPH_MAX;
use morph_operator::events::WRITE_MS_MAX;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_while_its_event_is_written_loses_it_not() {
    let world = World::new();
    world.api.faults(|_, call| (call.resource == "events").then_some(Fault::Silent));
    let reports = [report("host")];
    let request = world.report("n1", &reports);
    assert!(tokio::time::timeout(Duration::from_millis(WRITE_MS_MAX / 2), request).await.is_err());
    assert!(world.events().is_empty());
    world.api.no_faults();
    assert_eq!(world.report("n1", &reports).await, StatusCode::NO_CONTENT);
    assert_eq!(world.events().len(), 1);
}

/// How often a denial by this rule was counted.
fn counts(world: &World, rule: &str, count: usize) -> bool {
    world.metric(&format!("morph_operator_denials_total{{capability=\"http\",rule=\"{rule}\"}} {count}"))
}

#[tokio::test]
async fn a_batch_of_which_one_pod_can_not_be_looked_at_is_counted_once_when_it_comes_again() {
    let world = World::new();
    let second = DenialReport { pod: "weather-2".into(), ..report("path") };
    let batch = [report("host"), second, DenialReport { pod: "nobody".into(), ..report("host") }];
    world.api.with(|store| {
        let mut pod = store.get(&pod_key("weather-1")).cloned().unwrap();
        pod["metadata"]["name"] = "weather-2".into();
        store.create(&pod_key("weather-2"), pod);
    });
    world.api.faults(|_, call| {
        let second = call.name.as_deref() == Some("weather-2");
        second.then_some(Fault::Status(500))
    });
    for _ in 0..3 {
        assert_eq!(world.report("n1", &batch).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(world.events().is_empty(), "nothing of it is taken");
    world.api.no_faults();
    assert_eq!(world.report("n1", &batch).await, StatusCode::NO_CONTENT);
    assert!(counts(&world, "host", 1) && counts(&world, "path", 1));
    assert!(world.metric("morph_operator_denials_refused_total{reason=\"pod\"} 1"));
    assert_eq!(world.events().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_given_up_is_counted_once_when_it_comes_again() {
    let world = World::new();
    let batch: Vec<_> = (0..EVENTS_PER_MORPH_MAX + 3).map(|n| report(&format!("rule-{n}"))).collect();
    let mut written = 0;
    world.api.faults(move |_, call| {
        written += usize::from(call.resource == "events");
        (written > 2).then_some(Fault::Silent)
    });
    let request = world.report("n1", &batch);
    assert!(tokio::time::timeout(Duration::from_millis(WRITE_MS_MAX / 2), request).await.is_err());
    assert_eq!(world.events().len(), 2);
    world.api.no_faults();
    assert_eq!(world.report("n1", &batch).await, StatusCode::NO_CONTENT);
    for n in 0..batch.len() {
        assert!(counts(&world, &format!("rule-{n}"), 1), "{n}");
    }
    assert!(world.metric("morph_operator_denials_refused_total{reason=\"capped\"} 3"));
    assert_eq!(world.events().len(), EVENTS_PER_MORPH_MAX);
}
