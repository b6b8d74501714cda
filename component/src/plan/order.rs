//! Whether parts can be instantiated one after the other, each after those that it needs, and whether all are
//! needed.

use super::{Plan, PlanError, PlanErrors, Provider};

/// The indices of the parts that a part needs, without repetition.
fn needs(plan: &Plan, part: usize) -> Vec<usize> {
    let providers = plan.parts[part].imports.iter().filter_map(|import| match &import.by {
        Provider::Part { part, .. } => Some(*part),
        Provider::Host | Provider::Shared => None,
    });
    let mut needed: Vec<_> = providers.collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Where a walk has been.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    OnTheWay,
    Done,
}

pub(super) fn check(plan: &Plan) -> Result<(), PlanErrors> {
    let mut marks = vec![Mark::New; plan.parts.len()];
    // From the main component first; then from what it doesn't reach, whose cycles are cycles too.
    walk(plan, 0, &mut marks, &mut Vec::new())?;
    let unused: Vec<_> = (1..plan.parts.len()).filter(|part| marks[*part] == Mark::New).collect();
    for part in &unused {
        walk(plan, *part, &mut marks, &mut Vec::new())?;
    }
    if unused.is_empty() {
        return Ok(());
    }
    let parts = unused.into_iter().map(|part| plan.parts[part].name.clone()).collect();
    Err(PlanError::Unused { parts }.into())
}

/// Depth first; there are at most [`super::PARTS_MAX`] parts, so it goes no deeper.
fn walk(plan: &Plan, part: usize, marks: &mut [Mark], way: &mut Vec<usize>) -> Result<(), PlanErrors> {
    match marks[part] {
        Mark::Done => return Ok(()),
        Mark::OnTheWay => {
            let from = way.iter().position(|on_it| *on_it == part).unwrap_or_default();
            let round = way[from..].iter().chain([&part]);
            let parts = round.map(|part| plan.parts[*part].name.clone()).collect();
            return Err(PlanError::Cycle { parts }.into());
        }
        Mark::New => {}
    }
    marks[part] = Mark::OnTheWay;
    way.push(part);
    for needed in needs(plan, part) {
        walk(plan, needed, marks, way)?;
    }
    way.pop();
    marks[part] = Mark::Done;
    Ok(())
}
