//! Interface ids such as `wasi:http/types@0.2.3`: parsing, spelling and which versions stand for each other.

use semver::Version;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use wasmparser::names::{ComponentName, ComponentNameKind};

/// Longest interface id, in bytes. WASI's longest has 44; ids are copied into status and documents.
pub const INTERFACE_ID_BYTES_MAX: usize = 256;

/// The id of an interface; its parts are checked and its text is canonical.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceId {
    /// The package's namespace: `wasi`.
    pub namespace: String,
    /// The package: `http`.
    pub package: String,
    /// The interface: `types`.
    pub interface: String,
    /// The package's version, where it has one.
    pub version: Option<Version>,
}

/// Why a text is no interface id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an interface id; write namespace:package/interface@version")]
pub struct InterfaceIdError {
    text: String,
}

/// What of a version decides whether two of them stand for each other.
#[derive(PartialEq, Eq)]
enum Track<'a> {
    Major(u64),
    Minor(u64),
    Exact(Option<&'a Version>),
}

impl InterfaceId {
    /// Whether one id can stand for the other: the same interface, and versions that semver calls
    /// compatible. From 1.0 the major number counts, below it the minor one; 0.0.x, pre-releases and
    /// ids without version match only themselves. This is the rule by which wasmtime's linker looks up.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.is_like(other) && self.track() == other.track()
    }

    /// Whether the two are one interface, whatever their versions.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.is(&other.namespace, &other.package, &other.interface)
    }

    /// Whether this is `namespace:package/interface` of any version.
    #[must_use]
    pub fn is(&self, namespace: &str, package: &str, interface: &str) -> bool {
        self.namespace == namespace && self.package == package && self.interface == interface
    }

    fn track(&self) -> Track<'_> {
        match &self.version {
            Some(v) if v.pre.is_empty() && v.major > 0 => Track::Major(v.major),
            Some(v) if v.pre.is_empty() && v.minor > 0 => Track::Minor(v.minor),
            version => Track::Exact(version.as_ref()),
        }
    }
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.namespace, self.package, self.interface)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

impl FromStr for InterfaceId {
    type Err = InterfaceIdError;

    fn from_str(text: &str) -> Result<Self, InterfaceIdError> {
        let wrong = || InterfaceIdError { text: text.chars().take(INTERFACE_ID_BYTES_MAX).collect() };
        if text.len() > INTERFACE_ID_BYTES_MAX {
            return Err(wrong());
        }
        let name = ComponentName::new(text, 0).map_err(|_| wrong())?;
        let ComponentNameKind::Interface(name) = name.kind() else { return Err(wrong()) };
        let id = Self {
            namespace: name.namespace().to_string(),
            package: name.package().to_string(),
            interface: name.interface().to_string(),
            version: name.version(None).map_err(|_| wrong())?,
        };
        // A name with further parts than these four would be another interface.
        if id.to_string() == text { Ok(id) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for InterfaceId {
    type Error = InterfaceIdError;
    fn try_from(text: String) -> Result<Self, InterfaceIdError> {
        text.parse()
    }
}

impl From<InterfaceId> for String {
    fn from(id: InterfaceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests;
