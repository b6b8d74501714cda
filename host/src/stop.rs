//! The word "stop" from whoever runs a guest (a signal, a key) to the run. What stopping means is the run's.

use tokio::sync::watch;

/// Says stop; dropping it says nothing.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

/// Hears stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A new pair.
#[must_use]
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Says stop; a second time changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Ends when stop is said; never when the [`Stopper`] is gone without a word.
    pub async fn stopped(&self) {
        if self.0.clone().wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it has been said.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn everybody_hears_stop_even_late_and_from_a_stopper_that_is_gone() {
        let (stopper, stop) = stop();
        let early = tokio::spawn({
            let stop = stop.clone();
            async move { stop.stopped().await }
        });
        assert!(!stop.is_stopped());
        stopper.clone().stop();
        stopper.stop();
        drop(stopper);
        assert!(stop.is_stopped());
        timeout(Duration::from_secs(10), early).await.unwrap().unwrap();
        timeout(Duration::from_secs(10), stop.stopped()).await.unwrap();
    }

    #[tokio::test]
    async fn a_stopper_that_goes_without_a_word_stops_nothing() {
        let (stopper, stop) = stop();
        drop(stopper);
        assert!(timeout(Duration::from_millis(50), stop.stopped()).await.is_err());
    }
}
