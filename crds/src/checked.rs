//! From what was written to what was checked: bounds and shapes by the schema itself, rules by their twins
//! in Rust. The API server asks the same; here it is asked again, of objects written under an older schema
//! and of files that never saw a server.

mod check;
pub(crate) mod rules;
mod schema;
pub(crate) mod shape;

use crate::bounds::GRACE_PERIOD_SECONDS_DEFAULT;
use crate::{Http, Morph, MorphSpec};
use std::fmt;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, such as `spec.env[0].name`.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl FieldError {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything that is wrong with a Morph; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

/// Errors spelt out in one text; the rest is counted.
const ERRORS_SHOWN_MAX: usize = 8;

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().take(ERRORS_SHOWN_MAX).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        match self.0.len().saturating_sub(ERRORS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for FieldErrors {}

/// A Morph that keeps every bound, shape and rule of the schema. Who holds one need not ask again.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidMorph {
    name: String,
    spec: MorphSpec,
    memory_bytes: Option<u64>,
}

impl ValidMorph {
    /// Checks a Morph's name and spec.
    ///
    /// # Errors
    /// All that is wrong, each with its field.
    pub fn new(morph: &Morph) -> Result<Self, FieldErrors> {
        let name = morph.metadata.name.clone().unwrap_or_default();
        let mut errors = schema::check(&name, &morph.spec);
        errors.extend(check::check(&morph.spec));
        if morph.spec.plugs.iter().any(|plug| plug.name == name) {
            errors.push(FieldError::new("spec.plugs", rules::PLUG_NAMED_AS_MORPH));
        }
        if !errors.is_empty() {
            return Err(FieldErrors(errors));
        }
        let memory = morph.spec.limits.as_ref().and_then(|limits| limits.memory.as_ref());
        let memory_bytes = memory.map(crate::Quantity::bytes).transpose();
        let memory_bytes = memory_bytes
            .map_err(|error| FieldErrors(vec![FieldError::new("spec.limits.memory", error.to_string())]))?;
        Ok(Self { name, spec: morph.spec.clone(), memory_bytes })
    }

    /// The Morph's name: a DNS label that children can append to.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its spec as it was written.
    #[must_use]
    pub fn spec(&self) -> &MorphSpec {
        &self.spec
    }

    /// `limits.memory`, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// `http` with its defaults.
    #[must_use]
    pub fn http(&self) -> Http {
        self.spec.http.clone().unwrap_or_default()
    }

    /// `template.terminationGracePeriodSeconds` with its default.
    #[must_use]
    pub fn grace_period_seconds(&self) -> i64 {
        let asked = self.spec.template.as_ref().and_then(|t| t.termination_grace_period_seconds);
        asked.unwrap_or(GRACE_PERIOD_SECONDS_DEFAULT)
    }
}

#[cfg(test)]
mod tests;
