//! THE table: each host interface that Morph knows, what it takes to be linked, and which file serves it.
//! The import check, the linker, the status and the docs are made from it; what isn't here is refused.

use morph_component::InterfaceId;

/// A line of incompatible versions; within one, a host that serves a newer patch serves an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// WASI 0.2, up to patch [`PATCH_MAX_0_2`].
    V0_2,
    /// WASI 0.3, up to patch [`PATCH_MAX_0_3`].
    V0_3,
}

/// Newest patch of WASI 0.2 that the pinned wasmtime-wasi serves.
pub const PATCH_MAX_0_2: u64 = 12;

/// Newest patch of WASI 0.3 that the pinned wasmtime-wasi serves.
pub const PATCH_MAX_0_3: u64 = 0;

/// What it takes for an import to be linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the interface only defines types whose handles can't be forged.
    Types,
    /// Nothing: every guest may use it.
    Ambient,
    /// Nothing, but without the grant it answers with the empty list (see `docs/decisions/0002`).
    EmptyWithout(Capability),
    /// No field of the Morph grants it yet.
    Ungrantable,
}

/// A field of the Morph that grants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `spec.capabilities.filesystem`
    Filesystem,
    /// `spec.args`, `spec.env` and `spec.envFrom`
    Environment,
}

impl Capability {
    /// The field, as status names it.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Filesystem => "capabilities.filesystem",
            Self::Environment => "args, env and envFrom",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Interface without its version, such as `wasi:cli/environment`.
    pub interface: &'static str,
    /// Which versions this row is for.
    pub track: Track,
    /// What it takes to be linked.
    pub need: Need,
    /// File below `host/src/` that links it; empty where nothing does.
    pub served_by: &'static str,
}

const fn row(interface: &'static str, track: Track, need: Need, served_by: &'static str) -> Entry {
    Entry { interface, track, need, served_by }
}

use Capability::{Environment, Filesystem};
use Need::{Ambient, EmptyWithout, Types, Ungrantable};
use Track::{V0_2, V0_3};

/// Every interface known, sorted by name and track.
pub const TABLE: &[Entry] = &[
    row("wasi:cli/environment", V0_2, EmptyWithout(Environment), "cap/cli.rs"),
    row("wasi:cli/environment", V0_3, EmptyWithout(Environment), "cap/cli.rs"),
    row("wasi:cli/exit", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/exit", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/stderr", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/stderr", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/stdin", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/stdin", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/stdout", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/stdout", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/terminal-input", V0_2, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-input", V0_3, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-output", V0_2, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-output", V0_3, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-stderr", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/terminal-stderr", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/terminal-stdin", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/terminal-stdin", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/terminal-stdout", V0_2, Ambient, "cap/cli.rs"),
    row("wasi:cli/terminal-stdout", V0_3, Ambient, "cap/cli.rs"),
    row("wasi:cli/types", V0_3, Types, "cap/cli.rs"),
    row("wasi:clocks/monotonic-clock", V0_2, Ambient, "cap/clocks.rs"),
    row("wasi:clocks/monotonic-clock", V0_3, Ambient, "cap/clocks.rs"),
    row("wasi:clocks/system-clock", V0_3, Ambient, "cap/clocks.rs"),
    row("wasi:clocks/types", V0_3, Types, "cap/clocks.rs"),
    row("wasi:clocks/wall-clock", V0_2, Ambient, "cap/clocks.rs"),
    row("wasi:filesystem/preopens", V0_2, EmptyWithout(Filesystem), "cap/filesystem.rs"),
    row("wasi:filesystem/preopens", V0_3, EmptyWithout(Filesystem), "cap/filesystem.rs"),
    row("wasi:filesystem/types", V0_2, Types, "cap/filesystem.rs"),
    row("wasi:filesystem/types", V0_3, Types, "cap/filesystem.rs"),
    row("wasi:http/client", V0_3, Ungrantable, ""),
    row("wasi:http/handler", V0_3, Ungrantable, ""),
    row("wasi:http/outgoing-handler", V0_2, Ungrantable, ""),
    row("wasi:http/types", V0_2, Types, "cap/http.rs"),
    row("wasi:http/types", V0_3, Types, "cap/http.rs"),
    row("wasi:io/error", V0_2, Types, "cap/io.rs"),
    row("wasi:io/poll", V0_2, Types, "cap/io.rs"),
    row("wasi:io/streams", V0_2, Types, "cap/io.rs"),
    row("wasi:random/insecure", V0_2, Ambient, "cap/random.rs"),
    row("wasi:random/insecure", V0_3, Ambient, "cap/random.rs"),
    row("wasi:random/insecure-seed", V0_2, Ambient, "cap/random.rs"),
    row("wasi:random/insecure-seed", V0_3, Ambient, "cap/random.rs"),
    row("wasi:random/random", V0_2, Ambient, "cap/random.rs"),
    row("wasi:random/random", V0_3, Ambient, "cap/random.rs"),
    row("wasi:sockets/instance-network", V0_2, Ungrantable, ""),
    row("wasi:sockets/ip-name-lookup", V0_2, Ungrantable, ""),
    row("wasi:sockets/ip-name-lookup", V0_3, Ungrantable, ""),
    row("wasi:sockets/network", V0_2, Ungrantable, ""),
    row("wasi:sockets/tcp", V0_2, Ungrantable, ""),
    row("wasi:sockets/tcp-create-socket", V0_2, Ungrantable, ""),
    row("wasi:sockets/types", V0_3, Ungrantable, ""),
    row("wasi:sockets/udp", V0_2, Ungrantable, ""),
    row("wasi:sockets/udp-create-socket", V0_2, Ungrantable, ""),
];

/// What the table says of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It is this row.
    Known(&'static Entry),
    /// The name is known, the version isn't served.
    UnknownVersion,
    /// Nobody here knows it.
    Unknown,
}

/// Finds the row of an import.
#[must_use]
pub fn lookup(id: &InterfaceId) -> Lookup {
    let name = format!("{}:{}/{}", id.namespace, id.package, id.interface);
    let mut rows = TABLE.iter().filter(|row| row.interface == name).peekable();
    if rows.peek().is_none() {
        return Lookup::Unknown;
    }
    let track = track_of(id);
    rows.find(|row| Some(row.track) == track).map_or(Lookup::UnknownVersion, Lookup::Known)
}

/// The track of an id's version, when we serve that version.
fn track_of(id: &InterfaceId) -> Option<Track> {
    let version = id.version.as_ref()?;
    if !version.pre.is_empty() || version.major != 0 {
        return None;
    }
    match version.minor {
        2 if version.patch <= PATCH_MAX_0_2 => Some(V0_2),
        3 if (0..=PATCH_MAX_0_3).contains(&version.patch) => Some(V0_3),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
