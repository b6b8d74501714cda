//! A fake world for tests: what it offers lies only where a test says so. Never part of a program that is
//! shipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fake that can't be set up ends its test")]

pub mod artifact;
pub mod layout;
pub mod registry;
mod tls;
pub mod tools;
pub mod web;
