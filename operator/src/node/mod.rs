//! The agent on each node: keeps the node's directory of trusted public keys as the operator publishes it,
//! and passes the shim's denials on to the operator. It has no right at the API server, and runs no guest.

pub mod keys;
pub mod relay;
pub mod socket;

use crate::health::{self, Health, Port};
use crate::listen;
use crate::settings::NodeSettings;
use crate::supervise::{Phase, Supervisor};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Denials that may wait for the operator; more are dropped. A minute of a node on which a hundred guests try
/// all doors at once.
pub const QUEUE_REPORTS: usize = 1_024;

/// Lives as a node's agent until told to stop.
///
/// # Errors
/// What ended it otherwise than by a signal.
pub async fn run(settings: NodeSettings, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let health = Arc::new(Health::default());
    let mut tasks = Supervisor::default();
    let listener = listen::bind(settings.health_addr).await?;
    let token = tasks.stop(Phase::Service);
    tasks.spawn(Phase::Service, "health", health::serve(listener, Port::Health, Arc::clone(&health), token));

    let (queue, reports) = mpsc::channel(QUEUE_REPORTS);
    let denials = socket::Socket::bind(&settings.socket)?;
    tasks.spawn(Phase::Work, "denials", denials.run(queue, tasks.stop(Phase::Work)));
    let relay = relay::Relay::new(settings.published.clone(), settings.token_file.clone());
    tasks.spawn(Phase::Work, "relay", relay.run(reports, tasks.stop(Phase::Work)));
    let places = keys::Places { published: settings.published, kept: settings.keys };
    tasks.spawn(Phase::Work, "keys", keys::run(places, Arc::clone(&health), tasks.stop(Phase::Work)));
    let stopping = async move {
        stop.await;
        health.set_stopping();
    };
    tasks.run(stopping).await.map_err(Into::into)
}
