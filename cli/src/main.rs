//! `morph`, also `kubectl-morph`: push and inspect components, run the same YAML without a cluster.
//! Only the wiring: each sub-command is a file with its `Args` and its `main`.

mod check;
mod compose;
mod inspect;
mod logs;
mod manifest;
mod parts;
mod push;
mod registry;
mod run;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Pushes, inspects and runs Morphs.
#[derive(Parser)]
#[command(name = "morph", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Push a component to a registry and print the reference that is pinned to it.
    Push(push::Args),
    /// Say what a component imports and exports, of which type it is and what it needs granted.
    Inspect(inspect::Args),
    /// Say what the operator would say of a Morph's YAML, and what a component needs granted.
    Check(check::Args),
    /// Compose a Morph and its plugs as a node would, and print what answers each import.
    Compose(compose::Args),
    /// Print what the pods of a Morph have written, or what one of its components has logged.
    Logs(logs::Args),
    /// Run a Morph's YAML here, without a cluster: the same checks, the same rights, the same host.
    Run(run::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Push(args) => push::main(args),
        Command::Inspect(args) => inspect::main(args),
        Command::Check(args) => check::main(&args),
        Command::Compose(args) => compose::main(&args),
        Command::Logs(args) => logs::main(args),
        Command::Run(args) => run::main(args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("morph: {error:#}");
        ExitCode::FAILURE
    })
}

/// Takes `NAME=REST` apart.
fn pair(option: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, rest)) if !name.is_empty() => Ok((name.to_owned(), rest.to_owned())),
        _ => bail!("{option} {text}: write NAME=…"),
    }
}
