//! What status remembers of an image: a tag is resolved once for each generation, and neither a restart nor
//! scaling asks the registry again. Pure.

use super::plan::names;
use super::{Child, Children, Component, Identity, Known};
use morph_component::InterfaceId;
use morph_crds::{ConditionType, Morph, MorphStatus};
use morph_oci::{PinnedImage, Reference};

/// The component that this spec's image was resolved to, if it was: in this very generation, or in an
/// earlier one that differed only in what is changed in a running workload (replicas, a Job's pace). The
/// child that runs the pods tells of the latter: it carries the hash of its spec, and its image is the one
/// in status.
#[must_use]
pub fn recall(morph: &Morph, children: &Children) -> Option<Component> {
    let status = morph.status.as_ref()?;
    let resolved = status.conditions.iter().find(|condition| {
        condition.type_ == ConditionType::Resolved.as_str() && condition.status == "True"
    })?;
    let identity = Identity::of(morph);
    let component = component(morph, status, &identity.name)?;
    let hash = names::spec_hash(&morph.spec);
    let image = component.image.to_string();
    let runs =
        |child: &Child| (&child.spec_hash, &child.image) == (&Some(hash.clone()), &Some(image.clone()));
    let same_generation = resolved.observed_generation == morph.metadata.generation;
    (same_generation || children.owned(&identity.uid).any(runs)).then_some(component)
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
