//! How a Morph becomes pods: the parts of the operator. `main.rs` wires them; `morph/` is the flow of one
//! Morph. Nothing here runs a component, and no Secret is read.

pub mod backoff;
pub mod ceiling;
pub mod clock;
pub mod controller;
pub mod denials;
pub mod events;
pub mod health;
pub mod leader;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod morph;
pub mod node;
pub mod rbac;
pub mod registry;
pub mod settings;
pub mod signing;
pub mod supervise;
pub mod sweeper;
