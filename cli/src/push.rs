//! `morph push FILE REF`: checks a component and pushes it as an OCI artifact.

use crate::registry::{self, RegistryArgs};
use anyhow::{Context as _, Result};
use morph_oci::Reference;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `morph push`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The component.
    file: PathBuf,
    /// Where to, with a tag: registry/team/name:tag
    reference: Reference,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Pushes, and prints the pinned reference alone, so that it can be taken into YAML or a script.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let component = std::fs::read(&args.file).with_context(|| args.file.display().to_string())?;
    let client = registry::client(&args.registry, &args.reference)?;
    let digest = registry::block_on(async { Ok(client.push(&args.reference, component.into()).await?) })?;
    println!("{}", args.reference.pinned(digest));
    Ok(ExitCode::SUCCESS)
}
