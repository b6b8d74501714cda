//! `morph run FILE`: a Morph's YAML without a cluster. The checks, the rights and the host are those of a
//! cluster; what a cluster would fill in (volumes, values by reference) comes from the command line, and
//! only where the YAML asks for it. Replicas, schedules and pod options mean nothing here.

mod signals;
mod sources;
mod task;
mod volumes;

use crate::manifest;
use crate::parts::{self, PartArgs, Parts};
use anyhow::{Context as _, Result};
use morph_component::Kind;
use morph_crds::MorphType;
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
    let valid = manifest::checked(&args.file, args.name.as_deref())?;
    let spec = valid.spec();
    let values = task::pairs("--env", &args.env)?;
    let (config_maps, secrets) =
        (task::pairs("--config-map", &args.config_maps)?, task::pairs("--secret", &args.secrets)?);
    let sources = sources::Sources::new(spec, &config_maps, &secrets)?;
    let bytes = parts::read(&args.parts, spec)?;
    let looked = Parts::new(spec, bytes).and_then(|parts| {
        let kind = parts.kind(wanted(spec.type_))?;
        let (component, labels) = parts.whole(spec)?;
        Ok((parts.engine(), kind, component, labels))
    });
    let (engine, kind, component, labels) = match looked {
        Ok(looked) => looked,
        Err(unfit) => return Ok(ended(&Outcome::because(code::BAD_COMPONENT, unfit.to_string()))),
    };
    let volumes = volumes::Volumes::new(&valid, &task::pairs("--volume", &args.volumes)?)?;
    let files = sources::files(spec, &sources)?;
    let files = files.as_ref().map(|directory| directory.path());
    let local = task::Local { kind, port: args.port, values: &values, sources: &sources, files };
    let task = Task { labels, ..task::task(&valid, &local, &volumes)? };
    let engine = morph_host::engine(engine)?;
    match Program::from_component(&engine, &component) {
        Ok(program) => run(program, task),
        Err(error) => {
            let error = anyhow::Error::from(error);
            Ok(ended(&Outcome::because(code::COMPILE_FAILED, format!("{error:#}"))))
        }
    }
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
