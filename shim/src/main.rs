//! shim.

fn main() {}
