//! `morph inspect FILE|REF`: what a component imports and exports, of which type it is, and what it would
//! need granted. Nothing of it is run.

use anyhow::{Context as _, Result};
use std::process::ExitCode;

/// Arguments of `morph inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A component file, or a reference to an artifact.
    what: String,
}

/// Inspects.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let bytes = std::fs::read(&args.what).with_context(|| args.what.clone())?;
    let world = morph_component::inspect(&bytes)?;
    for import in &world.imports {
        println!("import {import}");
    }
    for export in &world.exports {
        println!("export {export}");
    }
    Ok(ExitCode::SUCCESS)
}
