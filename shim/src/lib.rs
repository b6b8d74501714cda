//! How containerd starts, watches and stops a Morph: the parts of `containerd-shim-morph-v1`.
//! It knows no Kubernetes API, and no guest runs in the process that serves containerd.

pub mod cache;
pub mod compile;
pub mod process;
mod sandbox_process;
mod seal;
pub mod wire;
mod worker;
pub mod zygote;
