//! A composition under grants: what the host makes of a part's import, what answers each import of a plan,
//! and the plan that a document's links are. Operator, shim and CLI ask here, so that they can't answer
//! differently.

use crate::interfaces::{Lookup, Need, lookup};
use crate::{Answer, Answered, Digest, Document, Grants, check_one};
use morph_component::{
    Choice, Host, InterfaceId, MAIN, Part, Plan, PlanErrors, PlannedPart, Provider, Target, World,
};

/// Version of what a plan is composed to: with another composer, other bytes come of the same parts.
const COMPOSER_VERSION: u32 = 1;

/// What the host makes of an import of a part that has these rights.
#[must_use]
pub fn host(id: &InterfaceId, grants: &Grants) -> Host {
    match lookup(id) {
        Lookup::Known(row) if row.need == Need::Types => Host::Shares,
        Lookup::Known(_) if check_one(id, grants).is_denied() => Host::Refuses,
        Lookup::Known(_) => Host::Serves,
        Lookup::UnknownVersion | Lookup::Unknown => Host::Unknown,
    }
}

/// Whether all parts have an interface from the host alike: it only defines types.
#[must_use]
pub fn shares(id: &InterfaceId) -> bool {
    matches!(lookup(id), Lookup::Known(row) if row.need == Need::Types)
}

/// Answers each import of a part of a plan, in the plan's order, under the part's rights. `name` says how a
/// part is called, by its index.
#[must_use]
pub fn check_part<'a>(
    planned: &PlannedPart,
    grants: &Grants,
    name: impl Fn(usize) -> &'a str,
) -> Vec<Answered> {
    let answered = |interface: &InterfaceId, by: &Provider| match by {
        Provider::Host | Provider::Shared => check_one(interface, grants),
        Provider::Part { part, .. } => {
            Answered { interface: interface.clone(), answer: Answer::Plug, by: name(*part).to_owned() }
        }
    };
    planned.imports.iter().map(|import| answered(&import.interface, &import.by)).collect()
}

/// The digest of what is composed: of the plan and of each part's bytes, in the plan's order. One plan of the
/// same bytes is composed to the same bytes.
#[must_use]
pub fn composed_digest<'a>(plan: &Plan, contents: impl IntoIterator<Item = &'a Digest>) -> Digest {
    let mut text = format!("morph composition {COMPOSER_VERSION}\n{plan}");
    for content in contents {
        text.push_str(&content.to_string());
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}

impl Document {
    /// How its components are called among parts: what runs is [`MAIN`], plugs have their own names.
    pub fn part_names(&self) -> impl Iterator<Item = &str> {
        let plugs = self.components.iter().skip(1).map(|plug| plug.name.as_str());
        self.components.first().map(|_| MAIN).into_iter().chain(plugs)
    }

    /// The plan that this document's links are, with these worlds of its components: what no link answers is
    /// the host's.
    ///
    /// # Errors
    /// A link that no import or no export fits, and all else that stands against a plan.
    pub fn plan(&self, worlds: &[&World]) -> Result<Plan, PlanErrors> {
        let names = || self.part_names();
        let parts: Vec<Part<'_>> = names().zip(worlds).map(|(name, world)| Part { name, world }).collect();
        let links: Vec<Choice<'_>> = names()
            .zip(&self.components)
            .flat_map(|(from, component)| {
                let links = component.links.iter();
                links.map(move |link| Choice { from, interface: &link.interface, to: Target::Part(&link.to) })
            })
            .collect();
        let Some((main, plugs)) = parts.split_first() else { return Ok(Plan { parts: Vec::new() }) };
        Plan::of_links(*main, plugs, &links, shares)
    }
}

#[cfg(test)]
mod tests;
