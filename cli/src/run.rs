//! `morph run FILE`: a Morph's YAML without a cluster. The checks, the rights and the host are those of a
//! cluster; what a cluster would fill in (volumes, values by reference) comes from the command line, and
//! only where the YAML asks for it. Replicas, schedules and pod options mean nothing here.

mod manifest;
mod signals;
mod task;
mod unknown;
mod volumes;

use crate::registry::{self, RegistryArgs};
use anyhow::{Context as _, Result, bail};
use morph_component::Kind;
use morph_crds::{MorphType, ValidMorph};
use morph_host::{EngineKind, Outcome, Program, Stdio, Task, code};
use morph_oci::Reference;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `morph run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file with a Morph; - reads standard input.
    file: PathBuf,
    /// Which Morph, where the file has several.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Run this component in place of the image.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// A directory for one of the Morph's volumes. An emptyDir needs none.
    #[arg(long = "volume", value_name = "NAME=DIR")]
    volumes: Vec<String>,
    /// The value of a variable that the Morph takes by reference.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Listen on this port of 127.0.0.1 in place of the Morph's own; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Runs; the exit code is the guest's.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let text = manifest::read(&args.file)?;
    let morph = manifest::find(&text, args.name.as_deref()).with_context(|| shown(&args.file))?;
    let valid = ValidMorph::new(&morph).with_context(|| shown(&args.file))?;
    let values = task::pairs("--env", &args.env)?;
    let bytes = component(&args, &valid)?;
    let world = match morph_component::inspect(&bytes) {
        Ok(world) => world,
        Err(error) => return Ok(ended(&Outcome::because(code::BAD_COMPONENT, error.to_string()))),
    };
    let kind = match world.run_as(wanted(valid.spec().type_)) {
        Ok(run) => run.kind,
        Err(error) => return Ok(ended(&Outcome::because(code::BAD_COMPONENT, error.to_string()))),
    };
    let volumes = volumes::Volumes::new(&valid, &task::pairs("--volume", &args.volumes)?)?;
    let task = task::task(&valid, &task::Local { kind, port: args.port, values: &values }, &volumes)?;
    let engine = morph_host::engine(EngineKind::of(&world))?;
    match Program::from_component(&engine, &bytes) {
        Ok(program) => run(program, task),
        Err(error) => {
            let error = anyhow::Error::from(error);
            Ok(ended(&Outcome::because(code::COMPILE_FAILED, format!("{error:#}"))))
        }
    }
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

fn component(args: &Args, valid: &ValidMorph) -> Result<Vec<u8>> {
    if let Some(file) = &args.component {
        return std::fs::read(file).with_context(|| file.display().to_string());
    }
    let reference: Reference = valid.spec().image.parse().context("spec.image")?;
    let artifact = registry::pull(&args.registry, &reference).context("spec.image")?;
    Ok(artifact.component.to_vec())
}

fn wanted(type_: MorphType) -> Option<Kind> {
    match type_ {
        MorphType::Auto => None,
        MorphType::Command => Some(Kind::Command),
        MorphType::Server => Some(Kind::Server),
    }
}

/// Runs the guest on this process's streams until it ends, or two signals want it gone at once.
fn run(program: Program, task: Task) -> Result<ExitCode> {
    let stdio = Stdio::inherit().context("the standard streams can't be duplicated")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let (stopper, stop) = morph_host::stop();
        let listening = |address| eprintln!("morph: listening on http://{address}");
        let impatient = signals::watch(stopper)?;
        tokio::select! {
            outcome = morph_host::run(program, task, stdio, stop, listening, None) => Ok(outcome.code),
            code = impatient => code,
        }
    });
    // A read of standard input that never ends must not keep the program.
    runtime.shutdown_background();
    ended.map(ExitCode::from)
}

/// The exit code of what ended before a guest could say so itself.
fn ended(outcome: &Outcome) -> ExitCode {
    if let Some(message) = &outcome.message {
        eprintln!("morph: {message}");
    }
    ExitCode::from(outcome.code)
}

/// Takes `NAME=REST` apart.
fn pair(option: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, rest)) if !name.is_empty() => Ok((name.to_owned(), rest.to_owned())),
        _ => bail!("{option} {text}: write NAME=…"),
    }
}
