//! The operator's verdict without a cluster: the same questions, in the same words, of a file and a
//! component's world. What only a cluster knows (what a tag stands for, who has which name) is not asked.
//! Pure.

use super::validate::{findings, validate};
use super::{Ceiling, Children, Component, Found, FoundPlug, Refusal, Resolution, Seen};
use morph_crds::{FieldError, Morph, Reason, ValidMorph};
use morph_grant::{Answered, SigningKey};
use std::sync::Arc;

/// Stand-ins for what a cluster gives, as long as the real ones: they are in the grant, which has a size.
const UID: &str = "00000000-0000-0000-0000-000000000000";
const NAMESPACE: &str = "default";

/// What the operator would say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// These fields are wrong; never empty.
    Invalid(Vec<FieldError>),
    /// All fields are right, but no pods would be made.
    Refused(Box<Refusal>),
    /// Nothing is wrong with the fields; the component wasn't looked at.
    Fields,
    /// Pods would be made of this.
    Runs(Box<Found>),
}

impl Verdict {
    /// Whether nothing stands against it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Fields | Self::Runs(_))
    }

    /// Each import of the Morph's own component with its answer, where they were asked for.
    #[must_use]
    pub fn imports(&self) -> &[Answered] {
        self.found().map_or(&[], |found| &found.imports)
    }

    /// Its plugs by name, each with its imports and their answers, where they were asked for.
    #[must_use]
    pub fn plugs(&self) -> &[FoundPlug] {
        self.found().map_or(&[], |found| &found.plugs)
    }

    fn found(&self) -> Option<&Found> {
        match self {
            Self::Runs(found) => Some(found),
            Self::Refused(refusal) => refusal.found.as_deref(),
            Self::Invalid(_) | Self::Fields => None,
        }
    }
}

/// Judges a Morph under a ceiling, and with a component what becomes of its imports. Any key will do: what
/// it signs is thrown away, but has the size that it would have. A Morph with plugs is judged by its fields
/// alone: see [`verdict_of_parts`].
#[must_use]
pub fn verdict(
    morph: &Morph,
    component: Option<Component>,
    ceiling: Ceiling,
    signer: Arc<SigningKey>,
) -> Verdict {
    verdict_of_parts(morph, component, Vec::new(), ceiling, signer)
}

/// The same with the components of plugs, in the spec's order: how the parts fit together is judged as well,
/// once all of them are there.
#[must_use]
pub fn verdict_of_parts(
    morph: &Morph,
    component: Option<Component>,
    plugs: Vec<Option<Component>>,
    ceiling: Ceiling,
    signer: Arc<SigningKey>,
) -> Verdict {
    let mut errors = ValidMorph::new(morph).err().map(|errors| errors.0).unwrap_or_default();
    errors.extend(findings(&morph.spec));
    if !errors.is_empty() {
        return Verdict::Invalid(errors);
    }
    let mut morph = morph.clone();
    morph.metadata.uid.get_or_insert_with(|| UID.to_owned());
    morph.metadata.namespace.get_or_insert_with(|| NAMESPACE.to_owned());
    let seen = Seen {
        morph: Arc::new(morph),
        cluster: UID.to_owned(),
        fence: None,
        ceiling,
        signer,
        trusted: Arc::default(),
        resolution: component.map_or(Resolution::Unknown, Resolution::Resolved),
        plugs: plugs.into_iter().map(|plug| plug.map_or(Resolution::Unknown, Resolution::Resolved)).collect(),
        composed: None,
        children: Children::default(),
    };
    match validate(&seen) {
        Ok(valid) => Verdict::Runs(Box::new(valid.found)),
        Err(refusal) if refusal.reason == Reason::Pending => Verdict::Fields,
        Err(refusal) => Verdict::Refused(Box::new(refusal)),
    }
}

#[cfg(test)]
mod tests;
