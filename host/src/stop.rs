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
