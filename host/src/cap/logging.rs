//! `wasi:logging`: each call is one line of JSON in the pod's log, on standard error, in the same queue as
//! what the guest writes there. Its words are escaped and bounded, so that it can't forge a second line, and
//! each line says which component it is of.

use super::{Linked, Place, Track, known, serve};
use crate::limits::{LOG_CONTEXT_BYTES_MAX, LOG_MESSAGE_BYTES_MAX};
use crate::stdio::Output;
use crate::store::State;
use crate::words::json;
use jiff::Timestamp;
use wasmtime::component::HasData;

mod bindings {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    pub mod unversioned {
        wasmtime::component::bindgen!({
            path: "../wit/wasi-logging",
            world: "wasi:logging/imports",
            imports: { default: async | trappable },
        });
    }
    pub mod draft {
        wasmtime::component::bindgen!({
            path: "../wit/wasi-logging-0.1.0-draft",
            world: "wasi:logging/imports",
            imports: { default: async | trappable },
        });
    }
}

use bindings::draft::wasi::logging::logging as draft;
use bindings::unversioned::wasi::logging::logging as unversioned;

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("logging/logging", Track::Exact("")) => {
            serve!(l, unversioned, Log<'static>, logging)
        }
        ("logging/logging", Track::Exact("0.1.0-draft")) => {
            serve!(l, draft, Log<'static>, logging)
        }
        _ => return known(None),
    }))
}

/// Where a component's lines go.
pub(crate) struct Log<'a> {
    /// The component's name: of a composition, the name of the part that logs.
    pub(crate) component: &'a str,
    /// The pod's log.
    pub(crate) output: &'a Output,
}

impl HasData for Log<'static> {
    type Data<'a> = Log<'a>;
}

impl Log<'_> {
    /// Writes a line; waits while the log has no room, as any output of a guest does. Where nobody can read
    /// it any more it is gone: the interface has no error.
    async fn write(&mut self, level: &str, context: &str, message: &str) {
        let line = line(Timestamp::now(), self.component, level, context, message);
        if let Err(error) = self.output.line(line.into()).await {
            tracing::debug!(%error, "standard error is closed: nobody reads the log");
        }
    }
}

/// One line, with its end.
fn line(time: Timestamp, component: &str, level: &str, context: &str, message: &str) -> String {
    format!(
        "{{\"time\":\"{time:.3}\",\"level\":\"{level}\",\"component\":{},\"context\":{},\"message\":{}}}\n",
        json(component, LOG_CONTEXT_BYTES_MAX),
        json(context, LOG_CONTEXT_BYTES_MAX),
        json(message, LOG_MESSAGE_BYTES_MAX),
    )
}

/// Both versions are the same interface.
macro_rules! serve {
    ($version:ident) => {
        impl $version::Host for Log<'_> {
            async fn log(
                &mut self,
                level: $version::Level,
                context: String,
                message: String,
            ) -> wasmtime::Result<()> {
                let level = match level {
                    $version::Level::Trace => "trace",
                    $version::Level::Debug => "debug",
                    $version::Level::Info => "info",
                    $version::Level::Warn => "warn",
                    $version::Level::Error => "error",
                    $version::Level::Critical => "critical",
                };
                self.write(level, &context, &message).await;
                Ok(())
            }
        }
    };
}

serve!(unversioned);
serve!(draft);

#[cfg(test)]
mod tests;
