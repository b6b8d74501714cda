//! What a component imports and exports, and of which type it is: bytes in, [`World`] out.
//! No I/O, no Kubernetes, no wasmtime; nothing is run or compiled.

mod budget;
mod error;
mod inspect;
mod interface;
mod preview1;
mod world;

#[cfg(test)]
mod samples;

pub use budget::{DEFINITIONS_MAX, NESTED_DECLARATIONS_MAX, NESTING_LEVELS_MAX};
pub use error::{Error, Preview1Error};
pub use inspect::{COMPONENT_SIZE_BYTES_MAX, EXPORTS_MAX, FEATURES, IMPORTS_MAX, inspect};
pub use interface::{INTERFACE_ID_BYTES_MAX, InterfaceId, InterfaceIdError};
pub use preview1::{adapt, preview1_adapter};
pub use world::{Kind, Preview, Run, World};
