//! The time of day, as whatever counts in seconds since 1970 wants it.

use anyhow::Context as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
///
/// # Errors
/// The clock stands before that.
pub fn unix_seconds() -> anyhow::Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    Ok(since.as_secs())
}
