//! The import check: what answers each import of a component under its grants. Operator, shim and CLI
//! ask the same question here, so that they can't give different answers.

use crate::Grants;
use crate::interfaces::{Capability, Lookup, Need, TABLE, lookup};
use morph_component::InterfaceId;
use std::fmt;

/// What answers an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The host, under a grant of the Morph.
    Granted,
    /// The host, for every guest (or with the empty list, where nothing is granted).
    Ambient,
    /// Nothing: the component doesn't run.
    Denied,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "Granted",
            Self::Ambient => "Ambient",
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
    /// The field that grants it, or why it is ambient or denied; words for people.
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
            Need::Ambient => (Answer::Ambient, "every Morph may".to_owned()),
            Need::EmptyWithout(capability) if granted(capability, grants) => {
                (Answer::Granted, capability.field().to_owned())
            }
            Need::EmptyWithout(capability) => {
                (Answer::Ambient, format!("answers with nothing: no {}", capability.field()))
            }
            Need::Ungrantable => (Answer::Denied, "no field of this version grants it".to_owned()),
        },
        Lookup::UnknownVersion => {
            (Answer::Denied, format!("this version isn't served; served: {}", served(id)))
        }
        Lookup::Unknown => (Answer::Denied, "the host doesn't know this interface".to_owned()),
    };
    Answered { interface: id.clone(), answer, by }
}

fn granted(capability: Capability, grants: &Grants) -> bool {
    match capability {
        Capability::Filesystem => !grants.filesystem.is_empty(),
        Capability::Environment => grants.environment,
    }
}

/// The versions served of an interface that the table knows by name.
fn served(id: &InterfaceId) -> String {
    use crate::interfaces::{PATCH_MAX_0_2, PATCH_MAX_0_3, Track};
    let name = format!("{}:{}/{}", id.namespace, id.package, id.interface);
    let tracks: Vec<String> = TABLE
        .iter()
        .filter(|row| row.interface == name)
        .map(|row| match row.track {
            Track::V0_2 => format!("0.2.0 to 0.2.{PATCH_MAX_0_2}"),
            Track::V0_3 => format!("0.3.0 to 0.3.{PATCH_MAX_0_3}"),
        })
        .collect();
    tracks.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Access, FilesystemGrant};

    fn answer(id: &str, grants: &Grants) -> (Answer, String) {
        let one = check_one(&id.parse().unwrap(), grants);
        (one.answer, one.by)
    }

    fn with_data() -> Grants {
        let data = FilesystemGrant { volume: "data".into(), path: "/data".into(), access: Access::ReadOnly };
        Grants { filesystem: vec![data], environment: false }
    }

    #[test]
    fn without_grants_only_the_ambient_set_is_answered() {
        let none = Grants::default();
        for id in ["wasi:cli/stdout@0.2.3", "wasi:clocks/wall-clock@0.2.0", "wasi:random/random@0.3.0"] {
            assert_eq!(answer(id, &none), (Answer::Ambient, "every Morph may".into()), "{id}");
        }
        for id in ["wasi:io/streams@0.2.3", "wasi:filesystem/types@0.3.0", "wasi:http/types@0.2.9"] {
            assert_eq!(answer(id, &none), (Answer::Ambient, "types only".into()), "{id}");
        }
    }

    #[test]
    fn preopens_and_environment_are_empty_until_something_is_granted() {
        let (state, why) = answer("wasi:filesystem/preopens@0.2.0", &Grants::default());
        assert_eq!(state, Answer::Ambient);
        assert!(why.contains("capabilities.filesystem"), "{why}");
        let given = answer("wasi:filesystem/preopens@0.2.0", &with_data());
        assert_eq!(given, (Answer::Granted, "capabilities.filesystem".into()));
        let (state, why) = answer("wasi:cli/environment@0.2.0", &with_data());
        assert_eq!((state, why.contains("no args")), (Answer::Ambient, true), "{why}");
        let environment = Grants { environment: true, ..Grants::default() };
        assert_eq!(answer("wasi:cli/environment@0.3.0", &environment).0, Answer::Granted);
    }

    #[test]
    fn network_and_strangers_are_denied_whatever_is_granted() {
        let all = Grants { environment: true, ..with_data() };
        for id in [
            "wasi:http/outgoing-handler@0.2.3",
            "wasi:http/client@0.3.0",
            "wasi:sockets/tcp-create-socket@0.2.0",
            "wasi:sockets/types@0.3.0",
            "acme:own/thing@1.0.0",
            "wasi:keyvalue/store@0.2.0-draft",
        ] {
            assert_eq!(answer(id, &all).0, Answer::Denied, "{id}");
        }
    }

    #[test]
    fn a_version_that_is_not_served_names_those_that_are() {
        let (state, why) = answer("wasi:cli/stdout@0.2.99", &Grants::default());
        assert_eq!(state, Answer::Denied);
        assert!(why.contains("0.2.0 to 0.2.12, 0.3.0 to 0.3.0"), "{why}");
    }

    #[test]
    fn every_import_is_answered_once_and_in_order() {
        let ids: Vec<InterfaceId> =
            ["acme:b/c@1.0.0", "wasi:cli/stdout@0.2.0", "acme:b/c@1.0.0"].map(|t| t.parse().unwrap()).into();
        let answered = check(&ids, &Grants::default());
        assert_eq!(answered.iter().map(|a| a.interface.clone()).collect::<Vec<_>>(), ids);
        assert_eq!(answered.iter().filter(|a| a.is_denied()).count(), 2);
    }
}
