//! Processes forked for real, from the built program, and looked at from outside through `/proc`: sandboxes,
//! workers, what happens when one of them dies, the compile child and the code cache. They run as root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cache;
mod capabilities;
mod compile_child;
mod compositions;
mod drains;
mod first_sight;
mod hostile;
mod life;
mod pace;
mod sandboxes;
mod seal;
mod support;
mod workers;
