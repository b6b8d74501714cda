//! `morph run FILE`: a Morph's YAML without a cluster. The checks, the rights and the host are those of a
//! cluster; what a cluster would fill in (volumes, values by reference) comes from the command line, and
//! only where the YAML asks for it. Replicas, schedules and pod options mean nothing here.

mod signals;
mod sources;
mod task;
mod volumes;

use crate::manifest;
use crate::parts::{self, PartArgs, Parts, Unfit};
use anyhow::{Context as _, Result};
use morph_component::{Kind, Label};
use morph_crds::{FieldErrors, MorphSpec, MorphType, ValidMorph};
use morph_host::{Outcome, Program, Stdio, Task, code};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `morph run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file with a Morph; - reads standard input.
    file: PathBuf,
    /// Which Morph, where the file has several.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A directory for one of the Morph's volumes. An emptyDir needs none.
    #[arg(long = "volume", value_name = "NAME=DIR")]
    volumes: Vec<String>,
    /// The value of a variable that the Morph takes by reference; of a plug's, PLUG/NAME=VALUE.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A directory with a file for each key, for a ConfigMap that the Morph takes keys of.
    #[arg(long = "config-map", value_name = "NAME=DIR")]
    config_maps: Vec<String>,
    /// The same for a Secret.
    #[arg(long = "secret", value_name = "NAME=DIR")]
    secrets: Vec<String>,
    /// Listen on this port of 127.0.0.1 in place of the Morph's own; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
    #[command(flatten)]
    parts: PartArgs,
}

/// Runs; the exit code is the guest's.
pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let text = manifest::read(&args.file)?;
    let morph = manifest::find(&text, args.name.as_deref()).with_context(|| manifest::shown(&args.file))?;
    let shown = || manifest::shown(&args.file);
    let valid = ValidMorph::new(&morph).with_context(shown)?;
    let findings = morph_operator::morph::findings(valid.spec());
    if !findings.is_empty() {
        return Err(FieldErrors(findings)).with_context(shown);
    }
    let values = task::pairs("--env", &args.env)?;
    let (config_maps, secrets) =
        (task::pairs("--config-map", &args.config_maps)?, task::pairs("--secret", &args.secrets)?);
    let sources = sources::Sources::new(valid.spec(), &config_maps, &secrets)?;
    let (plugs, bytes) = parts::read(&args.parts, valid.spec())?;
    let bad =
        |error: &dyn std::fmt::Display| ended(&Outcome::because(code::BAD_COMPONENT, error.to_string()));
    let parts = match Parts::new(plugs, bytes) {
        Ok(parts) => parts,
        Err(error) => return Ok(bad(&error)),
    };
    let kind = match parts.worlds[0].run_as(wanted(valid.spec().type_)) {
        Ok(run) => run.kind,
        Err(error) => return Ok(bad(&error)),
    };
    let (component, labels) = match whole(&parts, valid.spec())? {
        Ok(whole) => whole,
        Err(error) => return Ok(bad(&error)),
    };
    let volumes = volumes::Volumes::new(&valid, &task::pairs("--volume", &args.volumes)?)?;
    let files = sources::files(valid.spec(), &sources)?;
    let files = files.as_ref().map(|directory| directory.path());
    let local = task::Local { kind, port: args.port, values: &values, sources: &sources, files };
    let task = Task { labels, ..task::task(&valid, &parts.plugs, &local, &volumes)? };
    let engine = morph_host::engine(parts.engine())?;
    match Program::from_component(&engine, &component) {
        Ok(program) => run(program, task),
        Err(error) => {
            let error = anyhow::Error::from(error);
            Ok(ended(&Outcome::because(code::COMPILE_FAILED, format!("{error:#}"))))
        }
    }
}

/// What is run, with what of its imports is which part's.
type Whole = (Vec<u8>, Vec<Label>);

/// What is run: the component itself, or what it and its plugs are composed to.
fn whole(parts: &Parts<'_>, spec: &MorphSpec) -> Result<Result<Whole, Unfit>> {
    if parts.plugs.is_empty() {
        return Ok(Ok((parts.bytes[0].clone(), Vec::new())));
    }
    let plan = match parts.plan(spec)? {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    Ok(parts.compose(&plan).map(|composed| (composed, plan.labels().collect())))
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
