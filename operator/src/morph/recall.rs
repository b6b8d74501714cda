//! What status remembers of images: a tag is resolved once for each generation, and neither a restart nor
//! scaling asks the registry again. Of a Morph with plugs all parts are remembered, or none. Pure.

use super::plan::names;
use super::{Child, Children, Component, Identity, Known};
use morph_component::InterfaceId;
use morph_crds::{ConditionType, HOST, MAIN, Morph, MorphSpec, MorphStatus, Part};
use morph_grant::{Digest, Link};
use morph_oci::{PinnedImage, Reference};
use std::collections::BTreeMap;

/// What status remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// The Morph's own component.
    pub main: Component,
    /// Its plugs, in the spec's order.
    pub plugs: Vec<Component>,
    /// Digest of what the parts are composed to; none without plugs.
    pub composed: Option<Digest>,
}

/// The components that this spec's images were resolved to, if they were: in this very generation, or in an
/// earlier one that differed only in what is changed in a running workload (replicas, a Job's pace). The
/// child that runs the pods tells of the latter: it carries the hash of its spec, and its images are those
/// in status. Plugs are remembered with what answers their imports; of parts that were not found to fit
/// together, see [`pinned`].
#[must_use]
pub fn recall(morph: &Morph, children: &Children) -> Option<Recalled> {
    let status = morph.status.as_ref()?;
    let in_generation = generation_of(status, ConditionType::Resolved)?;
    let identity = Identity::of(morph);
    let parts: Vec<_> = morph.spec.parts().collect();
    let found = parts.iter().map(|part| component(morph, status, part)).collect::<Option<Vec<_>>>()?;
    let composed = composed(&morph.spec, status, &parts, &found)?;
    let hash = names::spec_hash(&morph.spec);
    let (main, plugs) = found.split_first()?;
    let volumes = parts.iter().skip(1).map(|part| names::plug_volume(part.name));
    let images: BTreeMap<_, _> =
        volumes.zip(plugs).map(|(volume, plug)| (volume, plug.image.to_string())).collect();
    let runs = |child: &Child| {
        (child.spec_hash.as_ref(), &child.plugs) == (Some(&hash), &images)
            && child.image.as_ref() == Some(&main.image.to_string())
    };
    let same_generation = in_generation == morph.metadata.generation;
    let holds = same_generation || children.owned(&identity.uid).any(runs);
    holds.then(|| Recalled { main: main.clone(), plugs: plugs.to_vec(), composed })
}

/// What this very generation's tags were resolved to, by part: parts that don't fit together are read once
/// more after a restart, and their tags are not resolved again. Of a Morph without plugs all is in
/// [`recall`].
#[must_use]
pub fn pinned(morph: &Morph) -> BTreeMap<String, PinnedImage> {
    let Some(status) = &morph.status else { return BTreeMap::new() };
    let is_of_now = generation_of(status, ConditionType::Resolved) == Some(morph.metadata.generation);
    if morph.spec.plugs.is_empty() || !is_of_now {
        return BTreeMap::new();
    }
    let pinned = |part: &Part<'_>| {
        let name = listed_as(morph, part.name);
        let listed = status.components.iter().find(|component| component.name == name)?;
        Some((part.name.to_owned(), image(part, &listed.image)?))
    };
    morph.spec.parts().filter_map(|part| pinned(&part)).collect()
}

/// The generation of which this condition holds.
fn generation_of(status: &MorphStatus, type_: ConditionType) -> Option<Option<i64>> {
    let holds = |condition: &&_| is_true(condition, type_);
    status.conditions.iter().find(holds).map(|condition| condition.observed_generation)
}

fn is_true(
    condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition,
    type_: ConditionType,
) -> bool {
    condition.type_ == type_.as_str() && condition.status == "True"
}

/// How status calls a part.
fn listed_as(morph: &Morph, part: &str) -> String {
    if part == MAIN { Identity::of(morph).name } else { part.to_owned() }
}

/// A pinned image, if it is of the repository that the spec names.
fn image(part: &Part<'_>, listed: &str) -> Option<PinnedImage> {
    let image: PinnedImage = listed.parse().ok()?;
    let asked: Reference = part.image.parse().ok()?;
    (asked.repository() == &image.repository).then_some(image)
}

fn component(morph: &Morph, status: &MorphStatus, part: &Part<'_>) -> Option<Component> {
    let name = listed_as(morph, part.name);
    let own = status.components.iter().find(|component| component.name == name)?;
    let ids = status.imports.iter().filter(|import| import.component == name);
    let imports: Result<Vec<InterfaceId>, _> = ids.map(|import| import.interface.parse()).collect();
    let links = status.links.iter().filter(|link| link.from == name);
    let links = links.map(|link| Some(Link { interface: link.interface.parse().ok()?, to: link.to.clone() }));
    if part.index.is_none() && own.type_.is_none() {
        return None;
    }
    Some(Component {
        image: image(part, &own.image)?,
        content: own.digest.parse().ok()?,
        known: Known::Remembered {
            imports: imports.ok()?,
            links: links.collect::<Option<_>>()?,
            runs: own.type_,
        },
    })
}

/// The digest of what the parts are composed to, if they were found to fit together, each link leads from an
/// import to a plug, and what the spec's own links say holds. Nothing to say of a Morph without plugs.
fn composed(
    spec: &MorphSpec,
    status: &MorphStatus,
    parts: &[Part<'_>],
    found: &[Component],
) -> Option<Option<Digest>> {
    if spec.plugs.is_empty() {
        return Some(None);
    }
    generation_of(status, ConditionType::Composed)?;
    let digest = status.composed.as_ref()?.parse().ok()?;
    for (part, component) in parts.iter().zip(found) {
        let Known::Remembered { imports, links, .. } = &component.known else { return None };
        let leads = |link: &Link| {
            link.to != part.name
                && imports.contains(&link.interface)
                && spec.plugs.iter().any(|plug| plug.name == link.to)
        };
        if !links.iter().all(leads) {
            return None;
        }
        for asked in spec.links.iter().filter(|link| link.from == part.name) {
            let id: InterfaceId = asked.interface.parse().ok()?;
            let to = |import: &InterfaceId| {
                let link = links.iter().find(|link| link.interface == *import);
                link.map_or(HOST, |link| link.to.as_str()) == asked.to
            };
            // Which of several versions is meant, planning has found out: one must be as the spec says.
            if !imports.iter().any(|import| import.is_like(&id) && to(import)) {
                return None;
            }
        }
    }
    Some(Some(digest))
}

#[cfg(test)]
mod tests;
