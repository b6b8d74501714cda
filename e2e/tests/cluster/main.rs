//! What Morph promises, on the real cluster that `hack/up` brings up.

mod api;
mod authority;
mod ceiling;
mod commands;
mod composed;
mod debugging;
mod denials;
mod egress;
mod examples;
mod host;
mod images;
mod keys;
mod leftovers;
mod private;
mod refusals;
mod resources;
mod restarts;
mod rollout;
mod scale;
mod schedule;
mod schema;
mod serve;
mod signatures;
mod usage;
mod volumes;
