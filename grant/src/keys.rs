//! The keys that sign grants: Ed25519, each known by an id made from its public half. Private bytes are
//! shown nowhere and wiped when they are dropped.

use crate::Digest;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    self, DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    KeypairBytes, spki,
};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Most keys trusted at once. Two stand side by side while keys change; the rest is room for clusters that
/// change them often and have pods that live long.
pub const TRUSTED_KEYS_MAX: usize = 16;

/// Largest PEM text taken for a key, in bytes. One of Ed25519 has less than 200; people may write notes too.
pub const KEY_SIZE_BYTES_MAX: usize = 4 << 10;

/// Hexadecimal digits of a key's id: 128 bits, so that nobody finds a second key of the same id.
const ID_DIGITS: usize = 32;

/// A key that signs grants. Only the operator has one.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// The public half of a [`SigningKey`]. Holding one proves that it isn't a key under which anybody could
/// sign.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// What a key is known by: the first 32 hexadecimal digits of the SHA-256 of its 32 public bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// Keys whose grants are taken, by their ids; at most [`TRUSTED_KEYS_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(BTreeMap<KeyId, PublicKey>);

/// Why a text is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Beyond [`KEY_SIZE_BYTES_MAX`].
    #[error("a key's text has at most {KEY_SIZE_BYTES_MAX} bytes, this has {size}")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
    },
    /// Not PKCS#8, or not of this kind.
    #[error("not an Ed25519 private key in PKCS#8 PEM; `openssl genpkey -algorithm ed25519` makes one")]
    Private(#[source] pkcs8::Error),
    /// Not SPKI, or not of this kind.
    #[error("not an Ed25519 public key in PEM; `openssl pkey -pubout` makes one of a private key")]
    Public(#[source] spki::Error),
    /// A point of low order, under which one signature fits many texts.
    #[error("a weak Ed25519 public key, under which anybody could sign; make a new pair")]
    Weak,
    /// Not an id.
    #[error("a key's id has {ID_DIGITS} lower-case hexadecimal digits")]
    Id,
    /// It can't be written.
    #[error("a key that can't be written as PEM")]
    Unwritable,
}

impl SigningKey {
    /// A new key, as good as the numbers of `rng` are.
    #[must_use]
    pub fn generate(rng: &mut impl rand_core_0_9::CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads PKCS#8 in PEM.
    ///
    /// # Errors
    /// The text is something else, or too large.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        check_size(text)?;
        ed25519_dalek::SigningKey::from_pkcs8_pem(text.trim()).map(Self).map_err(KeyError::Private)
    }

    /// PKCS#8 in PEM, without the public half, which not every program can read in there.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Unwritable)
    }

    /// The half that everybody may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The same text always gets the same signature (RFC 8032).
    pub(crate) fn sign(&self, text: &[u8]) -> [u8; Signature::BYTE_SIZE] {
        self.0.sign(text).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl PublicKey {
    /// Reads SPKI in PEM.
    ///
    /// # Errors
    /// The text is something else, too large, or a weak key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        check_size(text)?;
        let key = VerifyingKey::from_public_key_pem(text.trim()).map_err(KeyError::Public)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }

    /// SPKI in PEM.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Unwritable)
    }

    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut digits = Digest::of(self.0.as_bytes()).hex();
        digits.truncate(ID_DIGITS);
        KeyId(digits)
    }

    /// Whether this key's owner has signed the text. Strict: one signature for one text, no weak points.
    pub(crate) fn has_signed(&self, text: &[u8], signature: &[u8; Signature::BYTE_SIZE]) -> bool {
        self.0.verify_strict(text, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

fn check_size(text: &str) -> Result<(), KeyError> {
    let size = text.len();
    if size > KEY_SIZE_BYTES_MAX { Err(KeyError::TooLarge { size }) } else { Ok(()) }
}

impl KeyId {
    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && text.len() == ID_DIGITS { Ok(Self(text.to_owned())) } else { Err(KeyError::Id) }
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl TrustedKeys {
    /// The key of this id.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&PublicKey> {
        self.0.get(id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &PublicKey)> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes the first [`TRUSTED_KEYS_MAX`] keys; what the others sign is refused as by an unknown key.
impl FromIterator<PublicKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        let mut trusted = BTreeMap::new();
        for key in keys {
            if trusted.len() == TRUSTED_KEYS_MAX {
                break;
            }
            trusted.insert(key.id(), key);
        }
        Self(trusted)
    }
}

#[cfg(test)]
mod tests;
