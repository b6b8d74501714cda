//! One file for each capability: how its interfaces are linked and what a task puts behind them. Which file
//! serves which interface stands in the table of `morph_grant::interfaces`.

pub(crate) mod cli;
pub(crate) mod clocks;
pub(crate) mod config;
pub(crate) mod filesystem;
pub(crate) mod http;
pub(crate) mod io;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub(crate) mod random;
pub(crate) mod sockets;

use crate::store::State;
use morph_grant::interfaces::{Entry, Track};
use wasmtime::component::Linker;

/// Links one row of the table.
pub(crate) fn link(linker: &mut Linker<State>, row: &Entry) -> wasmtime::Result<()> {
    let (_, interface) = row.interface.split_once(':').unwrap_or_default();
    let linked = match row.served_by {
        "cap/cli.rs" => cli::link(linker, interface, row.track)?,
        "cap/clocks.rs" => clocks::link(linker, interface, row.track)?,
        "cap/config.rs" => config::link(linker, interface, row.track)?,
        "cap/filesystem.rs" => filesystem::link(linker, interface, row.track)?,
        "cap/http.rs" => http::link(linker, interface, row.track)?,
        "cap/io.rs" => io::link(linker, interface, row.track)?,
        "cap/keyvalue.rs" => keyvalue::link(linker, interface, row.track)?,
        "cap/logging.rs" => logging::link(linker, interface, row.track)?,
        "cap/random.rs" => random::link(linker, interface, row.track)?,
        "cap/sockets.rs" => sockets::link(linker, interface, row.track)?,
        _ => false,
    };
    match linked {
        true => Ok(()),
        false => Err(wasmtime::format_err!("nothing serves {} of {:?}", row.interface, row.track)),
    }
}

/// Whether an interface was linked; `false` where the file doesn't know it.
pub(crate) type Linked = wasmtime::Result<bool>;

/// For the `match` of each file: `Some(linked)` or unknown.
pub(crate) fn known(linked: Option<wasmtime::Result<()>>) -> Linked {
    linked.transpose().map(|linked| linked.is_some())
}

/// So that the files can name the tracks briefly.
pub(crate) use Track::{V0_2, V0_3};

#[cfg(test)]
mod tests;
