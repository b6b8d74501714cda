//! `morph`, also `kubectl-morph`: push and inspect components, run the same YAML without a cluster.
//! Only the wiring: each sub-command is a file with its `Args` and its `main`.

mod check;
mod inspect;
mod manifest;
mod push;
mod registry;
mod run;

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
    /// Run a Morph's YAML here, without a cluster: the same checks, the same rights, the same host.
    Run(run::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Push(args) => push::main(args),
        Command::Inspect(args) => inspect::main(args),
        Command::Check(args) => check::main(&args),
        Command::Run(args) => run::main(args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("morph: {error:#}");
        ExitCode::FAILURE
    })
}
