//! When to sweep: when this replica begins to lead, then periodically. What a sweep does is in
//! `morph/sweep.rs`.

use crate::backoff;
use crate::morph::server::Server;
use crate::morph::sweep::sweep;
use crate::signing::trust::Live;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Waits until this replica leads; whether it does (or is to stop instead).
pub async fn lead_or_stop(mut leading: watch::Receiver<bool>, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        led = leading.wait_for(|leads| *leads) => led.is_ok(),
    }
}

/// Sweeps until told to stop, and says each time which keys are in use. A sweep that fails is said, counted, and made again at its time.
///
/// # Errors
/// None: what a sweep leaves, the next one finds.
pub async fn run(
    server: Server,
    every: Duration,
    live: watch::Sender<Live>,
    leading: watch::Receiver<bool>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if !lead_or_stop(leading, &stop).await {
        return Ok(());
    }
    loop {
        match sweep(&server).await {
            Ok(swept) => {
                match swept.deleted {
                    0 => tracing::debug!("nothing to sweep"),
                    count => tracing::info!(count, "swept"),
                }
                live.send_replace(Some(swept.keys));
            }
            Err(error) => {
                server.metrics.sweeps_failed.inc();
                tracing::warn!(%error, "a sweep came to nothing");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(backoff::jitter(every, backoff::spread())) => {}
        }
    }
}
