//! What each component of a Morph may do: the grant document, its envelope and the import check.
//! No I/O, no Kubernetes client, no wasmtime.

mod check;
pub mod denial;
mod digest;
mod document;
mod envelope;
mod inspection;
pub mod interfaces;
mod keys;
mod parts;
mod rights;
mod round;
pub mod special;

#[cfg(test)]
mod samples;
mod suggest;

pub use check::{Answer, Answered, check, check_one};
pub use denial::{DenialReport, ReportError};
pub use digest::{Digest, DigestError};
pub use document::{
    CONTAINER, Component, Document, DocumentError, EnvLiteral, EnvReference, Http, Link, Mount, MountUse,
    PLUG_VARIABLE_PREFIX, Reuse, RunType, Subject, VolumeKind,
};
pub use envelope::{
    ANNOTATION, ENVELOPE_SIZE_BYTES_MAX, EnvelopeError, PAYLOAD_TYPE, holds, key_id_of, open, seal,
};
pub use inspection::{
    INSPECT_ANNOTATION, INSPECT_CONTAINER, INSPECTION_BYTES_MAX, Inspection, InspectionError,
};
pub use keys::{KEY_SIZE_BYTES_MAX, KeyError, KeyId, PublicKey, SigningKey, TRUSTED_KEYS_MAX, TrustedKeys};
pub use parts::{check_part, composed_digest, host, shares};
pub use rights::{
    Access, Ambient, ConfigEntry, ConnectRule, Credential, Determinism, FileName, FilesystemGrant, Grants,
    HttpGrant, HttpLimits, HttpRule, HttpScheme, KeyvalueGrant, Limits, ListenRule, Peer, Protocol,
    SocketsGrant,
};
pub use round::{hosts_overlap, is_address, walks_round};
pub use suggest::{Suggestion, suggest};
