//! What status remembers of an image: a tag is resolved once for each generation, and neither a restart nor
//! scaling asks the registry again. Pure.

use super::plan::names;
use super::{Children, Component, Identity, Known};
use morph_component::InterfaceId;
use morph_crds::{ConditionType, Morph, MorphStatus};
use morph_oci::{PinnedImage, Reference};

/// The component that this spec's image was resolved to, if it was: in this very generation, or in an earlier
/// one that differed only in what is changed in a running workload (replicas, a Job's pace). The child that
/// runs the pods carries the hash of the spec by which that is known.
#[must_use]
pub fn recall(morph: &Morph, children: &Children) -> Option<Component> {
    let status = morph.status.as_ref()?;
    let resolved = status.conditions.iter().find(|condition| {
        condition.type_ == ConditionType::Resolved.as_str() && condition.status == "True"
    })?;
    let identity = Identity::of(morph);
    let hash = names::spec_hash(&morph.spec);
    let same_generation = resolved.observed_generation == morph.metadata.generation;
    let same_spec = || children.owned(&identity.uid).any(|child| child.spec_hash.as_deref() == Some(&hash));
    if same_generation || same_spec() { component(morph, status, &identity.name) } else { None }
}

fn component(morph: &Morph, status: &MorphStatus, name: &str) -> Option<Component> {
    let own = status.components.iter().find(|component| component.name == name)?;
    let image: PinnedImage = own.image.parse().ok()?;
    let asked: Reference = morph.spec.image.parse().ok()?;
    if asked.repository() != &image.repository {
        return None;
    }
    let ids = status.imports.iter().filter(|import| import.component == name);
    let imports: Result<Vec<InterfaceId>, _> = ids.map(|import| import.interface.parse()).collect();
    Some(Component {
        image,
        content: own.digest.parse().ok()?,
        known: Known::Remembered { imports: imports.ok()?, runs: own.type_ },
    })
}

#[cfg(test)]
mod tests;
