//! A component's world, and the type that its exported interface ids make it.

use crate::{Error, InterfaceId, Shapes};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a component imports and exports, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// The interfaces that it imports. There is nothing else that it imports.
    pub imports: Vec<InterfaceId>,
    /// The interfaces that it exports.
    pub exports: Vec<InterfaceId>,
    /// What it exports by a bare name (functions, types, instances that are no package's interface).
    pub plain_exports: Vec<String>,
    /// What is in the interfaces, as far as it is told.
    #[serde(default, skip_serializing_if = "Shapes::are_untold")]
    pub shapes: Shapes,
}

/// How a component is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Once, to its end: `wasi:cli/run`.
    Command,
    /// Until it is told to stop: `wasi:http/incoming-handler` (0.2) or `wasi:http/handler` (0.3).
    Server,
}

/// The WASI generation of the export that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Preview {
    /// 0.2
    P2,
    /// 0.3
    P3,
}

/// How exactly a component is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Command or Server.
    pub kind: Kind,
    /// Which generation of it.
    pub preview: Preview,
    /// The export that is called.
    pub export: InterfaceId,
}

impl World {
    /// How this component is run when nobody says.
    ///
    /// # Errors
    /// As [`World::run_as`] with `None`.
    pub fn run(&self) -> Result<Run, Error> {
        self.run_as(None)
    }

    /// How this component is run: by its exported interface ids, or as `wanted` where it could be both.
    /// Of one kind in both generations, 0.3 is taken.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] if nothing is wanted and it could be both; [`Error::NoKnownExport`],
    /// [`Error::NotThisKind`] or [`Error::PreRelease`] if there is no such export.
    pub fn run_as(&self, wanted: Option<Kind>) -> Result<Run, Error> {
        let mut ways: Vec<Run> = self.exports.iter().filter_map(way).collect();
        ways.sort_by(|a, b| (a.preview, &a.export).cmp(&(b.preview, &b.export)));
        let fits = |kind| wanted.is_none_or(|wanted| wanted == kind);
        if wanted.is_none() && ways.iter().any(|way| way.kind != ways[0].kind) {
            return Err(Error::Ambiguous { exports: ways.into_iter().map(|way| way.export).collect() });
        }
        if let Some(way) = ways.into_iter().rfind(|way| fits(way.kind)) {
            return Ok(way);
        }
        let early = self.exports.iter().find(|id| is_pre_release(id) && kind_of(id).is_some_and(fits));
        Err(match (early, wanted) {
            (Some(interface), _) => Error::PreRelease { interface: interface.clone() },
            (None, Some(kind)) => Error::NotThisKind { kind, exports: self.all_exports() },
            (None, None) => Error::NoKnownExport { exports: self.all_exports() },
        })
    }

    /// The export that can stand for an import: the same id, or else of those that match the newest.
    #[must_use]
    pub fn export_for(&self, import: &InterfaceId) -> Option<&InterfaceId> {
        let matching = || self.exports.iter().filter(|export| export.matches(import));
        matching().find(|export| *export == import).or_else(|| matching().max())
    }

    /// An export of the same interface, of whatever version.
    pub(crate) fn export_like(&self, import: &InterfaceId) -> Option<&InterfaceId> {
        self.exports.iter().find(|export| export.is_like(import))
    }

    fn all_exports(&self) -> Vec<String> {
        self.exports.iter().map(ToString::to_string).chain(self.plain_exports.iter().cloned()).collect()
    }
}

/// The table of exports that can be run: interface, generation, kind.
const WAYS: [(&str, &str, u64, Preview, Kind); 4] = [
    ("cli", "run", 2, Preview::P2, Kind::Command),
    ("cli", "run", 3, Preview::P3, Kind::Command),
    ("http", "incoming-handler", 2, Preview::P2, Kind::Server),
    ("http", "handler", 3, Preview::P3, Kind::Server),
];

fn way(id: &InterfaceId) -> Option<Run> {
    let version = id.version.as_ref().filter(|version| version.pre.is_empty() && version.major == 0)?;
    WAYS.iter()
        .find(|(package, interface, minor, ..)| id.is("wasi", package, interface) && version.minor == *minor)
        .map(|(.., preview, kind)| Run { kind: *kind, preview: *preview, export: id.clone() })
}

fn kind_of(id: &InterfaceId) -> Option<Kind> {
    WAYS.iter().find(|(package, interface, ..)| id.is("wasi", package, interface)).map(|(.., kind)| *kind)
}

fn is_pre_release(id: &InterfaceId) -> bool {
    id.version.as_ref().is_some_and(|version| !version.pre.is_empty())
}

impl Kind {
    /// The exports that make a component this kind, in words.
    pub(crate) fn exports(self) -> &'static str {
        match self {
            Self::Command => "wasi:cli/run of 0.2 or 0.3",
            Self::Server => "wasi:http/incoming-handler of 0.2 or wasi:http/handler of 0.3",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "Command",
            Self::Server => "Server",
        })
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P2 => "0.2",
            Self::P3 => "0.3",
        })
    }
}

#[cfg(test)]
mod tests;
