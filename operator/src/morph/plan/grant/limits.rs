//! What a component may use up, and how a Server serves.

use morph_crds::bounds::GRACE_PERIOD_SECONDS_DEFAULT;
use morph_crds::{MorphSpec, Quantity};
use morph_grant::{Http, Limits, Reuse};

/// A quantity in bytes. The schema's rules refuse a text that is none before; the narrowest, were one to
/// come.
pub(super) fn bytes(quantity: &Quantity) -> u64 {
    quantity.bytes().unwrap_or(0)
}

/// What the component may use up.
#[must_use]
pub fn limits(spec: &MorphSpec) -> Limits {
    let asked = spec.limits.clone().unwrap_or_default();
    Limits {
        memory_bytes: asked.memory.as_ref().map(bytes),
        cpu_per_call_millis: asked.cpu_per_call_millis,
        output_bytes_per_second: asked.output_bytes_per_second.as_ref().map(bytes),
    }
}

/// How it serves, if it is a Server.
#[must_use]
pub fn server(spec: &MorphSpec) -> Http {
    let http = spec.http.clone().unwrap_or_default();
    Http {
        port: http.port,
        lame_duck_seconds: http.lame_duck_seconds,
        grace_period_seconds: u32::try_from(grace_period_seconds(spec)).unwrap_or(u32::MAX),
        concurrency: http.max_concurrency,
        request_timeout_millis: http.request_timeout_millis,
        body_bytes: http.body_bytes_max.as_ref().map(bytes),
        reuse: match http.reuse {
            morph_crds::Reuse::PerRequest => Reuse::PerRequest,
            morph_crds::Reuse::Pooled => Reuse::Pooled,
        },
    }
}

/// How long a pod may take to end, in seconds.
pub(crate) fn grace_period_seconds(spec: &MorphSpec) -> i64 {
    let asked = spec.template.as_ref().and_then(|template| template.termination_grace_period_seconds);
    asked.unwrap_or(GRACE_PERIOD_SECONDS_DEFAULT)
}
