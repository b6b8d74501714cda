//! Ctrl-C and SIGTERM: the first stops the guest as the kubelet would, the second ends it at once.

use anyhow::{Context as _, Result};
use morph_host::Stopper;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell adds to a signal's number for the exit code.
const SIGNAL_EXIT_BASE: u8 = 128;

/// Passes the first signal on; ends at the second, with the exit code that it stands for.
///
/// # Errors
/// Where signals can't be watched.
pub(super) fn watch(stopper: Stopper) -> Result<impl Future<Output = Result<u8>>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be watched")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be watched")?;
    Ok(async move {
        let mut next = async || {
            let number = tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
            };
            u8::try_from(number).unwrap_or_default()
        };
        next().await;
        eprintln!("morph: stopping; once more to end it at once");
        stopper.stop();
        Ok(SIGNAL_EXIT_BASE + next().await)
    })
}
