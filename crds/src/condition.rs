//! The vocabulary of conditions: types and reasons. Their spelling is API: scripts and alerts match it.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As it stands in status.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Types of conditions. Resolved, ImportsSatisfied, WithinCeiling, Available and Ready are there from
    /// the first pass on; Composed where there are plugs; Reconciling and Stalled only while they hold, as
    /// kstatus reads them.
    ConditionType {
        /// The image is pinned by digest and its component is known.
        Resolved,
        /// The parts fit together. Only of a Morph with plugs.
        Composed,
        /// Each import has an answer.
        ImportsSatisfied,
        /// Nothing is asked for that the namespace's policy doesn't allow.
        WithinCeiling,
        /// Enough pods serve, or the Command runs or has run.
        Available,
        /// All of the above, for the newest generation.
        Ready,
        /// There is work left, and it goes on.
        Reconciling,
        /// There is work left, and only a change by somebody can make it go on.
        Stalled,
    }
}

words! {
    /// Reasons of conditions and of Events.
    Reason {
        /// Not looked at yet.
        Pending,
        /// The spec contradicts itself; the message names the field.
        SpecInvalid,

        /// The image is pinned and its component read.
        ImageResolved,
        /// The image's name can't be parsed.
        ReferenceInvalid,
        /// The registry has no such image.
        ImageNotFound,
        /// The registry doesn't answer, or not usefully.
        RegistryUnavailable,
        /// The registry refuses our credentials, or wants some.
        RegistryDenied,
        /// The registry's address is private and not listed.
        RegistryForbidden,
        /// The image is not what its digests say, or no Wasm artifact.
        ArtifactInvalid,
        /// The image's layer is no component.
        NotAComponent,
        /// The component is larger than is accepted.
        ComponentTooLarge,
        /// The component exports nothing that can be run.
        NoKnownExport,
        /// The component exports several things that can be run.
        AmbiguousType,
        /// The component is not of the type that the spec names; or an export is not of the type that is
        /// imported.
        TypeMismatch,

        /// The parts fit together.
        PartsComposed,
        /// An import has no answer, or a plug no use.
        Unresolved,
        /// More than one part answers an import.
        Ambiguous,
        /// Nothing but another version of what is imported is there.
        VersionMismatch,
        /// Parts use each other in a circle.
        Cycle,
        /// More parts, imports or bytes than are composed.
        TooLarge,

        /// Each import is granted or ambient.
        AllImportsAnswered,
        /// An import is not granted.
        ImportDenied,
        /// The grant doesn't fit into an annotation.
        GrantTooLarge,

        /// The namespace's policy allows all of it.
        WithinPolicy,
        /// The namespace has no policy.
        NoPolicy,
        /// The namespace's label names a policy that isn't there.
        PolicyNotFound,
        /// The namespace's policy doesn't allow all of it.
        AbovePolicy,
        /// The namespace's policy doesn't allow all of it, and only warns or takes note.
        PolicyNotEnforced,

        /// All pods serve.
        PodsAvailable,
        /// Not enough pods serve yet.
        PodsUnavailable,
        /// The roll-out doesn't get on.
        RolloutFailed,
        /// No pod is asked for.
        ScaledToZero,
        /// The Command runs.
        CommandRunning,
        /// The Command has succeeded.
        CommandSucceeded,
        /// The Command has failed for good.
        CommandFailed,
        /// The Command waits for its time.
        CommandScheduled,
        /// The Command is suspended.
        CommandSuspended,
        /// The API server refused an object of ours.
        ApplyRefused,
        /// An object of that name belongs to somebody else.
        NameTaken,

        /// All is as the spec says.
        Ready,
        /// Work goes on.
        Progressing,
        /// The last attempt went wrong; another follows.
        Retrying,
        /// The Morph is being deleted.
        Deleting,
    }
}

#[cfg(test)]
mod tests;
