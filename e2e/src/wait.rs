//! Waiting for something to become true, with an end that says what was last seen.

use anyhow::{Result, bail};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Pause between two looks, in milliseconds: a look costs the API server about one.
const PAUSE_MILLIS: u64 = 100;

/// Looks until `look` answers `Ok(Ok(value))`. `Ok(Err(seen))` means not yet and says what was seen instead.
///
/// # Errors
/// After `seconds`, with what was seen last; an error of `look` itself ends the wait at once.
pub async fn until<T, S: Debug>(
    seconds: u64,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Result<T, S>>,
) -> Result<T> {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let seen = match look().await? {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if Instant::now() >= end {
            bail!("{what}: not so after {seconds} s; last seen: {seen:#?}");
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MILLIS)).await;
    }
}
