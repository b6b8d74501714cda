//! The flow of one Morph: observe, validate, plan, lint, apply, status. `seen.rs` holds what the steps hand
//! to each other; recall, ceiling, validate, plan, lint and status are pure: no client, file, clock or
//! process is named in them.

pub mod apply;
mod ceiling;
mod child;
mod composition;
mod fence;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod history;
pub mod inspect;
mod lint;
mod look;
pub mod observe;
mod plan;
mod recall;
pub mod reconcile;
mod seen;
pub mod server;
mod status;
pub mod sweep;
mod validate;
mod verdict;

pub use ceiling::{Ceiling, drain};
pub use child::{Child, ChildKind, ChildState, JobEnd};
pub use composition::{Unplanned, planned};
pub use seen::{
    Applied, Children, Component, Deletion, Failure, Found, FoundPlug, Identity, Known, Object, Plan,
    Refusal, Resolution, Seen,
};

pub use fence::{DNS_LABEL, DNS_NAMESPACE, DNS_PORT, Dns, Fence};
pub use lint::{Broken, lint};
pub use plan::files::{File, FileSource, FileUse, Files, SourceKind};
pub use plan::grant::{grants, limits, part_grants, server as serving};
pub use plan::plan;
pub use recall::{Recalled, pinned, recall};
pub use status::report;
pub use validate::{Valid, findings, validate};
pub use verdict::{Verdict, verdict, verdict_of_parts};

/// Our name towards the API server: who owns the fields that we apply.
pub const FIELD_MANAGER: &str = "morph-operator";

/// Label of all that belongs to a Morph, besides [`morph_crds::MORPH_LABEL`]: the Morph's uid. The sweep
/// finds by it what has lost its Morph. It is in no selector.
pub const MORPH_UID_LABEL: &str = "hayride.dev/morph-uid";

/// Annotation of the Deployment, Job or CronJob: hash of the part of the spec for which its image was
/// resolved.
pub const SPEC_ANNOTATION: &str = "hayride.dev/spec";

/// Annotation of the same: id of the key that signed its template's grant. It stands in metadata, where the
/// sweep reads it without the object.
pub const KEY_ANNOTATION: &str = "hayride.dev/grant-key";

/// Annotation of a pod that looks at an image: generation of the Morph that asked for it last. The sweep
/// takes those of an earlier one, which nobody asks any more.
pub const GENERATION_ANNOTATION: &str = "hayride.dev/generation";

/// The RuntimeClass of all pods.
pub const RUNTIME_CLASS: &str = "morph";
