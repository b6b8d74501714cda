//! The import check: what answers each import of a component under its grants. Operator, shim and CLI
//! ask the same question here, so that they can't give different answers.

use crate::Grants;
use crate::interfaces::{Lookup, Need, TABLE, lookup};
use morph_component::InterfaceId;
use std::fmt;

/// What answers an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The host, under a grant of the Morph.
    Granted,
    /// The host, for every guest (or with the empty list, where nothing is granted).
    Ambient,
    /// Another component of a composition.
    Plug,
    /// Nothing: the component doesn't run.
    Denied,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "Granted",
            Self::Ambient => "Ambient",
            Self::Plug => "Plug",
            Self::Denied => "Denied",
        })
    }
}

/// One import with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The import.
    pub interface: InterfaceId,
    /// What answers it.
    pub answer: Answer,
    /// The field that grants it, the component that answers, or why it is ambient or denied; words for
    /// people.
    pub by: String,
}

impl Answered {
    /// Whether the import is refused.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.answer == Answer::Denied
    }
}

/// Answers each import, in the order given.
#[must_use]
pub fn check(imports: &[InterfaceId], grants: &Grants) -> Vec<Answered> {
    imports.iter().map(|id| check_one(id, grants)).collect()
}

/// Answers one import.
#[must_use]
pub fn check_one(id: &InterfaceId, grants: &Grants) -> Answered {
    let (answer, by) = match lookup(id) {
        Lookup::Known(row) => match row.need {
            Need::Types => (Answer::Ambient, "types only".to_owned()),
            Need::Ambient(ambient) if grants.withheld.contains(&ambient) => {
                (Answer::Denied, format!("withheld by withhold: {ambient:?}"))
            }
            Need::Ambient(_) => (Answer::Ambient, "every Morph may".to_owned()),
            Need::EmptyWithout(capability) | Need::Grant(capability) if capability.is_in(grants) => {
                (Answer::Granted, capability.field().to_owned())
            }
            Need::EmptyWithout(capability) => {
                (Answer::Ambient, format!("answers with nothing: no {}", capability.field()))
            }
            Need::Grant(capability) => (Answer::Denied, format!("no {}", capability.field())),
            Need::Ungrantable => (Answer::Denied, "no field of this version grants it".to_owned()),
        },
        Lookup::UnknownVersion => {
            (Answer::Denied, format!("this version isn't served; served: {}", served(id)))
        }
        Lookup::Unknown => (Answer::Denied, "the host doesn't know this interface".to_owned()),
    };
    Answered { interface: id.clone(), answer, by }
}

/// The versions served of an interface that the table knows by name.
fn served(id: &InterfaceId) -> String {
    let name = format!("{}:{}/{}", id.namespace, id.package, id.interface);
    let tracks: Vec<String> =
        TABLE.iter().filter(|row| row.interface == name).map(|row| row.track.versions()).collect();
    tracks.join(", ")
}

#[cfg(test)]
mod tests;
