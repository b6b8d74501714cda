//! The envelope in which a document travels: DSSE v1 (github.com/secure-systems-lab/dsse) with exactly one
//! signature, canonical and capped. Whoever opens one learns whether a trusted key has signed it.

use crate::{Document, DocumentError, KeyId, SigningKey, TrustedKeys};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The annotation of a pod template in which the envelope stands.
pub const ANNOTATION: &str = "hayride.dev/grant";

/// DSSE payload type of a grant document.
pub const PAYLOAD_TYPE: &str = "application/vnd.hayride.morph.grant.v1+json";

/// Largest envelope, in bytes: all annotations of an object share 256 KiB, and half is left to others.
pub const ENVELOPE_SIZE_BYTES_MAX: usize = 128 << 10;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// Why a document can't be put into an envelope, or taken out of one.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Beyond [`ENVELOPE_SIZE_BYTES_MAX`].
    #[error("the grant takes {size} bytes, at most {max} fit; use fewer or shorter args, env or volumes",
        max = ENVELOPE_SIZE_BYTES_MAX)]
    TooLarge {
        /// Size of the envelope, in bytes.
        size: usize,
    },
    /// Not the JSON of an envelope.
    #[error("annotation {ANNOTATION} is not a grant envelope")]
    Malformed(#[source] serde_json::Error),
    /// None, or several.
    #[error("annotation {ANNOTATION} has {found} signatures, a grant has exactly one")]
    Signatures {
        /// How many there are.
        found: usize,
    },
    /// The signature's key isn't named as keys are.
    #[error("annotation {ANNOTATION}: keyid is not the id of a key")]
    KeyId,
    /// Another payload type.
    #[error("annotation {ANNOTATION}: payload type \"{found}\" is not {PAYLOAD_TYPE}")]
    PayloadType {
        /// What stood there (the first 100 characters).
        found: String,
    },
    /// The payload or the signature isn't base64, or not the only spelling of it.
    #[error("annotation {ANNOTATION}: {field} is not canonical base64")]
    Base64 {
        /// Which of them.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: base64::DecodeSliceError,
    },
    /// Signed by a key that isn't trusted here.
    #[error("annotation {ANNOTATION} is signed by key {id}, which is not trusted here")]
    UnknownKey {
        /// The key's id, as the envelope has it.
        id: KeyId,
    },
    /// The trusted key that it names has not signed it.
    #[error("annotation {ANNOTATION}: the signature is not of key {id} over this grant")]
    Forged {
        /// The key's id.
        id: KeyId,
    },
    /// Signed, but not the JSON of a document that this version reads.
    #[error("annotation {ANNOTATION}: the payload is not a grant document of version {ours}",
        ours = Document::VERSION)]
    Payload(#[source] serde_json::Error),
    /// Signed and read well, but not the text that this code would have written.
    #[error("annotation {ANNOTATION} is not in canonical form")]
    NotCanonical,
    /// The document contradicts itself.
    #[error("annotation {ANNOTATION}: {0}")]
    Document(#[from] DocumentError),
}

/// The annotation's text for a document: the same document and key always give the same text.
///
/// # Errors
/// [`EnvelopeError::TooLarge`], and [`EnvelopeError::Document`] for a document that contradicts itself.
pub fn seal(document: &Document, key: &SigningKey) -> Result<String, EnvelopeError> {
    document.check()?;
    let payload = serde_json::to_vec(document).map_err(EnvelopeError::Payload)?;
    let text = wrap(&payload, &key.public().id(), &key.sign(&signed_text(PAYLOAD_TYPE, &payload)))?;
    check_size(&text)?;
    Ok(text)
}

/// The document in an annotation's text, if a trusted key has signed it. Nothing but the envelope is parsed
/// before the signature was found good. The text must be exactly what [`seal`] writes, so that no two texts
/// stand for one document and key.
///
/// # Errors
/// Any [`EnvelopeError`]; nothing of a text that is wrong anywhere is used.
pub fn open(text: &str, trusted: &TrustedKeys) -> Result<Document, EnvelopeError> {
    let (envelope, signature) = parse(text)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType { found: envelope.payload_type.chars().take(100).collect() });
    }
    let decoded = STANDARD.decode(&envelope.payload);
    let payload =
        decoded.map_err(|error| EnvelopeError::Base64 { field: "payload", source: error.into() })?;
    let signature_bytes = signature_bytes(&signature.sig)?;
    let id = key_id(&signature)?;
    let key = trusted.get(&id).ok_or_else(|| EnvelopeError::UnknownKey { id: id.clone() })?;
    if !key.has_signed(&signed_text(PAYLOAD_TYPE, &payload), &signature_bytes) {
        return Err(EnvelopeError::Forged { id });
    }
    let document: Document = serde_json::from_slice(&payload).map_err(EnvelopeError::Payload)?;
    let canonical = serde_json::to_vec(&document).map_err(EnvelopeError::Payload)?;
    if canonical != payload || wrap(&payload, &id, &signature_bytes)? != text {
        return Err(EnvelopeError::NotCanonical);
    }
    document.check()?;
    Ok(document)
}

/// Whether a text holds this very document, whoever has signed it: nothing is verified, and nothing but the
/// envelope is parsed. For what starts nothing any more; [`open`] is for what does.
#[must_use]
pub fn holds(text: &str, document: &Document) -> bool {
    let Ok((envelope, _)) = parse(text) else { return false };
    let payload = serde_json::to_vec(document).map(|payload| STANDARD.encode(payload));
    envelope.payload_type == PAYLOAD_TYPE && payload.is_ok_and(|payload| payload == envelope.payload)
}

/// The key by which a text says that it is signed. Nothing is verified: this tells which keys are in use.
///
/// # Errors
/// The text isn't an envelope with one signature.
pub fn key_id_of(text: &str) -> Result<KeyId, EnvelopeError> {
    parse(text).and_then(|(_, signature)| key_id(&signature))
}

fn parse(text: &str) -> Result<(Envelope, Signature), EnvelopeError> {
    check_size(text)?;
    let mut envelope: Envelope = serde_json::from_str(text).map_err(EnvelopeError::Malformed)?;
    let found = envelope.signatures.len();
    match envelope.signatures.pop() {
        Some(signature) if found == 1 => Ok((envelope, signature)),
        _ => Err(EnvelopeError::Signatures { found }),
    }
}

fn check_size(text: &str) -> Result<(), EnvelopeError> {
    let size = text.len();
    if size > ENVELOPE_SIZE_BYTES_MAX { Err(EnvelopeError::TooLarge { size }) } else { Ok(()) }
}

fn key_id(signature: &Signature) -> Result<KeyId, EnvelopeError> {
    signature.keyid.parse().map_err(|_| EnvelopeError::KeyId)
}

fn signature_bytes(text: &str) -> Result<[u8; 64], EnvelopeError> {
    let wrong = |source| EnvelopeError::Base64 { field: "sig", source };
    let mut bytes = [0; 64];
    match STANDARD.decode_slice(text, &mut bytes).map_err(wrong)? {
        64 => Ok(bytes),
        length => Err(wrong(base64::DecodeError::InvalidLength(length).into())),
    }
}

fn wrap(payload: &[u8], id: &KeyId, signature: &[u8]) -> Result<String, EnvelopeError> {
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(payload),
        signatures: vec![Signature { keyid: id.to_string(), sig: STANDARD.encode(signature) }],
    };
    serde_json::to_string(&envelope).map_err(EnvelopeError::Malformed)
}

/// What is signed: DSSE's pre-authentication encoding, in which lengths keep type and payload apart.
fn signed_text(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests;
