//! How containerd starts, watches and stops a Morph: the parts of `containerd-shim-morph-v1`.
//! It knows no Kubernetes API, and no guest runs in the process that serves containerd.
// The feature `failpoints` is another package's, which builds these sources once more: see `failpoint`.
#![allow(unexpected_cfgs)]

pub mod arguments;
pub mod bootstrap;
pub mod bundle;
pub mod cache;
pub mod cgroup;
pub mod cleanup;
pub mod compile;
pub mod config;
pub mod content;
pub mod denial;
pub mod events;
mod failpoint;
pub mod grant;
pub mod info;
pub mod keys;
pub mod lock;
pub mod log;
pub mod node;
pub mod process;
pub mod program;
mod remains;
pub mod sandbox;
mod sandbox_process;
mod seal;
pub mod serve;
pub mod spec;
pub mod state;
pub mod stats;
pub mod stdio;
pub mod task;
pub mod termination;
mod turns;
mod voice;
pub mod walls;
pub mod wire;
mod worker;
pub mod zygote;
