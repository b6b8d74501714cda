//! What tests on a real cluster share: a namespace of each test's own, waiting for conditions with an end,
//! components pushed to the local registry, requests through Service addresses. The tests are in `tests/`.

mod cluster;
mod image;
mod load;
mod names;
mod node;
mod space;
mod wait;

pub use cluster::{Cluster, kubectl};
pub use image::{Pushed, guest, push_image};
pub use load::{Load, Tally};
pub use names::name_stands_for;
pub use node::{NODE_ADDRESS, Node, Process};
pub use space::{Space, fetch};
pub use wait::until;
