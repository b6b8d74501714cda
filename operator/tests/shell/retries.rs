//! Reports of denials that are given up half-way or sent again: none is lost, none counted twice.

use crate::denials::{World, report};
use crate::server::Fault;
use http::StatusCode;
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
