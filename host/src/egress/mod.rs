//! What leaves a guest for the network, decided and then done: names are matched before they are resolved,
//! every address is checked before one is connected to, and only the checked one is.

pub(crate) mod address;
pub(crate) mod dns;
pub(crate) mod name;
pub(crate) mod resolve;
