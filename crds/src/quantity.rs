//! Kubernetes' quantities, parsed once and exactly: no floating point, no exponents.

use crate::bounds::QUANTITY_CHARS_MAX;
use crate::checked::shape;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::fmt;

/// A quantity as it was written: `64Mi`, `250m`, `1.5G`, `2`. [`Quantity::milli`] tells its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the form.
    #[error("\"{0}\" is not a quantity; write digits and perhaps one of m, k, M, G, T, Ki, Mi, Gi, Ti")]
    Malformed(String),
    /// Past what can be counted.
    #[error("\"{0}\" is too large; the most is 8Ei")]
    TooLarge(String),
}

/// Suffixes and how many thousandths one of each is.
const SUFFIXES: [(&str, u128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];

/// Greatest value, in thousandths: Kubernetes counts in signed 64 bits.
const MILLI_MAX: u128 = (i64::MAX as u128) * 1000;

impl Quantity {
    /// The value in thousandths, rounded up.
    ///
    /// # Errors
    /// When the text is no quantity, or too large.
    pub fn milli(&self) -> Result<u128, QuantityError> {
        let malformed = || QuantityError::Malformed(self.0.chars().take(40).collect());
        let too_large = || QuantityError::TooLarge(self.0.chars().take(40).collect());
        let end = self.0.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.0.len());
        let (number, suffix) = self.0.split_at(end);
        let (_, unit) = SUFFIXES.iter().find(|(name, _)| *name == suffix).ok_or_else(malformed)?;
        let (whole, fraction) = match number.split_once('.') {
            None => (number, ""),
            Some((whole, fraction)) if (1..=3).contains(&fraction.len()) => (whole, fraction),
            Some(_) => return Err(malformed()),
        };
        if whole.is_empty() || fraction.contains('.') || self.0.len() > QUANTITY_CHARS_MAX as usize {
            return Err(malformed());
        }
        let whole: u128 = whole.parse().map_err(|_| malformed())?;
        let thousandths: u128 = format!("{fraction:0<3}").parse().map_err(|_| malformed())?;
        let value = whole
            .checked_mul(1000)
            .and_then(|scaled| scaled.checked_add(thousandths))
            .and_then(|scaled| scaled.checked_mul(*unit))
            .ok_or_else(too_large)?
            .div_ceil(1000);
        if value > MILLI_MAX { Err(too_large()) } else { Ok(value) }
    }

    /// The value in whole bytes, rounded down: a limit is never wider than it was written.
    ///
    /// # Errors
    /// When the text is no quantity, or too large.
    pub fn bytes(&self) -> Result<u64, QuantityError> {
        u64::try_from(self.milli()? / 1000).map_err(|_| QuantityError::TooLarge(self.0.clone()))
    }
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Quantity> for k8s_openapi::apimachinery::pkg::api::resource::Quantity {
    fn from(quantity: &Quantity) -> Self {
        Self(quantity.0.clone())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 64Mi, as a string or a whole number")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                Ok(Quantity(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity(value.to_string()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Quantity, E> {
                Ok(Quantity(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "maxLength": QUANTITY_CHARS_MAX,
            "x-kubernetes-validations": shape::QUANTITY.number_rules(),
        })
    }
}

#[cfg(test)]
mod tests;
