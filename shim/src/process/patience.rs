//! Work on file systems that may hang (a network share whose server is gone): away from the threads that
//! serve calls, on so many threads at most, and never waited for without an end.

use super::Error;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long opening and mounting may take, in milliseconds. It takes one where nothing hangs.
pub const FILES_MILLIS_MAX: u64 = 10_000;

/// Threads that may hang at once. Nobody can end them; past this, work waits for one and is given up in time.
const THREADS_MAX: usize = 64;

static THREADS: Semaphore = Semaphore::const_new(THREADS_MAX);

/// Does blocking work; [`Error::Hangs`] when it doesn't end in [`FILES_MILLIS_MAX`]. Its thread goes on.
pub async fn patiently<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    within(Duration::from_millis(FILES_MILLIS_MAX), what, work).await
}

async fn within<T: Send + 'static>(
    patience: Duration,
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = async {
        // Never closed; an error would only mean no bound.
        let place = THREADS.acquire().await;
        let work = move || {
            let _place = place;
            work()
        };
        spawn_blocking(work).await
    };
    match timeout(patience, done).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) | Err(_) => Err(Error::Hangs { what }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_that_ends_is_answered() {
        assert_eq!(patiently("volume", || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_hangs_is_given_up_and_holds_up_nobody_else() {
        let (release, hanging) = mpsc::channel::<()>();
        let given_up = within(Duration::from_millis(20), "volume", move || hanging.recv());
        let error = given_up.await.unwrap_err();
        assert!(matches!(error, Error::Hangs { .. }) && error.to_string().contains("volume"), "{error}");
        assert_eq!(patiently("volume", || 7).await.unwrap(), 7);
        drop(release);
    }

    #[tokio::test]
    async fn when_all_threads_hang_the_next_is_given_up_too_and_served_once_one_is_free() {
        let mut releases = Vec::new();
        for _ in 0..THREADS_MAX {
            let (release, hanging) = mpsc::channel::<()>();
            releases.push(release);
            within(Duration::from_millis(1), "volume", move || hanging.recv()).await.unwrap_err();
        }
        within(Duration::from_millis(20), "volume", || 7).await.unwrap_err();
        releases.pop();
        assert_eq!(patiently("volume", || 7).await.unwrap(), 7);
    }
}
