//! The shim under a real containerd, with its own root and state, driven with `ctr`. Behind the feature
//! `containerd`, which `hack/test` turns on: it needs containerd and ctr (built by `hack/up`) and the guests
//! of `hack/guests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod containers;
mod crashes;
mod harness;
mod life;
mod plugs;
mod pods;
mod spec;
mod systemd;
mod terminals;

/// The program under test.
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-morph-v1");
