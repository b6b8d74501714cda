//! A component of what a container runs: where it is, and which bytes it must be.

use super::refused;
use crate::content::Source;
use morph_grant::{Digest, Document};
use morph_host::Outcome;

/// A component of what a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name among parts, where there are several.
    pub part: Option<String>,
    /// Where it is.
    pub source: Source,
    /// Digest of its bytes, where a document says it.
    content: Option<Digest>,
}

impl Component {
    /// Those of a document, in its order.
    pub(super) fn of(document: &Document) -> Vec<Self> {
        let is_composed = document.components.len() > 1;
        let component = |(name, component): (&str, &morph_grant::Component)| Self {
            part: is_composed.then(|| name.to_owned()),
            source: Source::Manifest(component.manifest.clone()),
            content: Some(component.content.clone()),
        };
        document.part_names().zip(&document.components).map(component).collect()
    }

    /// One that no document names.
    pub(super) fn ungranted(source: Source) -> Self {
        Self { part: None, source, content: None }
    }

    /// Whether these are the bytes that the document names.
    ///
    /// # Errors
    /// The outcome of a container that must not run.
    pub fn check_content(&self, found: &Digest) -> Result<(), Outcome> {
        match &self.content {
            Some(content) if content != found => {
                Err(refused(format!("it is for component {content}, the manifest has {found}")))
            }
            _ => Ok(()),
        }
    }

    /// An outcome that is this component's, which says so where there are several.
    #[must_use]
    pub fn own(&self, outcome: Outcome) -> Outcome {
        match &self.part {
            Some(part) => {
                let message = outcome.message.as_deref().map(|message| named(part, message));
                Outcome { message, ..outcome }
            }
            None => outcome,
        }
    }

    /// Words that are said of this component, which say so where there are several.
    #[must_use]
    pub fn say(&self, words: String) -> String {
        match &self.part {
            Some(part) => named(part, &words),
            None => words,
        }
    }
}

/// Words that are said of a part.
pub(super) fn named(part: &str, words: &str) -> String {
    format!("part {part}: {words}")
}
