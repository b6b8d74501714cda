//! `start`, the task service and `delete`, without containerd: the program is called as containerd calls it,
//! and its server is asked over ttrpc. Tasks are sandboxes, which need no image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod harness;
mod idle;
mod starting;
