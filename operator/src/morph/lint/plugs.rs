//! What holds of the plugs in every pod template: each part's grant is that of its own fields and of its own
//! bytes, and each image is a volume by digest, mounted where no guest sees it, for reading alone.

use super::super::plan::{grant, names, plug};
use super::super::{Resolution, Seen};
use super::failed;
use k8s_openapi::api::core::v1::{Container, ImageVolumeSource, PodSpec};
use morph_crds::Part;
use morph_grant::{Component, Document, PLUG_VARIABLE_PREFIX};

/// Mounts of plugs' images: volume, place, whether for reading alone.
pub(super) fn mounts(document: &Document) -> impl Iterator<Item = (String, String, bool)> {
    let plugs = document.components.iter().skip(1);
    plugs.map(|plug| (names::plug_volume(&plug.name), names::plug_path(&plug.name), true))
}

/// Names of the container's variables: what the Morph's own component and its plugs refer to.
pub(super) fn references(document: &Document) -> Vec<String> {
    let plugs = document.components.iter().flat_map(|component| &component.env_references);
    let mut names = document.env_references.clone();
    names.extend(plugs.map(|reference| reference.variable.clone()));
    names.sort();
    names
}

pub(super) fn problems(
    seen: &Seen,
    spec: &PodSpec,
    container: &Container,
    document: &Document,
) -> Vec<String> {
    let whole = &seen.morph.spec;
    let asked: Vec<_> = plug::numbered(whole).map(|(_, plug)| plug).collect();
    let parts: Vec<_> = document.components.iter().skip(1).collect();
    let named = asked.iter().map(|plug| plug.name).eq(parts.iter().map(|part| part.name.as_str()));
    let own = document.main().is_none_or(|main| main.grants == grant::grants(whole));
    let theirs = asked.iter().zip(&parts).all(|(plug, part)| part.grants == grant::part_grants(whole, plug));
    let resolved = asked.iter().zip(&parts).all(|(plug, part)| is_resolved(seen, plug, part));
    let images = || spec.volumes.iter().flatten().filter_map(|v| Some((v.name.as_str(), v.image.as_ref()?)));
    let pinned = parts.iter().all(|part| {
        let volume = names::plug_volume(&part.name);
        images().any(|(name, image)| name == volume && ends_with(image, part))
    });
    let policy = container.image_pull_policy.as_ref();
    let mut problems = failed(&[
        (named, "its grant has other parts than the Morph"),
        (own && theirs, "a part of its grant may do what its own fields don't say"),
        (resolved, "a plug's grant is for other bytes than those that were resolved"),
        (pinned, "a plug's image is not the volume by the digest that its grant names"),
        (images().count() == parts.len(), "its pods have images that are no plug's"),
        (
            images().all(|(_, image)| image.pull_policy.as_ref() == policy),
            "a plug's image is pulled by another policy than the Morph's",
        ),
    ]);
    problems.extend(mixed(document));
    problems
}

/// The digest in a volume's reference is the grant's.
fn ends_with(image: &ImageVolumeSource, part: &Component) -> bool {
    let digest = format!("@{}", part.manifest);
    image.reference.as_ref().is_some_and(|reference| reference.ends_with(&digest))
}

fn is_resolved(seen: &Seen, asked: &Part<'_>, part: &Component) -> bool {
    matches!(seen.resolution_of(asked), Resolution::Resolved(component)
        if (&component.image.digest, &component.content) == (&part.manifest, &part.content))
}

/// A variable that leads from one part to another's.
fn mixed(document: &Document) -> Vec<String> {
    let plugs = || document.components.iter().enumerate().skip(1);
    let own = plugs().all(|(index, plug)| {
        plug.env_references
            .iter()
            .all(|reference| reference.variable == plug::variable(index, &reference.name))
    });
    let foreign = document.env_references.iter().any(|name| name.starts_with(PLUG_VARIABLE_PREFIX));
    failed(&[(own && !foreign, "a part's variable is another's")])
}
