//! The program: rows by name, a record of all, a page from a record.

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use morph_bench::page;
use morph_bench::programs::{Chosen, Programs};
use morph_bench::record::{Machine, Record};
use morph_bench::report::Report;
use morph_bench::rounds::REPETITIONS_MIN;
use morph_bench::rows::{Bench, Row, serve_natively};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Morph's figures beside those of its peers, in one run.
#[derive(Debug, Parser)]
#[command(name = "morph-bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs every row and keeps a record.
    All(All),
    /// Makes a page from a record.
    Page(PageArguments),
    /// The native HTTP server that P4 measures beside the others.
    #[command(hide = true)]
    ServeNatively {
        /// Where it listens.
        address: SocketAddr,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Rows to run.
    #[arg(required = true)]
    rows: Vec<Row>,
    /// A record of the same programs, in which these rows take the place of their like.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct All {
    /// Where the record goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    #[command(flatten)]
    programs: Chosen,
    /// Repetitions of each side.
    #[arg(long, default_value_t = REPETITIONS_MIN)]
    repetitions: u32,
    /// Divides every count of pods: to try the rows, never for figures.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    shrink: u16,
}

#[derive(Debug, clap::Args)]
struct PageArguments {
    /// The record.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The page; pictures go into a directory of its name beside it.
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md")]
    to: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    // What is dropped then takes its node away: containerd, pods, mounts.
    tokio::select! {
        done = act(arguments) => done,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("asked to end"),
    }
}

async fn act(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Some(Command::All(all)) => {
            let (record, is_missed) = run(&Row::ALL, all.how).await?;
            record.write(&all.out)?;
            Ok(exit_code(is_missed))
        }
        Some(Command::Page(page)) => make_page(&page.from, &page.to).map(|()| ExitCode::SUCCESS),
        Some(Command::ServeNatively { address }) => serve_natively(address).await.map(|()| ExitCode::SUCCESS),
        None => run_named(arguments.run).await,
    }
}

fn exit_code(is_missed: bool) -> ExitCode {
    if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs rows that somebody has asked for by name: none is left out.
async fn run_named(asked: Run) -> Result<ExitCode> {
    for row in &asked.rows {
        if let Some(why) = row.lacks().await {
            bail!("{row:?}: {why}");
        }
    }
    let (record, is_missed) = run(&asked.rows, asked.how).await?;
    if let Some(path) = &asked.into {
        Record::read(path)?.with(record)?.write(path)?;
    }
    Ok(exit_code(is_missed))
}

/// Runs rows and prints each as soon as it is done; answers the record and whether a target was missed.
async fn run(rows: &[Row], how: How) -> Result<(Record, bool)> {
    let programs = Programs::find(how.programs)?;
    let machine = Machine::this()?;
    say(&[machine.line(), format!("shim: {}", programs.shim.display())])?;
    let mut record = Record {
        begun: jiff::Timestamp::now().to_string(),
        machine,
        programs: BTreeMap::from([("containerd-shim-morph-v1".to_owned(), digest(&programs.shim)?)]),
        rows: Vec::new(),
    };
    let bench = Bench { programs, repetitions: how.repetitions, shrink: how.shrink.into() };
    for row in rows {
        let report = match row.lacks().await {
            Some(why) => Report::absent(&format!("{row:?}"), why),
            None => row.run(&bench).await.with_context(|| format!("{row:?}"))?,
        };
        say(&report.lines())?;
        record.rows.push(report);
    }
    let is_missed = record.rows.iter().any(Report::is_missed);
    Ok((record, is_missed))
}

fn say(lines: &[String]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

fn digest(program: &Path) -> Result<String> {
    let bytes = std::fs::read(program).with_context(|| program.display().to_string())?;
    Ok(morph_grant::Digest::of(&bytes).hex())
}

fn make_page(from: &Path, to: &Path) -> Result<()> {
    let name = to.file_stem().and_then(|name| name.to_str()).context("the page has no name")?;
    let page = page::page(&Record::read(from)?, name);
    let pictures = to.with_extension("");
    std::fs::create_dir_all(&pictures).with_context(|| pictures.display().to_string())?;
    for (file, svg) in &page.pictures {
        std::fs::write(pictures.join(file), svg)?;
    }
    std::fs::write(to, page.text).with_context(|| to.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    /// `cargo run -p morph-bench` runs none of two programs unless the package says which.
    #[test]
    fn the_command_that_documents_give_finds_this_program() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo
            .args("metadata --no-deps --offline --format-version 1 --manifest-path".split(' '))
            .arg(manifest);
        let told: serde_json::Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
        let packages = told["packages"].as_array().unwrap();
        let own = packages.iter().find(|package| package["name"] == env!("CARGO_PKG_NAME")).unwrap();
        assert_eq!(own["default_run"], env!("CARGO_BIN_NAME"));
    }
}
