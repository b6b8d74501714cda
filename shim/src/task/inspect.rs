//! A container that is looked at and not run: what its image is, as its termination message. It asks for no
//! right, so that nobody has to grant it: whoever may make pods may look at what he may pull.

use super::prepare::Failure;
use super::{Fault, Server};
use crate::content::{self, Source};
use crate::spec::Spec;
use morph_grant::{INSPECT_ANNOTATION, INSPECT_CONTAINER, Inspection};
use morph_host::{Outcome, code};

/// Whether a container is to be looked at.
pub(super) fn is_asked(spec: &Spec, container: &str) -> bool {
    container == INSPECT_CONTAINER && spec.annotations.contains_key(INSPECT_ANNOTATION)
}

/// How the container ends: with what its image is, or why it can't be said.
pub(super) async fn answer(server: &Server, image: &str) -> Result<Outcome, Fault> {
    match look(server, image).await {
        Ok(outcome) | Err(Failure::Fate(outcome)) => Ok(outcome),
        Err(Failure::Fault(fault)) => Err(fault),
    }
}

async fn look(server: &Server, image: &str) -> Result<Outcome, Failure> {
    let located = content::locate(&server.store, &Source::of_image(image)).await?;
    let (world, _) = server.worlds.of(&server.store, &located.layer).await?;
    let told = Inspection::of(located.manifest, located.layer.digest, &world).to_text();
    Ok(match told {
        Ok(text) => Outcome::because(code::DONE, text),
        Err(error) => Outcome::because(code::BAD_COMPONENT, error.to_string()),
    })
}
