//! The plan of a composition: exactly one answer for each import of each part, which is another part's export
//! or the host. Pure: the same parts and links give the same plan, in whatever order the plugs come.

mod choice;
mod error;
mod order;

pub use choice::{Choice, ChoiceProblem, Target};
pub use error::{PlanError, PlanErrors};

use crate::shape::Difference;
use crate::{InterfaceId, World};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Parts of a composition: the main component and eight plugs. The host gives each instance so many core
/// instances that nine parts of the usual make fit.
pub const PARTS_MAX: usize = 9;

/// Imports of all parts together: each becomes a line in status and an instance in the composed component.
pub const COMPOSED_IMPORTS_MAX: usize = 1024;

/// How the main component is called among parts.
pub const MAIN: &str = "main";

/// How the host is called where a part could stand.
pub const HOST: &str = "host";

/// A part, as planning sees it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name: [`MAIN`], or the plug's own.
    pub name: &'a str,
    /// What it imports and exports.
    pub world: &'a World,
}

/// What the host makes of an import, under the rights of the part that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// It answers.
    Serves,
    /// It answers all parts with one and the same: the interface only defines types.
    Shares,
    /// It knows the interface, and this part may not use it.
    Refuses,
    /// It doesn't know the interface.
    Unknown,
}

/// A plan without an open question. Its parts are in the order in which indices count: the main component,
/// then plugs by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The parts.
    pub parts: Vec<PlannedPart>,
}

/// A part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedPart {
    /// Its name: [`MAIN`], or the plug's own.
    pub name: String,
    /// Its imports, sorted, each with what answers it.
    pub imports: Vec<PlannedImport>,
}

/// An import with what answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedImport {
    /// The import.
    pub interface: InterfaceId,
    /// What answers it.
    pub by: Provider,
}

/// What answers an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Provider {
    /// The host, under the rights of the part that imports.
    Host,
    /// The host, for all parts alike: the interface only defines types.
    Shared,
    /// Another part.
    Part {
        /// Its index.
        part: usize,
        /// Which of its exports.
        export: InterfaceId,
    },
}

/// Makes the plan. `host` says what the host makes of an import of the part of this name.
///
/// # Errors
/// All that stands against it, as far as it can be told at once: what is too much; else choices that can't be
/// meant; else imports without one answer; else a cycle; else plugs that nothing uses.
pub fn plan(
    main: Part<'_>,
    plugs: &[Part<'_>],
    choices: &[Choice<'_>],
    host: impl Fn(&str, &InterfaceId) -> Host,
) -> Result<Plan, PlanErrors> {
    let parts = sorted(main, plugs)?;
    let choices = choice::check(&parts, choices, &host)?;
    let (mut planned, mut errors) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let mut imports = Vec::new();
        for interface in &part.world.imports {
            let chosen = choices.of(index, interface);
            let found = answer(&parts, index, interface, chosen, host(part.name, interface));
            match found.and_then(|by| of_its_types(&parts, index, interface, by)) {
                Ok(by) => imports.push(PlannedImport { interface: interface.clone(), by }),
                Err(error) => errors.push(*error),
            }
        }
        planned.push(PlannedPart { name: part.name.to_owned(), imports });
    }
    PlanErrors::none_in(errors)?;
    let plan = Plan { parts: planned };
    order::check(&plan)?;
    Ok(plan)
}

/// The parts in the plan's order.
fn sorted<'a>(main: Part<'a>, plugs: &[Part<'a>]) -> Result<Vec<Part<'a>>, PlanErrors> {
    let mut parts = vec![main];
    parts.extend_from_slice(plugs);
    parts[1..].sort_by_key(|part| part.name);
    let imports: usize = parts.iter().map(|part| part.world.imports.len()).sum();
    let counts = [("parts", parts.len(), PARTS_MAX), ("imports", imports, COMPOSED_IMPORTS_MAX)];
    for (what, count, max) in counts {
        if count > max {
            return Err(PlanError::TooMany { what, count, max }.into());
        }
    }
    let twice = parts.windows(2).find(|pair| pair[0].name == pair[1].name).map(|pair| pair[0].name);
    let reserved = parts[1..].iter().map(|part| part.name).find(|name| [MAIN, HOST].contains(name));
    match reserved.or(twice) {
        Some(name) => Err(PlanError::Name { name: name.to_owned() }.into()),
        None => Ok(parts),
    }
}

/// The one answer to an import.
fn answer(
    parts: &[Part<'_>],
    index: usize,
    interface: &InterfaceId,
    chosen: Option<&Provider>,
    host: Host,
) -> Result<Provider, Box<PlanError>> {
    if host == Host::Shares {
        return Ok(Provider::Shared);
    }
    if let Some(chosen) = chosen {
        return Ok(chosen.clone());
    }
    let plugs = || parts.iter().enumerate().skip(1).filter(|(plug, _)| *plug != index);
    let mut candidates: Vec<(usize, InterfaceId)> =
        plugs().filter_map(|(plug, part)| Some((plug, part.world.export_for(interface)?.clone()))).collect();
    let (part, interface) = (parts[index].name.to_owned(), interface.clone());
    if candidates.len() + usize::from(host == Host::Serves) > 1 {
        let host = (host == Host::Serves).then(|| HOST.to_owned());
        let names = candidates.iter().map(|(plug, _)| parts[*plug].name.to_owned());
        let candidates = names.chain(host).collect();
        return Err(Box::new(PlanError::Ambiguous { part, interface, candidates }));
    }
    if let Some((part, export)) = candidates.pop() {
        return Ok(Provider::Part { part, export });
    }
    let offered: Vec<_> = plugs()
        .filter_map(|(_, plug)| Some((plug.name.to_owned(), plug.world.export_like(&interface)?.clone())))
        .collect();
    match host {
        Host::Serves | Host::Shares => Ok(Provider::Host),
        _ if !offered.is_empty() => Err(Box::new(PlanError::VersionMismatch { part, interface, offered })),
        // That it may not is the import check's answer, with the field that would grant it.
        Host::Refuses => Ok(Provider::Host),
        Host::Unknown => Err(Box::new(PlanError::Unresolved { part, interface })),
    }
}

/// An answer, if it is of the types that are imported, as far as these are told.
fn of_its_types(
    parts: &[Part<'_>],
    index: usize,
    interface: &InterfaceId,
    by: Provider,
) -> Result<Provider, Box<PlanError>> {
    let Provider::Part { part, export } = &by else { return Ok(by) };
    let (from, to) = (parts[index], parts[*part]);
    let Some(Difference { item, wanted, offered }) = from.world.difference(interface, to.world, export)
    else {
        return Ok(by);
    };
    let (part, to) = (from.name.to_owned(), to.name.to_owned());
    Err(Box::new(PlanError::TypeMismatch { part, interface: interface.clone(), to, item, wanted, offered }))
}

impl Plan {
    /// The plan of parts of which it is known what answers each import that another part answers: all else is
    /// the host's.
    ///
    /// # Errors
    /// As [`plan`]; a link that no import or no export fits.
    pub fn of_links(
        main: Part<'_>,
        plugs: &[Part<'_>],
        links: &[Choice<'_>],
        shares: impl Fn(&InterfaceId) -> bool,
    ) -> Result<Self, PlanErrors> {
        let mut choices = links.to_vec();
        for part in [main].iter().chain(plugs) {
            let of_part = |link: &&Choice<'_>| link.from == part.name;
            let linked: Vec<_> =
                links.iter().filter(of_part).flat_map(|link| link.fitting(part.world)).collect();
            let others =
                part.world.imports.iter().filter(|import| !shares(import) && !linked.contains(import));
            choices.extend(others.map(|interface| Choice { from: part.name, interface, to: Target::Host }));
        }
        plan(main, plugs, &choices, |_, interface| match shares(interface) {
            true => Host::Shares,
            false => Host::Serves,
        })
    }

    /// Whether each part is there that answers another. A plan that was made is whole; one that was read need
    /// not be, and is not to be followed then.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut imports = self.parts.iter().flat_map(|planned| &planned.imports);
        imports.all(|import| match import.by {
            Provider::Part { part, .. } => part < self.parts.len(),
            Provider::Host | Provider::Shared => true,
        })
    }

    /// What parts answer to each other: who imports, what, and who answers.
    pub fn links(&self) -> impl Iterator<Item = (&str, &InterfaceId, &str)> {
        self.parts.iter().flat_map(|planned| {
            planned.imports.iter().filter_map(|import| match &import.by {
                Provider::Part { part, .. } => {
                    Some((planned.name.as_str(), &import.interface, self.parts[*part].name.as_str()))
                }
                Provider::Host | Provider::Shared => None,
            })
        })
    }

    /// The name by which the composed component imports what the host answers to a part. No part can import
    /// by it: every import of a part is answered by another part, shared, or renamed to a name of these.
    #[must_use]
    pub fn label(part: usize, import: usize, interface: &InterfaceId) -> String {
        let InterfaceId { namespace, package, interface, .. } = interface;
        format!("{LABELS}part{part}/i{import}-{namespace}-{package}-{interface}")
    }

    /// Every label with the part and the import that it stands for.
    pub fn labels(&self) -> impl Iterator<Item = Label> {
        self.parts.iter().enumerate().flat_map(|(part, planned)| {
            let imports = planned.imports.iter().enumerate();
            imports.filter(|(_, import)| import.by == Provider::Host).map(move |(index, import)| Label {
                name: Self::label(part, index, &import.interface),
                part,
                interface: import.interface.clone(),
            })
        })
    }
}

/// How every label begins.
pub const LABELS: &str = "morph:";

/// An import of the composed component that is one part's alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name there.
    pub name: String,
    /// Index of the part.
    pub part: usize,
    /// What the part itself calls it.
    pub interface: InterfaceId,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            writeln!(f, "{}:", part.name)?;
            for PlannedImport { interface, by } in &part.imports {
                match by {
                    Provider::Host => writeln!(f, "  {interface} <- {HOST}")?,
                    Provider::Shared => writeln!(f, "  {interface} <- {HOST}, shared")?,
                    Provider::Part { part, export } => {
                        writeln!(f, "  {interface} <- {}'s {export}", self.parts[*part].name)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
