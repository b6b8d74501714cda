//! `start`, the task service and `delete`, without containerd: the program is called as containerd calls it,
//! and its server is asked over ttrpc. Most tasks are sandboxes, which need no image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod begins;
mod calls;
mod cycles;
mod debugging;
mod ends;
mod harness;
mod idle;
mod plugs;
mod pod;
#[path = "../containerd/spec.rs"]
#[allow(dead_code, reason = "shared with the tests of containerd, which use all of it")]
mod spec;
mod starting;
mod stops;
mod store;
mod systemd;
mod terminals;
mod walk;
