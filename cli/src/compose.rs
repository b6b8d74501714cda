//! `morph compose FILE`: what a node would compose of a Morph and its plugs, as a component in a file, with
//! the plan that says what answers each import.

use crate::manifest;
use crate::parts::{self, PartArgs, Parts};
use anyhow::{Context as _, Result, bail};
use morph_grant::{Digest, composed_digest};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `morph compose`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file with a Morph; - reads standard input.
    file: PathBuf,
    /// Which Morph, where the file has several.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write the composed component here; without it the plan is printed alone.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    parts: PartArgs,
}

/// Composes, and prints the plan.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let valid = manifest::checked(&args.file, args.name.as_deref())?;
    let spec = valid.spec();
    if spec.plugs.is_empty() {
        let file = manifest::shown(&args.file);
        bail!("{file}: Morph {} has no plugs; there is nothing to compose", valid.name());
    }
    let parts = Parts::new(spec, parts::read(&args.parts, spec)?)?;
    let plan = parts.plan(spec)?;
    let composed = parts.compose(&plan)?;
    let contents: Vec<Digest> = parts.bytes.iter().map(|bytes| Digest::of(bytes)).collect();
    if let Some(out) = &args.out {
        std::fs::write(out, &composed).with_context(|| out.display().to_string())?;
    }
    print!("{plan}");
    println!("composed {} bytes, {}", composed.len(), composed_digest(&plan, &contents));
    Ok(ExitCode::SUCCESS)
}
