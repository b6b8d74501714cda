//! What a component imports and exports, and of which type it is: bytes in, [`World`] out. What answers whose
//! imports in a composition, and the composition itself. No I/O, no Kubernetes, no wasmtime; nothing is run
//! or compiled.

mod budget;
mod compose;
mod error;
mod inspect;
mod interface;
mod plan;
mod preview1;
mod shape;
mod world;

#[cfg(test)]
mod samples;

pub use budget::{DEFINITIONS_MAX, NESTED_DECLARATIONS_MAX, NESTING_LEVELS_MAX};
pub use compose::{ComposeError, compose, part_of_module};
pub use error::{Error, Preview1Error};
pub use inspect::{COMPONENT_SIZE_BYTES_MAX, EXPORTS_MAX, FEATURES, IMPORTS_MAX, inspect, is_module};
pub use interface::{INTERFACE_ID_BYTES_MAX, InterfaceId, InterfaceIdError};
pub use plan::{
    COMPOSED_IMPORTS_MAX, Choice, ChoiceProblem, HOST, Host, LABELS, Label, MAIN, PARTS_MAX, Part, Plan,
    PlanError, PlanErrors, PlannedImport, PlannedPart, Provider, Target, plan,
};
pub use preview1::{adapt, preview1_adapter};
pub use shape::{SHAPES_BYTES_MAX, Shape, ShapeError, Shapes, TYPE_TEXT_BYTES_MAX};
pub use world::{Kind, Preview, Run, World};
