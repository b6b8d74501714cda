//! The plan of a Morph's parts, from its spec and their worlds. The operator decides by it, and whoever
//! tries a Morph without a cluster asks the same. Pure.

use super::plan::grant::part_grants;
use morph_component::{Choice, InterfaceId, Part, Plan, PlanErrors, Target, plan};
use morph_crds::{FieldError, MorphSpec};
use morph_grant::{Grants, host};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Unplanned {
    /// A link of the spec is about no interface.
    #[error("{0}")]
    Field(FieldError),
    /// The parts don't fit together.
    #[error("{0}")]
    Parts(PlanErrors),
}

/// What each link of the spec is about.
pub(crate) fn interfaces(spec: &MorphSpec) -> impl Iterator<Item = Result<InterfaceId, FieldError>> {
    spec.links.iter().enumerate().map(|(index, link)| {
        let field = format!("spec.links[{index}].interface");
        link.interface.parse().map_err(|error: morph_component::InterfaceIdError| FieldError {
            field,
            message: error.to_string(),
        })
    })
}

/// Plans the parts: what the spec's links settle, and for all else the one answer that there is, the host's
/// under the rights of the part that asks.
///
/// # Errors
/// [`Unplanned`].
pub fn planned(spec: &MorphSpec, main: Part<'_>, plugs: &[Part<'_>]) -> Result<Plan, Unplanned> {
    let ids = interfaces(spec).collect::<Result<Vec<_>, _>>().map_err(Unplanned::Field)?;
    let links = spec.links.iter().zip(&ids);
    let choices: Vec<_> = links
        .map(|(link, interface)| Choice { from: &link.from, interface, to: Target::of(&link.to) })
        .collect();
    let rights: Vec<_> = spec.parts().map(|part| (part.name, part_grants(spec, &part))).collect();
    let none = Grants::default();
    let answer = |name: &str, id: &InterfaceId| {
        let of_part = rights.iter().find(|(part, _)| *part == name);
        host(id, of_part.map_or(&none, |(_, grants)| grants))
    };
    plan(main, plugs, &choices, answer).map_err(Unplanned::Parts)
}
