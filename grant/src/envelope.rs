//! The envelope in which a document travels: DSSE (github.com/secure-systems-lab/dsse), canonical and capped.
//! It carries no signature yet: until then, an admission policy decides who may bring a grant into being.

use crate::{Document, DocumentError};
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
    /// Not the JSON of an envelope or document.
    #[error("annotation {ANNOTATION} is not a grant envelope")]
    Malformed(#[source] serde_json::Error),
    /// The payload isn't base64.
    #[error("annotation {ANNOTATION}: payload is not base64")]
    Base64(#[source] base64::DecodeError),
    /// Another payload type.
    #[error("annotation {ANNOTATION}: payload type \"{found}\" is not {PAYLOAD_TYPE}")]
    PayloadType {
        /// What stood there (the first 100 characters).
        found: String,
    },
    /// Read well, but not the text that this code would have written.
    #[error("annotation {ANNOTATION} is not in canonical form")]
    NotCanonical,
    /// The document contradicts itself.
    #[error("annotation {ANNOTATION}: {0}")]
    Document(#[from] DocumentError),
}

/// The annotation's text for a document: the same document always gives the same text.
///
/// # Errors
/// [`EnvelopeError::TooLarge`], and [`EnvelopeError::Document`] for a document that contradicts itself.
pub fn seal(document: &Document) -> Result<String, EnvelopeError> {
    document.check()?;
    let payload = serde_json::to_vec(document).map_err(EnvelopeError::Malformed)?;
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(payload),
        signatures: Vec::new(),
    };
    let text = serde_json::to_string(&envelope).map_err(EnvelopeError::Malformed)?;
    if text.len() > ENVELOPE_SIZE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { size: text.len() });
    }
    Ok(text)
}

/// The document in an annotation's text. The text must be exactly what [`seal`] writes, so that no two
/// texts stand for one document.
///
/// # Errors
/// Any [`EnvelopeError`]; nothing of a text that is wrong anywhere is used.
pub fn open(text: &str) -> Result<Document, EnvelopeError> {
    if text.len() > ENVELOPE_SIZE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { size: text.len() });
    }
    let envelope: Envelope = serde_json::from_str(text).map_err(EnvelopeError::Malformed)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType { found: envelope.payload_type.chars().take(100).collect() });
    }
    let payload = STANDARD.decode(&envelope.payload).map_err(EnvelopeError::Base64)?;
    let document: Document = serde_json::from_slice(&payload).map_err(EnvelopeError::Malformed)?;
    if seal(&document)? != text {
        return Err(EnvelopeError::NotCanonical);
    }
    Ok(document)
}

#[cfg(test)]
mod tests;
