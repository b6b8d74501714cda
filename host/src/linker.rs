//! Links a program's imports, each by its row of the table of interfaces: what isn't granted isn't linked,
//! and names itself before anything is instantiated.

use crate::store::State;
use crate::{Outcome, Program, cap, code};
use morph_grant::interfaces::{Entry, Lookup, lookup};
use morph_grant::{Answered, Grants, check};
use std::collections::BTreeSet;
use wasmtime::component::{InstancePre, Linker};

/// The program with exactly the imports that it may have.
pub(crate) fn link(program: &Program, grants: &Grants) -> Result<InstancePre<State>, Outcome> {
    let denied: Vec<Answered> =
        check(&program.world.imports, grants).into_iter().filter(Answered::is_denied).collect();
    if !denied.is_empty() {
        return Err(import_denied(&denied));
    }
    let linked = link_rows(program, &rows(program));
    linked.map_err(|error| {
        Outcome::because(code::BAD_COMPONENT, format!("the component can't be linked: {error:#}"))
    })
}

/// What is said of imports that aren't granted: the first by name and reason, the others by name.
fn import_denied(denied: &[Answered]) -> Outcome {
    let all: Vec<String> =
        denied.iter().map(|one| format!("import {} is not granted: {}", one.interface, one.by)).collect();
    Outcome::because(code::IMPORT_DENIED, all.join("; "))
}

/// The rows that the imports need; several patches of one interface are one row.
fn rows(program: &Program) -> Vec<&'static Entry> {
    let mut seen = BTreeSet::new();
    let known = program.world.imports.iter().filter_map(|id| match lookup(id) {
        Lookup::Known(row) => Some(row),
        Lookup::UnknownVersion | Lookup::Unknown => None,
    });
    known.filter(|row| seen.insert((row.interface, row.track))).collect()
}

fn link_rows(program: &Program, rows: &[&Entry]) -> wasmtime::Result<InstancePre<State>> {
    let mut linker = Linker::new(&program.engine.inner);
    for row in rows {
        cap::link(&mut linker, row)?;
    }
    linker.instantiate_pre(&program.component)
}

#[cfg(test)]
mod tests;
