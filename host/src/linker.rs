//! Links a program's imports, each by its row of the table of interfaces: what isn't granted isn't linked,
//! and names itself before anything is instantiated.

use crate::cap::{self, Place};
use crate::store::{NOBODY, State};
use crate::{Outcome, Program, Task, code};
use morph_component::{InterfaceId, LABELS, Label, PARTS_MAX};
use morph_grant::interfaces::{Entry, Lookup, Need, lookup};
use morph_grant::{Ambient, Answered, Grants, check, check_one};
use std::collections::BTreeSet;
use wasmtime::component::{InstancePre, Linker};

/// The program with exactly the imports that it may have.
pub(crate) fn link(program: &Program, task: &Task) -> Result<InstancePre<State>, Outcome> {
    let linked = match task.is_composed() {
        false => alone(program, &task.grants)?,
        true => composed(program, task)?,
    };
    let linked = link_all(program, &linked);
    linked.map_err(|error| {
        Outcome::because(code::BAD_COMPONENT, format!("the component can't be linked: {error:#}"))
    })
}

/// An interface to be linked: by which name, its row, and the part whose rights it has.
struct Wanted {
    name: String,
    row: &'static Entry,
    part: usize,
}

/// What a component by itself needs; several patches of one interface are one row.
fn alone(program: &Program, grants: &Grants) -> Result<Vec<Wanted>, Outcome> {
    let denied: Vec<String> = check(&program.world.imports, grants)
        .into_iter()
        .filter(Answered::is_denied)
        .map(|one| format!("import {} is not granted: {}", one.interface, one.by))
        .collect();
    import_denied(&denied)?;
    Ok(rows(&program.world.imports).map(|row| Wanted { name: row.linked_as(), row, part: 0 }).collect())
}

/// What a composition needs. Each label has the rights of its part; what has none is types that all parts
/// share, and clocks whose types those use, though no part has got them by that name.
fn composed(program: &Program, task: &Task) -> Result<Vec<Wanted>, Outcome> {
    if task.plugs.len() >= PARTS_MAX {
        let parts = task.plugs.len() + 1;
        let message = format!("the composition has {parts} parts; the most is {PARTS_MAX}");
        return Err(Outcome::because(code::BAD_COMPONENT, message));
    }
    let (mut wanted, mut denied, mut shared) = (Vec::new(), Vec::new(), Vec::new());
    for import in &program.world.imports {
        let name = import.to_string();
        let is_label = |label: &&Label| label.name == name && name.starts_with(LABELS);
        let Some(label) = task.labels.iter().find(is_label) else {
            match lookup(import) {
                Lookup::Known(row) if is_shared(row) => shared.push(import.clone()),
                _ => denied.push(format!("import {name} is no part's")),
            }
            continue;
        };
        let Some((part, grants)) = task.part(label.part) else {
            denied.push(format!("import {name} is of part {}, which there isn't", label.part));
            continue;
        };
        match (check_one(&label.interface, grants), lookup(&label.interface)) {
            (answered, Lookup::Known(row)) if !answered.is_denied() => {
                wanted.push(Wanted { name, row, part: label.part });
            }
            (Answered { interface, by, .. }, _) => {
                denied.push(format!("import {interface} of part {part} is not granted: {by}"));
            }
        }
    }
    import_denied(&denied)?;
    wanted.extend(rows(&shared).map(|row| Wanted { name: row.linked_as(), row, part: NOBODY }));
    Ok(wanted)
}

/// Whether a row may stand behind an import that is no part's: no right comes with it.
fn is_shared(row: &Entry) -> bool {
    matches!(row.need, Need::Types | Need::Ambient(Ambient::Clocks))
}

/// What is said of imports that aren't granted: the first by name and reason, the others by name.
fn import_denied(denied: &[String]) -> Result<(), Outcome> {
    if denied.is_empty() {
        return Ok(());
    }
    Err(Outcome::because(code::IMPORT_DENIED, denied.join("; ")))
}

/// The rows that imports need, each once.
fn rows(imports: &[InterfaceId]) -> impl Iterator<Item = &'static Entry> {
    let mut seen = BTreeSet::new();
    let known = imports.iter().filter_map(|id| match lookup(id) {
        Lookup::Known(row) => Some(row),
        Lookup::UnknownVersion | Lookup::Unknown => None,
    });
    known.filter(move |row| seen.insert((row.interface, row.track)))
}

fn link_all(program: &Program, all: &[Wanted]) -> wasmtime::Result<InstancePre<State>> {
    let mut linker = Linker::new(&program.engine.inner);
    for Wanted { name, row, part } in all {
        cap::link(&mut Place { linker: &mut linker, name, part: *part }, row)?;
    }
    linker.instantiate_pre(&program.component)
}

#[cfg(test)]
mod tests;
