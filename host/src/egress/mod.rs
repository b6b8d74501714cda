//! What leaves a guest for the network, decided and then done: names are matched before they are resolved,
//! every address is checked before one is connected to, and only the checked one is.

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod credential;
pub(crate) mod dns;
pub(crate) mod name;
pub(crate) mod path;
pub(crate) mod resolve;
pub(crate) mod rule;
pub(crate) mod trust;

pub use trust::load_system_roots;
