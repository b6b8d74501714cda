//! THE table: each host interface that Morph knows, what it takes to be linked, and which file serves it.
//! The import check, the linker, the status and the docs are made from it; what isn't here is refused.

use crate::{Ambient, Grants};
use morph_component::InterfaceId;

/// A line of incompatible versions; within one, a host that serves a newer patch serves an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// WASI 0.2, up to patch [`PATCH_MAX_0_2`].
    V0_2,
    /// WASI 0.3, up to patch [`PATCH_MAX_0_3`].
    V0_3,
    /// This version and no other: drafts match only themselves. Empty for an interface without version.
    Exact(&'static str),
}

impl Track {
    /// The versions, for people.
    #[must_use]
    pub fn versions(self) -> String {
        match self {
            Self::V0_2 => format!("0.2.0 to 0.2.{PATCH_MAX_0_2}"),
            Self::V0_3 if PATCH_MAX_0_3 == 0 => "0.3.0".to_owned(),
            Self::V0_3 => format!("0.3.0 to 0.3.{PATCH_MAX_0_3}"),
            Self::Exact("") => "without version".to_owned(),
            Self::Exact(version) => version.to_owned(),
        }
    }
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
    /// Nothing: every guest may use it, unless its Morph withholds it.
    Ambient(Ambient),
    /// Nothing, but without the grant it answers with the empty list (see `docs/decisions/0002`).
    EmptyWithout(Capability),
    /// The grant.
    Grant(Capability),
    /// No field of the Morph grants it.
    Ungrantable,
}

/// A field of the Morph that grants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// `spec.capabilities.http`
    Http,
    /// `spec.capabilities.filesystem`
    Filesystem,
    /// `spec.capabilities.sockets`
    Sockets,
    /// `spec.capabilities.keyvalue`
    Keyvalue,
    /// `spec.capabilities.logging`
    Logging,
    /// `spec.config`
    Config,
    /// `spec.args`, `spec.env` and `spec.envFrom`
    Environment,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Http,
        Self::Filesystem,
        Self::Sockets,
        Self::Keyvalue,
        Self::Logging,
        Self::Config,
        Self::Environment,
    ];

    /// The field, as status names it.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Http => "capabilities.http",
            Self::Filesystem => "capabilities.filesystem",
            Self::Sockets => "capabilities.sockets",
            Self::Keyvalue => "capabilities.keyvalue",
            Self::Logging => "capabilities.logging",
            Self::Config => "config",
            Self::Environment => "args, env and envFrom",
        }
    }

    /// One word for it: a label of metrics, a column of lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Filesystem => "filesystem",
            Self::Sockets => "sockets",
            Self::Keyvalue => "keyvalue",
            Self::Logging => "logging",
            Self::Config => "config",
            Self::Environment => "environment",
        }
    }

    /// Whether these grants have anything of it.
    #[must_use]
    pub fn is_in(self, grants: &Grants) -> bool {
        match self {
            Self::Http => grants.http.is_some(),
            Self::Filesystem => !grants.filesystem.is_empty(),
            Self::Sockets => grants.sockets.is_some(),
            Self::Keyvalue => !grants.keyvalue.is_empty(),
            Self::Logging => grants.logging,
            Self::Config => !grants.config.is_empty(),
            Self::Environment => grants.environment,
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

impl Entry {
    /// The id by which a linker has it: of a track's versions the newest, which imports of older ones find.
    #[must_use]
    pub fn linked_as(&self) -> String {
        let interface = self.interface;
        match self.track {
            Track::V0_2 => format!("{interface}@0.2.{PATCH_MAX_0_2}"),
            Track::V0_3 => format!("{interface}@0.3.{PATCH_MAX_0_3}"),
            Track::Exact("") => interface.to_owned(),
            Track::Exact(version) => format!("{interface}@{version}"),
        }
    }
}

const fn row(interface: &'static str, track: Track, need: Need, served_by: &'static str) -> Entry {
    Entry { interface, track, need, served_by }
}

use Ambient::{Clocks, Exit, Random, Stderr, Stdin, Stdout};
use Capability::{Config, Environment, Filesystem, Http, Keyvalue, Logging, Sockets};
use Need::{Ambient as Free, EmptyWithout, Grant, Types, Ungrantable};
use Track::{Exact, V0_2, V0_3};

/// Every interface known, sorted by name and track.
pub const TABLE: &[Entry] = &[
    row("wasi:cli/environment", V0_2, EmptyWithout(Environment), "cap/cli.rs"),
    row("wasi:cli/environment", V0_3, EmptyWithout(Environment), "cap/cli.rs"),
    row("wasi:cli/exit", V0_2, Free(Exit), "cap/cli.rs"),
    row("wasi:cli/exit", V0_3, Free(Exit), "cap/cli.rs"),
    row("wasi:cli/stderr", V0_2, Free(Stderr), "cap/cli.rs"),
    row("wasi:cli/stderr", V0_3, Free(Stderr), "cap/cli.rs"),
    row("wasi:cli/stdin", V0_2, Free(Stdin), "cap/cli.rs"),
    row("wasi:cli/stdin", V0_3, Free(Stdin), "cap/cli.rs"),
    row("wasi:cli/stdout", V0_2, Free(Stdout), "cap/cli.rs"),
    row("wasi:cli/stdout", V0_3, Free(Stdout), "cap/cli.rs"),
    row("wasi:cli/terminal-input", V0_2, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-input", V0_3, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-output", V0_2, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-output", V0_3, Types, "cap/cli.rs"),
    row("wasi:cli/terminal-stderr", V0_2, Free(Stderr), "cap/cli.rs"),
    row("wasi:cli/terminal-stderr", V0_3, Free(Stderr), "cap/cli.rs"),
    row("wasi:cli/terminal-stdin", V0_2, Free(Stdin), "cap/cli.rs"),
    row("wasi:cli/terminal-stdin", V0_3, Free(Stdin), "cap/cli.rs"),
    row("wasi:cli/terminal-stdout", V0_2, Free(Stdout), "cap/cli.rs"),
    row("wasi:cli/terminal-stdout", V0_3, Free(Stdout), "cap/cli.rs"),
    row("wasi:cli/types", V0_3, Types, "cap/cli.rs"),
    row("wasi:clocks/monotonic-clock", V0_2, Free(Clocks), "cap/clocks.rs"),
    row("wasi:clocks/monotonic-clock", V0_3, Free(Clocks), "cap/clocks.rs"),
    row("wasi:clocks/system-clock", V0_3, Free(Clocks), "cap/clocks.rs"),
    row("wasi:clocks/types", V0_3, Types, "cap/clocks.rs"),
    row("wasi:clocks/wall-clock", V0_2, Free(Clocks), "cap/clocks.rs"),
    row("wasi:config/store", Exact("0.2.0-rc.1"), Grant(Config), "cap/config.rs"),
    row("wasi:filesystem/preopens", V0_2, EmptyWithout(Filesystem), "cap/filesystem.rs"),
    row("wasi:filesystem/preopens", V0_3, EmptyWithout(Filesystem), "cap/filesystem.rs"),
    row("wasi:filesystem/types", V0_2, Types, "cap/filesystem.rs"),
    row("wasi:filesystem/types", V0_3, Types, "cap/filesystem.rs"),
    row("wasi:http/client", V0_3, Grant(Http), "cap/http.rs"),
    row("wasi:http/handler", V0_3, Ungrantable, ""),
    row("wasi:http/outgoing-handler", V0_2, Grant(Http), "cap/http.rs"),
    row("wasi:http/types", V0_2, Types, "cap/http.rs"),
    row("wasi:http/types", V0_3, Types, "cap/http.rs"),
    row("wasi:io/error", V0_2, Types, "cap/io.rs"),
    row("wasi:io/poll", V0_2, Types, "cap/io.rs"),
    row("wasi:io/streams", V0_2, Types, "cap/io.rs"),
    row("wasi:keyvalue/atomics", Exact("0.2.0-draft"), Grant(Keyvalue), "cap/keyvalue.rs"),
    row("wasi:keyvalue/batch", Exact("0.2.0-draft"), Grant(Keyvalue), "cap/keyvalue.rs"),
    row("wasi:keyvalue/store", Exact("0.2.0-draft"), Grant(Keyvalue), "cap/keyvalue.rs"),
    row("wasi:logging/logging", Exact(""), Grant(Logging), "cap/logging.rs"),
    row("wasi:logging/logging", Exact("0.1.0-draft"), Grant(Logging), "cap/logging.rs"),
    row("wasi:random/insecure", V0_2, Free(Random), "cap/random.rs"),
    row("wasi:random/insecure", V0_3, Free(Random), "cap/random.rs"),
    row("wasi:random/insecure-seed", V0_2, Free(Random), "cap/random.rs"),
    row("wasi:random/insecure-seed", V0_3, Free(Random), "cap/random.rs"),
    row("wasi:random/random", V0_2, Free(Random), "cap/random.rs"),
    row("wasi:random/random", V0_3, Free(Random), "cap/random.rs"),
    row("wasi:sockets/instance-network", V0_2, Grant(Sockets), "cap/sockets.rs"),
    row("wasi:sockets/ip-name-lookup", V0_2, Grant(Sockets), "cap/sockets.rs"),
    row("wasi:sockets/ip-name-lookup", V0_3, Grant(Sockets), "cap/sockets.rs"),
    row("wasi:sockets/network", V0_2, Types, "cap/sockets.rs"),
    row("wasi:sockets/tcp", V0_2, Types, "cap/sockets.rs"),
    row("wasi:sockets/tcp-create-socket", V0_2, Grant(Sockets), "cap/sockets.rs"),
    row("wasi:sockets/types", V0_3, Grant(Sockets), "cap/sockets.rs"),
    row("wasi:sockets/udp", V0_2, Types, "cap/sockets.rs"),
    row("wasi:sockets/udp-create-socket", V0_2, Grant(Sockets), "cap/sockets.rs"),
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
    rows.find(|row| row.track.serves(id)).map_or(Lookup::UnknownVersion, Lookup::Known)
}

impl Track {
    /// Whether a host of this track serves an import of this version.
    fn serves(self, id: &InterfaceId) -> bool {
        let Some(version) = &id.version else { return self == Exact("") };
        let minor = |minor, patch_max| {
            version.pre.is_empty()
                && (version.major, version.minor) == (0, minor)
                && (0..=patch_max).contains(&version.patch)
        };
        match self {
            V0_2 => minor(2, PATCH_MAX_0_2),
            V0_3 => minor(3, PATCH_MAX_0_3),
            Exact(text) => version.to_string() == text,
        }
    }
}

#[cfg(test)]
mod tests;
