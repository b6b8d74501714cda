//! `cargo xtask`: `gen` writes what is made from the code, `tidy` checks the rules of style.

mod r#gen;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Generation and the rules of style as a test")]
enum Command {
    /// Writes the generated files: definitions, roles, tables of the docs.
    Gen {
        /// Writes nothing; fails when a file is stale.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    let root = root()?;
    match Command::parse() {
        Command::Gen { check: false } => r#gen::write(&root),
        Command::Gen { check: true } => fail_if_any(&r#gen::stale(&root)?),
    }
}

/// The workspace's folder: the one above this crate's.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("the crate has no folder above it")?.to_owned())
}

fn fail_if_any(findings: &[String]) -> Result<()> {
    for finding in findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} found"),
    }
}
