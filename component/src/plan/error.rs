//! Why there is no plan: each reason a variant of its own, and all that can be told at once together.

use super::ChoiceProblem;
use crate::InterfaceId;
use std::fmt;

/// One thing that stands against a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More of something than may be.
    #[error("the composition has {count} {what}; the most is {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A plug's name that another part has, or that stands for something else.
    #[error("the name \"{name}\" is another part's, or stands for the main component or the host")]
    Name {
        /// The name.
        name: String,
    },
    /// A link that can't be meant.
    #[error("links[{index}].{problem}")]
    Link {
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        problem: Box<ChoiceProblem>,
    },
    /// Nobody answers an import.
    #[error(
        "nothing answers {interface}, which {part} imports: no plug exports it, and the host doesn't know it"
    )]
    Unresolved {
        /// The part that imports.
        part: String,
        /// The import.
        interface: InterfaceId,
    },
    /// Several could answer an import.
    #[error(
        "{interface}, which {part} imports, could be answered by {}; a line of links says by which",
        .candidates.join(" and by ")
    )]
    Ambiguous {
        /// The part that imports.
        part: String,
        /// The import.
        interface: InterfaceId,
        /// Plugs by name, and the host.
        candidates: Vec<String>,
    },
    /// What is offered is of versions that don't fit.
    #[error("{part} imports {interface}, and what is there can't stand for it: {}", offers(.offered))]
    VersionMismatch {
        /// The part that imports.
        part: String,
        /// The import.
        interface: InterfaceId,
        /// Plugs by name, each with its version.
        offered: Vec<(String, InterfaceId)>,
    },
    /// What is exported isn't what is imported, though it is called the same.
    #[error(
        "{part} imports {interface}, and what {to} exports by that name is of another type: {}",
        differs(.item, .wanted, .offered.as_deref())
    )]
    TypeMismatch {
        /// The part that imports.
        part: String,
        /// The import.
        interface: InterfaceId,
        /// The plug that exports.
        to: String,
        /// The first item of the interface that differs.
        item: String,
        /// What it is in the import.
        wanted: String,
        /// What it is in the export, if it is there.
        offered: Option<String>,
    },
    /// Parts that need each other.
    #[error("parts need each other, and none can be first: {}", .parts.join(" → "))]
    Cycle {
        /// The way round, the first part at its end again.
        parts: Vec<String>,
    },
    /// Plugs that nothing leads to.
    #[error("nothing uses {}: {verb} no export that the main component needs, itself or through others",
        .parts.join(" and "), verb = if .parts.len() == 1 { "it has" } else { "they have" })]
    Unused {
        /// Their names.
        parts: Vec<String>,
    },
}

fn offers(offered: &[(String, InterfaceId)]) -> String {
    let all: Vec<_> = offered.iter().map(|(part, export)| format!("{part} exports {export}")).collect();
    all.join(", ")
}

fn differs(item: &str, wanted: &str, offered: Option<&str>) -> String {
    match offered {
        Some(offered) => format!("{item} is {offered} there, and {wanted} is wanted"),
        None => format!("{item} isn't there, and {wanted} is wanted"),
    }
}

/// All that stands against a plan, as far as it can be told at once. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors(Vec<PlanError>);

impl PlanErrors {
    /// Goes on where there is no error.
    pub(super) fn none_in(errors: Vec<PlanError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// Each of them; the first is the one to be named where one is named.
    pub fn iter(&self) -> impl Iterator<Item = &PlanError> {
        self.0.iter()
    }
}

impl From<PlanError> for PlanErrors {
    fn from(error: PlanError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanErrors {}
