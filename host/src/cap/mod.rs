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
use wasmtime::component::{Linker, LinkerInstance};

/// Where an interface is linked, and with whose rights.
pub(crate) struct Place<'l> {
    pub(crate) linker: &'l mut Linker<State>,
    /// What the component imports it by.
    pub(crate) name: &'l str,
    /// Index of the part whose rights it has.
    pub(crate) part: usize,
}

impl Place<'_> {
    /// The instance that is to have its functions.
    pub(crate) fn instance(&mut self) -> wasmtime::Result<LinkerInstance<'_, State>> {
        self.linker.instance(self.name)
    }

    /// Does what replaces functions that are there already.
    fn shadowing(&mut self, does: impl FnOnce(&mut Self) -> wasmtime::Result<()>) -> wasmtime::Result<()> {
        self.linker.allow_shadowing(true);
        let done = does(self);
        self.linker.allow_shadowing(false);
        done
    }
}

/// The view of a store for the part of a place. wasmtime's bindings take a function without captures, so
/// there is one for each index that a part may have, and one for what no part has.
macro_rules! of {
    ($part:expr, $view:ident) => {
        match $part {
            0 => State::$view::<0>,
            1 => State::$view::<1>,
            2 => State::$view::<2>,
            3 => State::$view::<3>,
            4 => State::$view::<4>,
            5 => State::$view::<5>,
            6 => State::$view::<6>,
            7 => State::$view::<7>,
            8 => State::$view::<8>,
            _ => State::$view::<{ $crate::store::NOBODY }>,
        }
    };
}

/// Links what the bindings of an interface serve.
macro_rules! serve {
    ($place:expr, $($path:ident)::+, $data:ty, $view:ident $(, $options:expr)?) => {{
        let part = $place.part;
        let mut at = $place.instance()?;
        $($path)::+::add_to_linker_instance::<_, $data>(&mut at, $(&$options,)? $crate::cap::of!(part, $view))
    }};
}

pub(crate) use {of, serve};

/// Links one row of the table.
pub(crate) fn link(linker: &mut Place<'_>, row: &Entry) -> wasmtime::Result<()> {
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
