//! `morph push FILE REF`: checks a component and pushes it as an OCI artifact.

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `morph push`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The component.
    file: PathBuf,
    /// Where to, with a tag: registry.example/team/name:tag
    reference: String,
}

/// Pushes.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    bail!("{} to {}: pushing is not built yet", args.file.display(), args.reference)
}
