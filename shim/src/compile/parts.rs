//! What a composition is made of, as one run of bytes: the plan, and each part's component. It takes the
//! place of a component's bytes on their way to the compile child, which composes; nothing is composed here
//! in the server. What doesn't check out is nobody's composition.
//!
//! The form: [`MAGIC`], the header's length (4 bytes, the lowest first), the header as JSON, and for each
//! part its length (8 bytes) and its bytes.

use morph_component::{ComposeError, Plan, compose};
use morph_grant::{Digest, composed_digest};
use serde::{Deserialize, Serialize};

/// How it begins. No component does: those begin with `\0asm`.
const MAGIC: &[u8] = b"morph parts 1\n";

/// Longest header, in bytes: [`morph_component::COMPOSED_IMPORTS_MAX`] imports of two interface ids each,
/// which have at most [`morph_component::INTERFACE_ID_BYTES_MAX`], take some 600 KiB.
pub const HEADER_BYTES_MAX: usize = 1 << 20;

/// The most that it has beside the bytes of parts, in bytes.
pub const FRAME_BYTES_MAX: u64 = (MAGIC.len() + 4 + HEADER_BYTES_MAX + 8 * morph_component::PARTS_MAX) as u64;

/// Why bytes are not what a composition is made of.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// They end too early.
    #[error("the parts of a composition are cut short")]
    Cut,
    /// They go on after the last part.
    #[error("the parts of a composition have {0} bytes too many")]
    Rest(usize),
    /// The header is longer than any can be.
    #[error("the header of a composition's parts has {0} bytes; the most is {HEADER_BYTES_MAX}")]
    Long(usize),
    /// The header isn't one.
    #[error("the header of a composition's parts can't be read")]
    Header(#[from] serde_json::Error),
    /// The plan leads to a part that isn't there, or has other parts.
    #[error("the plan of a composition doesn't fit its {0} parts")]
    Plan(usize),
    /// A part has other bytes than those that are named.
    #[error("part {part} of a composition has other bytes: they are {found}, not {wanted}")]
    OtherBytes {
        /// Its name.
        part: String,
        /// What was named.
        wanted: Digest,
        /// What was found.
        found: Digest,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeaderOf<'a> {
    plan: &'a Plan,
    contents: &'a [Digest],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    plan: Plan,
    contents: Vec<Digest>,
}

/// Writes what a composition is made of.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins with the plan and the digests of its parts' bytes, in its order. So many bytes will follow.
    ///
    /// # Errors
    /// [`PartsError::Long`]; no plan is too long that could be made.
    pub fn begin(plan: &Plan, contents: &[Digest], follow_bytes: usize) -> Result<Self, PartsError> {
        let header = serde_json::to_vec(&HeaderOf { plan, contents })?;
        let length = u32::try_from(header.len()).ok().filter(|_| header.len() <= HEADER_BYTES_MAX);
        let length = length.ok_or(PartsError::Long(header.len()))?;
        let mut bytes =
            Vec::with_capacity(MAGIC.len() + 4 + header.len() + 8 * contents.len() + follow_bytes);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&header);
        Ok(Self(bytes))
    }

    /// The next part's bytes.
    pub fn add(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.0.extend_from_slice(part);
    }

    /// All of it.
    #[must_use]
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// What a composition is made of, checked: each part has the bytes that are named.
#[derive(Debug)]
pub struct Parts<'a> {
    plan: Plan,
    contents: Vec<Digest>,
    bytes: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Whether bytes say that they are this.
    #[must_use]
    pub fn is_begun_by(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads and checks them.
    ///
    /// # Errors
    /// [`PartsError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, PartsError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(PartsError::Cut)?;
        let (length, rest) = rest.split_first_chunk().ok_or(PartsError::Cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > HEADER_BYTES_MAX {
            return Err(PartsError::Long(length));
        }
        let (header, mut rest) = rest.split_at_checked(length).ok_or(PartsError::Cut)?;
        let Header { plan, contents } = serde_json::from_slice(header)?;
        if plan.parts.is_empty() || plan.parts.len() != contents.len() || !plan.is_whole() {
            return Err(PartsError::Plan(contents.len()));
        }
        let mut bytes = Vec::with_capacity(contents.len());
        for (planned, wanted) in plan.parts.iter().zip(&contents) {
            let (length, after) = rest.split_first_chunk().ok_or(PartsError::Cut)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| PartsError::Cut)?;
            let (part, after) = after.split_at_checked(length).ok_or(PartsError::Cut)?;
            let found = Digest::of(part);
            if found != *wanted {
                let (part, wanted) = (planned.name.clone(), wanted.clone());
                return Err(PartsError::OtherBytes { part, wanted, found });
            }
            bytes.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(PartsError::Rest(rest.len()));
        }
        Ok(Self { plan, contents, bytes })
    }

    /// The composition's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        composed_digest(&self.plan, &self.contents)
    }

    /// The composition.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn compose(&self) -> Result<Vec<u8>, ComposeError> {
        compose(&self.plan, &self.bytes)
    }
}

/// By which digest code is kept that is made of these bytes: the composition's where they are parts that
/// check out, their own where they are anything else.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    if Parts::is_begun_by(bytes)
        && let Ok(parts) = Parts::read(bytes)
    {
        return parts.digest();
    }
    Digest::of(bytes)
}

#[cfg(test)]
mod tests;
