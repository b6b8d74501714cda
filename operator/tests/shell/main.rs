//! The operator's shell against an API server and a registry in memory: each test tells a piece of a Morph's
//! life. What the pure parts decide is tested beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ceiling;
mod controller;
mod converge;
mod crash;
mod denials;
mod inspect;
mod keys;
mod leader;
mod plugs;
mod refuse;
mod registry;
mod resolver;
mod retries;
mod rights;
mod secret;
mod server;
mod store;
mod sweep;
mod world;
