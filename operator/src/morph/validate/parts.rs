//! Whether the parts of a Morph with plugs fit together, and what answers each import of each part, under
//! that part's own grants. Only worlds are held against each other here, since the operator keeps no bytes:
//! what they don't tell of types is found where the bytes are composed, on the node. Pure.

use super::super::composition::{Unplanned, planned};
use super::super::plan::grant::part_grants;
use super::super::{Component, Found, FoundPlug, Known, Refusal, Seen};
use super::{component, invalid, not_looked_at};
use morph_component::{
    ChoiceProblem, InterfaceId, MAIN, Part, Plan, PlanError, PlanErrors, PlannedImport, PlannedPart, Provider,
};
use morph_crds::{ConditionType, MorphSpec, Reason, RunType};
use morph_grant::{Grants, Link, check_part, composed_digest};

/// A part with its rights.
struct Whole<'a> {
    name: &'a str,
    component: &'a Component,
    grants: Grants,
}

/// All of them, in a plan's order: plugs are sorted by name.
struct Parts<'a> {
    main: Whole<'a>,
    plugs: Vec<Whole<'a>>,
}

/// The component with its plugs, and what answers each import.
///
/// # Errors
/// A plug that isn't resolved; parts that don't fit together, with what is known of them.
pub(super) fn found(seen: &Seen, main: &Component, runs: RunType) -> Result<Found, Refusal> {
    let spec = &seen.morph.spec;
    let parts = Parts::of(seen, main)?;
    let found = parts.found(runs);
    let remembered = seen.composed.clone().and_then(|digest| Some((parts.remembered()?, digest)));
    let (plan, digest) = match remembered {
        Some(remembered) => remembered,
        None => match parts.plan(spec) {
            Ok(plan) => {
                let digest = composed_digest(&plan, parts.all().map(|part| &part.component.content));
                (plan, digest)
            }
            Err(refusal) => return Err(refusal.found(found)),
        },
    };
    Ok(parts.answered(found, &plan, digest))
}

impl<'a> Parts<'a> {
    fn of(seen: &'a Seen, main: &'a Component) -> Result<Self, Refusal> {
        let spec = &seen.morph.spec;
        let whole = |part: morph_crds::Part<'a>, component| Whole {
            name: part.name,
            component,
            grants: part_grants(spec, &part),
        };
        // In the spec's order: the first that isn't there is told.
        let plugs = spec.parts().skip(1).map(|part| Ok(whole(part, component(seen.resolution_of(&part))?)));
        let mut plugs = plugs.collect::<Result<Vec<_>, Refusal>>()?;
        plugs.sort_by_key(|plug| plug.name);
        Ok(Self { main: whole(spec.main(), main), plugs })
    }

    fn all(&self) -> impl Iterator<Item = &Whole<'a>> {
        [&self.main].into_iter().chain(&self.plugs)
    }

    /// A part's name by its index in a plan. There is none beyond the last.
    fn name(&self, index: usize) -> &'a str {
        self.all().nth(index).map_or(MAIN, |part| part.name)
    }

    /// What is known before the parts fit together.
    fn found(&self, runs: RunType) -> Found {
        let plug = |plug: &Whole<'_>| FoundPlug {
            name: plug.name.to_owned(),
            image: plug.component.image.clone(),
            content: plug.component.content.clone(),
            imports: Vec::new(),
            links: Vec::new(),
        };
        Found {
            image: self.main.component.image.clone(),
            content: self.main.component.content.clone(),
            runs,
            imports: Vec::new(),
            links: Vec::new(),
            plugs: self.plugs.iter().map(plug).collect(),
            composed: None,
        }
    }

    /// The same with the answers of a plan.
    fn answered(&self, found: Found, plan: &Plan, digest: morph_grant::Digest) -> Found {
        let mut answers = plan.parts.iter().zip(self.all()).map(|(planned, part)| {
            (check_part(planned, &part.grants, |index| self.name(index)), self.links(planned))
        });
        let (imports, links) = answers.next().unwrap_or_default();
        let plugs = found.plugs.into_iter().zip(answers);
        let plugs = plugs.map(|(plug, (imports, links))| FoundPlug { imports, links, ..plug }).collect();
        Found { imports, links, plugs, composed: Some(digest), ..found }
    }

    fn links(&self, planned: &PlannedPart) -> Vec<Link> {
        let link = |import: &PlannedImport| match &import.by {
            Provider::Part { part, .. } => {
                Some(Link { interface: import.interface.clone(), to: self.name(*part).to_owned() })
            }
            Provider::Host | Provider::Shared => None,
        };
        planned.imports.iter().filter_map(link).collect()
    }

    /// The plan that status remembers. It doesn't tell which export answers: who asks that has the worlds.
    fn remembered(&self) -> Option<Plan> {
        let position = |name: &str| self.all().position(|part| part.name == name);
        let part = |part: &Whole<'_>| {
            let Known::Remembered { imports, links, .. } = &part.component.known else { return None };
            let by = |interface: &InterfaceId| {
                let link = links.iter().find(|link| link.interface == *interface);
                let part = link.and_then(|link| position(&link.to));
                part.map_or(Provider::Host, |part| Provider::Part { part, export: interface.clone() })
            };
            let import =
                |interface: &InterfaceId| PlannedImport { interface: interface.clone(), by: by(interface) };
            Some(PlannedPart { name: part.name.to_owned(), imports: imports.iter().map(import).collect() })
        };
        Some(Plan { parts: self.all().map(part).collect::<Option<_>>()? })
    }

    fn plan(&self, spec: &MorphSpec) -> Result<Plan, Refusal> {
        let main = part(&self.main)?;
        let plugs = self.plugs.iter().map(part).collect::<Result<Vec<_>, _>>()?;
        planned(spec, main, &plugs).map_err(|unplanned| match unplanned {
            Unplanned::Field(error) => invalid(error.to_string()),
            Unplanned::Parts(errors) => refused(spec, &errors),
        })
    }
}

/// A part as planning takes it. A part that is remembered without what answers its imports can't be planned
/// with: its image has to be looked at.
fn part<'a>(part: &Whole<'a>) -> Result<Part<'a>, Refusal> {
    match &part.component.known {
        Known::Read(world) => Ok(Part { name: part.name, world }),
        Known::Remembered { .. } => Err(not_looked_at()),
    }
}

/// The reason is the first error's; the message has all, each with its field where it has one.
fn refused(spec: &MorphSpec, errors: &PlanErrors) -> Refusal {
    let field = |name: &str| spec.parts().find(|part| part.name == name).map(|part| part.at());
    let text = |error: &PlanError| match error {
        PlanError::TypeMismatch { to, .. } => match field(to) {
            Some(field) => format!("{field}.image: {error}"),
            None => error.to_string(),
        },
        PlanError::Link { .. } => format!("spec.{error}"),
        PlanError::Name { .. } => format!("spec.plugs: {error}"),
        _ => error.to_string(),
    };
    let message = errors.iter().map(text).collect::<Vec<_>>().join("; ");
    let reason = errors.iter().next().map_or(Reason::Unresolved, reason);
    if reason == Reason::SpecInvalid {
        return invalid(message);
    }
    Refusal::of(ConditionType::Composed, reason, message)
}

fn reason(error: &PlanError) -> Reason {
    match error {
        PlanError::TooMany { .. } => Reason::TooLarge,
        PlanError::Name { .. } => Reason::SpecInvalid,
        PlanError::Link { problem, .. } => match **problem {
            ChoiceProblem::NoExport { offered: Some(_), .. } => Reason::VersionMismatch,
            ChoiceProblem::Twice { .. } => Reason::Ambiguous,
            _ => Reason::Unresolved,
        },
        PlanError::Unresolved { .. } | PlanError::Unused { .. } => Reason::Unresolved,
        PlanError::Ambiguous { .. } => Reason::Ambiguous,
        PlanError::VersionMismatch { .. } => Reason::VersionMismatch,
        PlanError::TypeMismatch { .. } => Reason::TypeMismatch,
        PlanError::Cycle { .. } => Reason::Cycle,
    }
}

#[cfg(test)]
mod tests;
