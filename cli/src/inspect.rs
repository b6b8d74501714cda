//! `morph inspect FILE|REF`: what a component imports and exports, of which type it is, and what it would
//! need granted. Nothing of it is run.

use crate::registry::{self, RegistryArgs};
use anyhow::{Context as _, Result, anyhow};
use morph_component::World;
use morph_grant::{Answer, Answered, Digest, Grants};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Arguments of `morph inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A component file, or a reference to an artifact.
    what: String,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What is said of a component.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Digest>,
    digest: Digest,
    size_bytes: usize,
    #[serde(rename = "type")]
    type_: Option<String>,
    /// Why it has no type.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    imports: Vec<Import>,
    exports: Vec<String>,
}

#[derive(Serialize)]
struct Import {
    interface: String,
    need: Need,
    /// The field that grants it, or why it can't be had.
    #[serde(skip_serializing_if = "String::is_empty")]
    by: String,
}

/// What an import needs.
#[derive(Serialize, PartialEq, Eq, Clone, Copy)]
enum Need {
    /// Nothing.
    Nothing,
    /// A field of the Morph, without which it answers with nothing.
    Grant,
    /// It can't be had.
    Unavailable,
}

/// Inspects.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let (bytes, manifest) = read(&args)?;
    let world = morph_component::inspect(&bytes).with_context(|| args.what.clone())?;
    let report = report(&bytes, manifest, &world);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", text(&report));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(args: &Args) -> Result<(Vec<u8>, Option<Digest>)> {
    let path = Path::new(&args.what);
    if path.exists() {
        return Ok((std::fs::read(path).with_context(|| args.what.clone())?, None));
    }
    let reference = args.what.parse().map_err(|error| anyhow!("no such file, and no reference: {error}"))?;
    let artifact = registry::pull(&args.registry, &reference)?;
    Ok((artifact.component.to_vec(), Some(artifact.manifest)))
}

fn report(bytes: &[u8], manifest: Option<Digest>, world: &World) -> Report {
    let run = world.run();
    // What is denied under something of each capability can't be had, what is granted needs it.
    let imports = morph_grant::check(&world.imports, &Grants::of_each_capability());
    Report {
        manifest,
        digest: Digest::of(bytes),
        size_bytes: bytes.len(),
        type_: run.as_ref().ok().map(|run| run.kind.to_string()),
        problem: run.err().map(|error| error.to_string()),
        imports: imports.into_iter().map(import).collect(),
        exports: world.exports.iter().map(ToString::to_string).chain(world.plain_exports.clone()).collect(),
    }
}

fn import(answered: Answered) -> Import {
    let (need, by) = match answered.answer {
        // Of one component by itself no other answers anything.
        Answer::Ambient | Answer::Plug => (Need::Nothing, String::new()),
        Answer::Granted => (Need::Grant, answered.by),
        Answer::Denied => (Need::Unavailable, answered.by),
    };
    Import { interface: answered.interface.to_string(), need, by }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let mut line = |name: &str, value: &str| {
        let _ok = writeln!(text, "{name:<10} {value}");
    };
    if let Some(manifest) = &report.manifest {
        line("manifest", &manifest.to_string());
    }
    line("component", &format!("{}, {} bytes", report.digest, report.size_bytes));
    match (&report.type_, &report.problem) {
        (Some(type_), _) => line("type", type_),
        (None, problem) => line("type", &format!("none: {}", problem.clone().unwrap_or_default())),
    }
    for export in &report.exports {
        line("export", export);
    }
    let width = report.imports.iter().map(|import| import.interface.len()).max().unwrap_or_default();
    for import in &report.imports {
        let note = match import.need {
            Need::Nothing => String::new(),
            Need::Grant => format!("needs {}", import.by),
            Need::Unavailable => format!("can't be had: {}", import.by),
        };
        line("import", format!("{:<width$}  {note}", import.interface).trim_end());
    }
    let unavailable = report.imports.iter().filter(|import| import.need == Need::Unavailable).count();
    match unavailable {
        0 => {}
        1 => line("verdict", "does not run: 1 import can't be had"),
        more => line("verdict", &format!("does not run: {more} imports can't be had")),
    }
    text
}

#[cfg(test)]
mod tests;
