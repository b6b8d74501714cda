//! Links that somebody has chosen, each held against the parts: what can't be meant is told by its place in
//! the list.

use super::{HOST, Host, MAIN, Part, PlanError, PlanErrors, Provider};
use crate::{InterfaceId, World};
use std::collections::BTreeMap;

/// A link that settles what answers an import.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The part that imports.
    pub from: &'a str,
    /// What it imports; without a version, whatever version that has.
    pub interface: &'a InterfaceId,
    /// What answers.
    pub to: Target<'a>,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The host, under the rights of the part that imports.
    Host,
    /// The part of this name.
    Part(&'a str),
}

impl<'a> Target<'a> {
    /// As links spell it: [`HOST`], or a part's name.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        if name == HOST { Self::Host } else { Self::Part(name) }
    }
}

/// What is wrong with a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceProblem {
    /// A name that no part has.
    #[error("{field}: there is no part \"{name}\"; parts are {MAIN} and the plugs by their names")]
    NoPart {
        /// `from` or `to`.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing of the part fits it.
    #[error("interface: {part} doesn't import {interface}")]
    NoImport {
        /// The part.
        part: String,
        /// What the link says.
        interface: InterfaceId,
    },
    /// The part that it leads to has nothing that fits.
    #[error("to: {part} doesn't export {interface}{}", instead(.offered.as_ref()))]
    NoExport {
        /// The part.
        part: String,
        /// The import.
        interface: InterfaceId,
        /// The same interface in a version that doesn't fit.
        offered: Option<InterfaceId>,
    },
    /// Types that all parts have from the host.
    #[error("interface: {interface} only defines types, and all parts have it from the host")]
    Shared {
        /// The import.
        interface: InterfaceId,
    },
    /// The host doesn't have it.
    #[error("to: the host doesn't know {interface}")]
    NotTheHosts {
        /// The import.
        interface: InterfaceId,
    },
    /// A link to who uses all others.
    #[error("to: nothing can be linked to {MAIN}, which uses the plugs")]
    ToMain,
    /// A link from a part to itself.
    #[error("to: a part can't answer its own import")]
    ToItself,
    /// Another link says what answers this import.
    #[error("interface: another link is for {interface} of {part} as well")]
    Twice {
        /// The part.
        part: String,
        /// The import.
        interface: InterfaceId,
    },
}

fn instead(offered: Option<&InterfaceId>) -> String {
    offered.map(|offered| format!(" but {offered}, which can't stand for it")).unwrap_or_default()
}

/// What answers an import, where a link says so.
pub(super) struct Chosen(BTreeMap<(usize, InterfaceId), Provider>);

impl Chosen {
    /// For this import of this part.
    pub(super) fn of(&self, part: usize, interface: &InterfaceId) -> Option<&Provider> {
        self.0.get(&(part, interface.clone()))
    }
}

impl Choice<'_> {
    /// The imports of a part that it is about: the one that it spells, or else those of compatible versions;
    /// without a version, of all.
    #[must_use]
    pub fn fitting<'w>(&self, world: &'w World) -> Vec<&'w InterfaceId> {
        let imports = || world.imports.iter().filter(|import| import.is_like(self.interface));
        let spelt: Vec<_> = imports().filter(|import| *import == self.interface).collect();
        if !spelt.is_empty() {
            return spelt;
        }
        let any = self.interface.version.is_none();
        imports().filter(|import| any || import.matches(self.interface)).collect()
    }
}

/// Takes every link apart.
pub(super) fn check(
    parts: &[Part<'_>],
    choices: &[Choice<'_>],
    host: &impl Fn(&str, &InterfaceId) -> Host,
) -> Result<Chosen, PlanErrors> {
    let (mut chosen, mut errors) = (BTreeMap::new(), Vec::new());
    for (index, choice) in choices.iter().enumerate() {
        if let Err(problem) = take(parts, *choice, host, &mut chosen) {
            errors.push(PlanError::Link { index, problem });
        }
    }
    PlanErrors::none_in(errors)?;
    Ok(Chosen(chosen))
}

fn take(
    parts: &[Part<'_>],
    choice: Choice<'_>,
    host: &impl Fn(&str, &InterfaceId) -> Host,
    chosen: &mut BTreeMap<(usize, InterfaceId), Provider>,
) -> Result<(), Box<ChoiceProblem>> {
    let from = index(parts, "from", choice.from)?;
    let part = parts[from];
    let fitting = choice.fitting(part.world);
    if fitting.is_empty() {
        let interface = choice.interface.clone();
        return Err(Box::new(ChoiceProblem::NoImport { part: part.name.to_owned(), interface }));
    }
    for import in fitting {
        let interface = || import.clone();
        let by = match (host(part.name, import), choice.to) {
            (Host::Shares, _) => return Err(Box::new(ChoiceProblem::Shared { interface: interface() })),
            (Host::Unknown, Target::Host) => {
                return Err(Box::new(ChoiceProblem::NotTheHosts { interface: interface() }));
            }
            (_, Target::Host) => Provider::Host,
            (_, Target::Part(name)) => provider(parts, from, name, import)?,
        };
        if chosen.insert((from, interface()), by).is_some() {
            let part = part.name.to_owned();
            return Err(Box::new(ChoiceProblem::Twice { part, interface: interface() }));
        }
    }
    Ok(())
}

fn provider(
    parts: &[Part<'_>],
    from: usize,
    name: &str,
    import: &InterfaceId,
) -> Result<Provider, Box<ChoiceProblem>> {
    let part = index(parts, "to", name)?;
    if part == from {
        return Err(Box::new(ChoiceProblem::ToItself));
    }
    if part == 0 {
        return Err(Box::new(ChoiceProblem::ToMain));
    }
    let world = parts[part].world;
    match world.export_for(import) {
        Some(export) => Ok(Provider::Part { part, export: export.clone() }),
        None => Err(Box::new(ChoiceProblem::NoExport {
            part: name.to_owned(),
            interface: import.clone(),
            offered: world.export_like(import).cloned(),
        })),
    }
}

fn index(parts: &[Part<'_>], field: &'static str, name: &str) -> Result<usize, Box<ChoiceProblem>> {
    let found = parts.iter().position(|part| part.name == name);
    found.ok_or_else(|| Box::new(ChoiceProblem::NoPart { field, name: name.to_owned() }))
}
