//! What each component of a Morph may do: the grant document, its envelope and the import check.
//! No I/O, no Kubernetes client, no wasmtime.

mod digest;
mod document;

pub use digest::{Digest, DigestError};
pub use document::{
    Access, Component, Document, EnvLiteral, FilesystemGrant, Grants, Http, Limits, Link, Mount, MountUse,
    RunType, Subject, VolumeKind,
};
