//! Composes parts by a plan: one component out of several, in which every import that the host answers to a
//! part has a name of its own, so that the host can give each part its own rights. Calls between parts need
//! no host.

mod name;

pub use name::part_of_module;

use crate::inspect::{Bodies, outline, validate};
use crate::plan::{Plan, Provider};
use crate::{COMPONENT_SIZE_BYTES_MAX, Error, InterfaceId, adapt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wac_graph::types::{ItemKind, Package, Type};
use wac_graph::{CompositionGraph, EncodeOptions, InstantiationArgumentError, NodeId, PackageId};

/// Why parts can't be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A part's bytes are no component that can be a part.
    #[error("part {part}: {source}")]
    Part {
        /// The part.
        part: String,
        /// What is wrong with them.
        source: Box<Error>,
    },
    /// A part imports something else than its plan says: it is of other bytes.
    #[error("part {part} is not the one that was planned: its imports are others")]
    OtherPart {
        /// The part.
        part: String,
    },
    /// Together they are too large.
    #[error("the parts have {size_bytes} bytes together; the most is {max_bytes}")]
    TooLarge {
        /// Their size.
        size_bytes: u64,
        /// [`COMPONENT_SIZE_BYTES_MAX`].
        max_bytes: u64,
    },
    /// What a part exports isn't what another imports, though it is called the same.
    #[error("{part} imports {interface}, and what {to} exports by that name is of another type: {problem}")]
    TypeMismatch {
        /// The part that imports.
        part: String,
        /// The import.
        interface: Box<InterfaceId>,
        /// The part that exports.
        to: String,
        /// The difference.
        problem: String,
    },
    /// The whole doesn't fit together, though each import does: parts mean different resources by one name.
    #[error("the parts don't fit together: {0}")]
    Whole(#[source] Box<Error>),
    /// The composer doesn't take them.
    #[error("the parts can't be composed: {0}")]
    Composer(String),
}

/// Composes. `parts` are their bytes, in the plan's order. The same bytes and plan give the same component.
///
/// That the parts fit together is validated; the bodies of their functions go over as they are. Whoever
/// planned has validated those ([`crate::inspect`]), and a compiler does so itself.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(plan: &Plan, parts: &[&[u8]]) -> Result<Vec<u8>, ComposeError> {
    let size_bytes = parts.iter().map(|part| part.len() as u64).sum();
    if size_bytes > COMPONENT_SIZE_BYTES_MAX {
        return Err(ComposeError::TooLarge { size_bytes, max_bytes: COMPONENT_SIZE_BYTES_MAX });
    }
    if !plan.is_whole() {
        return Err(ComposeError::Composer("the plan leads to a part that isn't there".into()));
    }
    if parts.len() != plan.parts.len() {
        let (planned, given) = (plan.parts.len(), parts.len());
        return Err(ComposeError::Composer(format!("{planned} parts are planned and {given} are given")));
    }
    let mut checked = Vec::with_capacity(parts.len());
    for (planned, bytes) in plan.parts.iter().zip(parts) {
        let wrong = |source| ComposeError::Part { part: planned.name.clone(), source: Box::new(source) };
        let bytes = adapt(bytes).map_err(wrong)?;
        let world = outline(&bytes).map_err(wrong)?;
        if !planned.imports.iter().map(|import| &import.interface).eq(&world.imports) {
            return Err(ComposeError::OtherPart { part: planned.name.clone() });
        }
        checked.push(name::named(&bytes, &planned.name).map_err(wrong)?);
    }
    // The composer has assertions of its own; what trips one is not to take the process along.
    let composed = catch_unwind(AssertUnwindSafe(|| graph(plan, checked)));
    let bytes = composed.map_err(|_| ComposeError::Composer("the composer gave up".into()))??;
    validate(&bytes, Bodies::Left, |_| Ok(())).map_err(|error| ComposeError::Whole(Box::new(error)))?;
    Ok(bytes)
}

fn failed(error: impl std::fmt::Display) -> ComposeError {
    ComposeError::Composer(error.to_string())
}

fn graph(plan: &Plan, parts: Vec<Vec<u8>>) -> Result<Vec<u8>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let mut nodes = Vec::with_capacity(parts.len());
    for (index, bytes) in parts.into_iter().enumerate() {
        let name = format!("morph:part{index}");
        let package = Package::from_bytes(&name, None, bytes, graph.types_mut()).map_err(failed)?;
        let package = graph.register_package(package).map_err(failed)?;
        nodes.push((package, graph.instantiate(package)));
    }
    for part in 0..nodes.len() {
        for index in 0..plan.parts[part].imports.len() {
            answer(&mut graph, &nodes, plan, (part, index))?;
        }
    }
    let (package, main) = nodes[0];
    let exports: Vec<String> = graph.types()[graph[package].ty()].exports.keys().cloned().collect();
    for export in exports {
        let alias = graph.alias_instance_export(main, &export).map_err(failed)?;
        graph.export(alias, &export).map_err(failed)?;
    }
    graph.encode(EncodeOptions { validate: false, ..EncodeOptions::default() }).map_err(failed)
}

/// Gives an import what the plan says. What all parts share is left to the composer, which makes one import
/// of it.
fn answer(
    graph: &mut CompositionGraph,
    nodes: &[(PackageId, NodeId)],
    plan: &Plan,
    (part, index): (usize, usize),
) -> Result<(), ComposeError> {
    let ((package, node), planned) = (nodes[part], &plan.parts[part]);
    let import = &planned.imports[index];
    let name = import.interface.to_string();
    let argument = match &import.by {
        Provider::Shared => return Ok(()),
        Provider::Part { part: to, export } => {
            graph.alias_instance_export(nodes[*to].1, &export.to_string()).map_err(failed)?
        }
        Provider::Host => {
            let label = Plan::label(part, index, &import.interface);
            let kind = graph.types()[graph[package].ty()].imports.get(&name).copied();
            let kind = kind.ok_or_else(|| failed(format!("{name} is no import")))?;
            let kind = renamed(graph, kind, &label)?;
            graph.import(label, kind).map_err(failed)?
        }
    };
    graph.set_instantiation_argument(node, &name, argument).map_err(|error| match (error, &import.by) {
        (
            InstantiationArgumentError::ArgumentTypeMismatch { source, .. },
            Provider::Part { part: to, .. },
        ) => ComposeError::TypeMismatch {
            part: planned.name.clone(),
            interface: Box::new(import.interface.clone()),
            to: plan.parts[*to].name.clone(),
            problem: format!("{source:#}"),
        },
        (error, _) => failed(error),
    })
}

/// The interface under another name. One that defines resources is renamed for all who use it: they mean that
/// very resource. Of another there is a copy, since what is shared may use its types, which are equal anyway.
fn renamed(graph: &mut CompositionGraph, kind: ItemKind, label: &str) -> Result<ItemKind, ComposeError> {
    let ItemKind::Instance(interface) = kind else { return Err(failed("an import is no instance")) };
    let types = graph.types_mut();
    let is_resource = |kind: &ItemKind| match kind {
        ItemKind::Type(Type::Resource(resource)) => types[*resource].alias.is_none(),
        _ => false,
    };
    if types[interface].exports.values().any(is_resource) {
        types[interface].id = Some(label.to_owned());
        return Ok(kind);
    }
    let mut copy = types[interface].clone();
    copy.id = Some(label.to_owned());
    Ok(ItemKind::Instance(types.add_interface(copy)))
}

#[cfg(test)]
mod tests;
