//! Every step between create and delete fails, waits, panics, or is the last of its process: nothing is left,
//! each task ends once, and its id can be used again. Under a real containerd, as `shim/tests/containerd` has
//! it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/containerd/harness.rs"]
#[allow(dead_code)]
mod harness;
mod matrix;
#[path = "../../../tests/containerd/spec.rs"]
#[allow(dead_code)]
mod spec;
mod systemd;

/// The program under test: the shim with failpoints.
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-morph-failpoints");
