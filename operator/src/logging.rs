//! Log lines on stderr: JSON for machines, words for people. Nothing else is set up here.

use crate::settings::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Why logging can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter isn't one.
    #[error("--log: \"{filter}\" is no filter: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is a logger already.
    #[error("the logger can't be installed: {0}")]
    Install(#[from] TryInitError),
}

/// Installs the process's logger; once.
///
/// # Errors
/// A filter that can't be parsed, or a logger that stands already.
pub fn start(log: &LogSettings) -> Result<(), LoggingError> {
    let filter = parse(&log.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).finish().try_init()?,
        LogFormat::Text => builder.with_ansi(false).finish().try_init()?,
    }
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_tracings() {
        for filter in ["info", "morph_operator=debug,kube=warn", "off"] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let error = parse("morph_operator=loud").map(drop).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("morph_operator=loud")));
    }
}
