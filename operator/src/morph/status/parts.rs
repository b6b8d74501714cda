//! What status says of a Morph's parts: which they are, what answers their imports, and whether they fit
//! together. Status calls the Morph's own component by the Morph's name.

use super::fare::Verdict;
use super::{cut, refused};
use crate::morph::{Component, Found, Identity, Refusal, Resolution, Seen};
use morph_crds::bounds::{IMPORTS_MAX, SUBDOMAIN_CHARS_MAX};
use morph_crds::{Answer, ComponentStatus, ConditionType, ImportStatus, LinkStatus, Reason};
use morph_grant::{Answered, Link};
use std::collections::BTreeSet;

/// The Morph's own component, then its plugs by name.
pub(super) fn components(identity: &Identity, found: &Found) -> Vec<ComponentStatus> {
    let main = ComponentStatus {
        name: identity.name.clone(),
        image: found.image.to_string(),
        digest: found.content.to_string(),
        type_: Some(found.runs),
    };
    let plugs = found.plugs.iter().map(|plug| ComponentStatus {
        name: plug.name.clone(),
        image: plug.image.to_string(),
        digest: plug.content.to_string(),
        type_: None,
    });
    [main].into_iter().chain(plugs).collect()
}

/// Name, imports and links of each part, in the same order.
fn parts<'a>(identity: &'a Identity, found: &'a Found) -> Vec<(&'a str, &'a [Answered], &'a [Link])> {
    let main = (identity.name.as_str(), found.imports.as_slice(), found.links.as_slice());
    let plugs = found.plugs.iter().map(|plug| (plug.name.as_str(), &*plug.imports, &*plug.links));
    [main].into_iter().chain(plugs).collect()
}

/// Each import of each part, once.
pub(super) fn imports(identity: &Identity, found: &Found) -> Vec<ImportStatus> {
    let mut listed = BTreeSet::new();
    let parts = parts(identity, found).into_iter();
    let all = parts.flat_map(|(name, imports, _)| imports.iter().map(move |import| (name, import)));
    let all = all.filter(|(name, import)| listed.insert((*name, &import.interface)));
    let line = |(name, import): (&str, &Answered)| ImportStatus {
        component: name.to_owned(),
        interface: import.interface.to_string(),
        answer: match import.answer {
            morph_grant::Answer::Granted => Answer::Granted,
            morph_grant::Answer::Ambient => Answer::Ambient,
            morph_grant::Answer::Plug => Answer::Plug,
            morph_grant::Answer::Denied => Answer::Denied,
        },
        by: Some(cut(&import.by, SUBDOMAIN_CHARS_MAX as usize)),
    };
    all.take(IMPORTS_MAX as usize).map(line).collect()
}

/// What parts answer to each other.
pub(super) fn links(identity: &Identity, found: &Found) -> Vec<LinkStatus> {
    let parts = parts(identity, found).into_iter();
    let all = parts.flat_map(|(name, _, links)| links.iter().map(move |link| (name, link)));
    let line = |(name, link): (&str, &Link)| LinkStatus {
        from: name.to_owned(),
        interface: link.interface.to_string(),
        to: link.to.clone(),
    };
    all.map(line).collect()
}

/// Whether all images are pinned and their components known; the first that isn't is told.
pub(super) fn resolved(seen: &Seen, refusal: Option<&Refusal>) -> Verdict {
    if let Some(refusal) = refusal.filter(|refusal| refusal.condition == ConditionType::Resolved) {
        return refused(refusal);
    }
    let mut images = Vec::new();
    for part in seen.morph.spec.parts() {
        match seen.resolution_of(&part) {
            Resolution::Unknown => return Verdict::unknown("the image was not looked at yet"),
            Resolution::Failed(failure) => return Verdict::no(failure.reason, failure.message.clone()),
            Resolution::Resolved(Component { image, .. }) if part.index.is_none() => {
                images.push(image.to_string());
            }
            Resolution::Resolved(Component { image, .. }) => images.push(format!("{}: {image}", part.name)),
        }
    }
    Verdict::yes(Reason::ImageResolved, images.join("; "))
}

/// Whether the parts fit together.
pub(super) fn composed(found: Option<&Found>, refusal: Option<&Refusal>) -> Verdict {
    if let Some(refusal) = refusal.filter(|refusal| refusal.condition == ConditionType::Composed) {
        return refused(refusal);
    }
    let Some(found) = found.filter(|found| found.composed.is_some()) else {
        return Verdict::unknown("the parts are not known yet");
    };
    let links = found.links.len() + found.plugs.iter().map(|plug| plug.links.len()).sum::<usize>();
    let word = if links == 1 { "link" } else { "links" };
    Verdict::yes(Reason::PartsComposed, format!("{} parts, {links} {word}", found.plugs.len() + 1))
}
