//! The keys that sign grants: kept in a Secret of the operator's own namespace and mounted as files; their
//! public halves are published to the nodes. `choice.rs` decides, `directory.rs` reads, `command.rs` makes and
//! changes them at install, `trust.rs` publishes.

pub mod choice;
pub mod command;
pub mod directory;
pub mod trust;

/// The Secret with the keys, in the operator's own namespace.
pub const SECRET: &str = "morph-signing-keys";

/// The ConfigMap with their public halves, in the namespace of the nodes' agents.
pub const CONFIG_MAP: &str = "morph-trusted-keys";
