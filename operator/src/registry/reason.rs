//! What each failure of a registry or an artifact means to a Morph: its reason, and whether it may pass by
//! itself. Messages come from our own error types, which hold no text that a registry answered; who asked
//! says of which field they are. Pure.

use super::MESSAGE_CHARS_MAX;
use crate::morph::Failure;
use morph_crds::Reason;
use morph_oci::{ArtifactError, Error, PinnedImage, ReferenceError};
use std::time::Duration;

fn failure(reason: Reason, transient: bool, message: &str) -> Failure {
    let message = message.chars().take(MESSAGE_CHARS_MAX).collect();
    Failure { reason, message, transient }
}

pub(super) fn of_reference(error: &ReferenceError) -> Failure {
    failure(Reason::ReferenceInvalid, false, &error.to_string())
}

pub(super) fn of_registry(error: &Error) -> Failure {
    let reason = match error {
        Error::NotFound { .. } => Reason::ImageNotFound,
        Error::Unauthorized { .. } | Error::DockerConfig { .. } => Reason::RegistryDenied,
        Error::RefusedAddress { .. } | Error::ForeignHost { .. } | Error::PlainHttp { .. } => {
            Reason::RegistryForbidden
        }
        Error::Artifact { problem, .. } => of_artifact(problem),
        _ => Reason::RegistryUnavailable,
    };
    failure(reason, error.is_transient(), &error.to_string())
}

fn of_artifact(error: &ArtifactError) -> Reason {
    match error {
        ArtifactError::TooLarge { what: "layer", .. } => Reason::ComponentTooLarge,
        ArtifactError::Component(error) => reason_of_component(error),
        _ => Reason::ArtifactInvalid,
    }
}

fn reason_of_component(error: &morph_component::Error) -> Reason {
    match error {
        morph_component::Error::TooLarge { .. } => Reason::ComponentTooLarge,
        _ => Reason::NotAComponent,
    }
}

pub(super) fn of_component(image: &PinnedImage, error: &morph_component::Error) -> Failure {
    failure(reason_of_component(error), false, &format!("{image}: {error}"))
}

pub(super) fn slow(registry: &str, limit: Duration) -> Failure {
    let seconds = limit.as_secs();
    failure(Reason::RegistryUnavailable, true, &format!("{registry} did not answer within {seconds} s"))
}

/// The process ends: nobody will read this.
pub(super) fn stopping() -> Failure {
    failure(Reason::RegistryUnavailable, true, "the operator is stopping")
}

/// Reading the component panicked, or the process ends.
pub(super) fn unread(image: &PinnedImage, error: &tokio::task::JoinError) -> Failure {
    tracing::error!(%image, %error, "reading a component came to no end");
    failure(Reason::NotAComponent, false, &format!("{image}: the component can't be read"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn image() -> PinnedImage {
        format!("r.example/a@sha256:{}", "0".repeat(64)).parse().unwrap()
    }

    fn text(words: &str) -> String {
        words.to_owned()
    }

    #[test]
    fn each_error_has_its_reason() {
        let status = |status| Error::Status { registry: text("r"), what: text("a"), status };
        let artifact = |problem| Error::Artifact { image: text("a"), problem: Box::new(problem) };
        for (error, reason, transient) in [
            (Error::NotFound { registry: text("r"), what: text("a") }, Reason::ImageNotFound, false),
            (
                Error::Unauthorized { registry: text("r"), what: text("a"), had_credentials: true },
                Reason::RegistryDenied,
                false,
            ),
            (status(503), Reason::RegistryUnavailable, true),
            (status(429), Reason::RegistryUnavailable, true),
            (status(400), Reason::RegistryUnavailable, false),
            (Error::PlainHttp { host: text("r") }, Reason::RegistryForbidden, false),
            (
                Error::RefusedAddress { host: text("r"), address: [10, 0, 0, 1].into() },
                Reason::RegistryForbidden,
                false,
            ),
            (
                Error::ForeignHost { registry: text("r"), by: "redirects", host: text("x") },
                Reason::RegistryForbidden,
                false,
            ),
            (Error::Protocol { registry: text("r"), problem: "it lies" }, Reason::RegistryUnavailable, false),
            (artifact(ArtifactError::Layers { count: 2 }), Reason::ArtifactInvalid, false),
            (
                artifact(ArtifactError::TooLarge { what: "layer", max_bytes: 1 }),
                Reason::ComponentTooLarge,
                false,
            ),
            (
                artifact(ArtifactError::TooLarge { what: "config", max_bytes: 1 }),
                Reason::ArtifactInvalid,
                false,
            ),
            (artifact(morph_component::Error::CoreModule.into()), Reason::NotAComponent, false),
        ] {
            let found = of_registry(&error);
            assert_eq!((found.reason, found.transient), (reason, transient), "{error}");
            assert!(!found.message.is_empty(), "{error}");
        }
    }

    #[test]
    fn what_is_no_component_says_so_and_of_which_image() {
        let found = of_component(&image(), &morph_component::Error::CoreModule);
        assert_eq!(found.reason, Reason::NotAComponent);
        assert!(
            found.message.contains("r.example/a@sha256:")
                && found.message.contains("core WebAssembly module")
        );
        let large = morph_component::Error::TooLarge { size_bytes: 2, max_bytes: 1 };
        assert_eq!(of_component(&image(), &large).reason, Reason::ComponentTooLarge);
    }

    #[test]
    fn a_message_is_bounded() {
        let error = Error::NotFound { registry: "r".repeat(5_000), what: text("a") };
        assert_eq!(of_registry(&error).message.chars().count(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn silence_is_transient() {
        let found = slow("r.example", Duration::from_secs(30));
        assert!(found.transient && found.message.contains("r.example did not answer within 30 s"));
    }
}
