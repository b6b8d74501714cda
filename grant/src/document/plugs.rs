//! Whether the components of a document can be meant together: their order, links, and variables of plugs.

use super::{Component, Document, DocumentError, PLUG_VARIABLE_PREFIX, check_names, check_unique};
use crate::Limits;
use morph_component::PARTS_MAX;

/// Checks what components are to each other.
pub(super) fn check(document: &Document) -> Result<(), DocumentError> {
    let Some((main, plugs)) = document.components.split_first() else { return Ok(()) };
    if let Some(beyond) = document.components.get(PARTS_MAX) {
        return wrong(beyond, "is more than a composition has");
    }
    if !(main.env.is_empty() && main.env_references.is_empty()) {
        return wrong(main, "is the main component, whose environment stands in the document itself");
    }
    if document.env_references.iter().any(|name| name.starts_with(PLUG_VARIABLE_PREFIX)) {
        return wrong(main, "refers to a variable of a plug");
    }
    for pair in plugs.windows(2) {
        if pair[0].name > pair[1].name {
            return wrong(&pair[1], "is not in its place: plugs are ordered by name");
        }
    }
    plugs.iter().try_for_each(check_plug)?;
    let variables = plugs.iter().flat_map(|plug| &plug.env_references);
    check_unique("envReferences", variables.map(|reference| reference.variable.as_str()))?;
    document.components.iter().try_for_each(|component| check_links(component, plugs))
}

fn check_plug(plug: &Component) -> Result<(), DocumentError> {
    if plug.limits != Limits::default() {
        return wrong(plug, "has limits of its own, which are the whole's");
    }
    let references = || plug.env_references.iter();
    let names = || plug.env.iter().map(|v| v.name.as_str()).chain(references().map(|v| v.name.as_str()));
    check_unique("env", names())?;
    check_names(names())?;
    if references().any(|reference| !reference.variable.starts_with(PLUG_VARIABLE_PREFIX)) {
        return wrong(plug, "refers to a variable that is no plug's");
    }
    Ok(())
}

fn check_links(component: &Component, plugs: &[Component]) -> Result<(), DocumentError> {
    for link in &component.links {
        if link.to == component.name || !plugs.iter().any(|plug| plug.name == link.to) {
            return Err(DocumentError::Link { to: link.to.clone() });
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    match component.links.iter().find(|link| !seen.insert(&link.interface)) {
        Some(_) => wrong(component, "has two links for one interface"),
        None => Ok(()),
    }
}

fn wrong(component: &Component, problem: &'static str) -> Result<(), DocumentError> {
    Err(DocumentError::Component { name: component.name.clone(), problem })
}

#[cfg(test)]
mod tests;
