//! `morph check FILE`: the operator's verdict on a Morph, without a cluster, and what a component would need
//! granted. It says what to write and never writes it.

mod denials;

use crate::{manifest, parts};
use anyhow::{Context as _, Result, anyhow, bail};
use morph_component::World;
use morph_crds::{Morph, Part};
use morph_grant::{Answered, Digest, Grants, SigningKey, Suggestion};
use morph_oci::Reference;
use morph_operator::morph::{Ceiling, Component, Known, Verdict, grants, verdict_of_parts};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `morph check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file with a Morph; - reads standard input.
    #[arg(required_unless_present_any = ["suggest", "from_denials"])]
    file: Option<PathBuf>,
    /// Which Morph, where the file has several.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The component that the image has: its type and its imports are judged as well.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The component of a plug: with those of all parts, how they fit together is judged as well.
    #[arg(long = "plug", value_name = "NAME=FILE", requires = "component")]
    plugs: Vec<String>,
    /// The MorphPolicy of the namespace that it is for, in a file: the ceiling is asked as well.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print the least that would have to be granted for the component's imports, as YAML: over
    /// what the Morph
    /// grants, where one is given.
    #[arg(long, requires = "component")]
    suggest: bool,
    /// Print what would have granted that which a run's log says was refused, as YAML; - reads
    /// standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suggest", "component", "file"])]
    from_denials: Option<PathBuf>,
}

/// Judges; the exit code says whether anything stands against it.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    if let Some(log) = &args.from_denials {
        print!("{}", denials::suggest(&manifest::read(log)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let morph = args.file.as_ref().map(|file| morph(file, args.name.as_deref())).transpose()?;
    let component = args.component.as_ref().map(|file| read(file)).transpose()?;
    if args.suggest {
        let Some((_, world)) = &component else { bail!("--suggest: give the component: --component FILE") };
        let granted = morph.as_ref().map(|morph| grants(&morph.spec)).unwrap_or_default();
        print!("{}", suggestion(world, &granted));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(morph) = morph else { bail!("give a file with a Morph") };
    let of_image = |(content, world)| known(&morph.spec.main(), content, world);
    let component = component.map(of_image).transpose()?;
    let plugs = plugs(&morph, &args.plugs)?;
    let ceiling = args.policy.as_ref().map_or(Ok(Ceiling::None), |file| ceiling(file))?;
    let judged = verdict_of_parts(&morph, component, plugs, ceiling, Arc::new(throwaway_key()));
    print!("{}", text(&morph, &judged));
    Ok(if judged.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn morph(file: &Path, name: Option<&str>) -> Result<Morph> {
    let text = manifest::read(file)?;
    manifest::find(&text, name).with_context(|| manifest::shown(file))
}

fn ceiling(file: &Path) -> Result<Ceiling> {
    let policy = manifest::find_policy(&manifest::read(file)?).with_context(|| manifest::shown(file))?;
    Ok(Ceiling::Policy { name: policy.metadata.name.unwrap_or_default(), spec: Arc::new(policy.spec) })
}

/// A component file: the digest of its bytes, and its world.
fn read(file: &Path) -> Result<(Digest, World)> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let world = morph_component::inspect(&bytes).with_context(|| file.display().to_string())?;
    Ok((Digest::of(&bytes), world))
}

/// The component as the operator would have found it. What no registry told (the manifest's digest) is in the
/// grant as long as it would be.
fn known(part: &Part<'_>, content: Digest, world: World) -> Result<Component> {
    let reference: Reference = part.image.parse().map_err(|error| anyhow!("{}.image: {error}", part.at()))?;
    let manifest = reference.digest().cloned().unwrap_or_else(|| content.clone());
    Ok(Component { image: reference.pinned(manifest), content, known: Known::Read(Arc::new(world)) })
}

/// The components of plugs, in the spec's order; none for one without a file.
fn plugs(morph: &Morph, given: &[String]) -> Result<Vec<Option<Component>>> {
    let files = parts::files(given, &morph.spec)?;
    let one = |plug: Part<'_>| {
        let Some(file) = files.get(plug.name) else { return Ok(None) };
        let (content, world) = read(file)?;
        known(&plug, content, world).map(Some)
    };
    morph.spec.parts().skip(1).map(one).collect()
}

/// What it signs is measured and thrown away: nobody trusts it, and the same file gives the same verdict.
fn throwaway_key() -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(0))
}

fn suggestion(world: &World, granted: &Grants) -> String {
    let Suggestion { yaml, notes } = morph_grant::suggest(&world.imports, granted);
    let notes: String = notes.iter().map(|note| format!("# {note}\n")).collect();
    match (yaml.is_empty(), notes.is_empty()) {
        (true, true) => "# every import is answered; nothing has to be granted\n".to_owned(),
        _ => format!("{notes}{yaml}"),
    }
}

/// One line for each thing to say, and then for each import its answer.
fn text(morph: &Morph, judged: &Verdict) -> String {
    let name = morph.metadata.name.as_deref().unwrap_or_default();
    let mut text = match judged {
        Verdict::Invalid(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
        Verdict::Refused(refusal) => {
            let (condition, reason) = (refusal.condition.as_str(), refusal.reason.as_str());
            format!("{condition}=False ({reason}): {}\n", refusal.message.trim_end())
        }
        Verdict::Fields => {
            format!("Morph {name}: nothing is wrong with its fields; --component FILE judges its imports\n")
        }
        Verdict::Runs(found) => format!("Morph {name}: runs as {:?}\n", found.runs),
    };
    let plugs = judged.plugs().iter().map(|plug| (format!("{}: ", plug.name), &plug.imports[..]));
    let parts: Vec<_> = std::iter::once((String::new(), judged.imports())).chain(plugs).collect();
    let lines: Vec<(String, &Answered)> = parts
        .iter()
        .flat_map(|(part, imports)| imports.iter().map(move |one| (format!("{part}{}", one.interface), one)))
        .collect();
    let width = lines.iter().map(|(interface, _)| interface.len()).max().unwrap_or_default();
    for (interface, Answered { answer, by, .. }) in lines {
        // Writing to a String can't fail.
        let _ok = writeln!(text, "import  {interface:<width$}  {answer}: {by}");
    }
    text
}

#[cfg(test)]
mod tests;
