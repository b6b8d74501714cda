//! The programs that are measured: where they are, and how those are built that nobody installs. A peer's
//! program that can't be had is a reason, not an error: its side says so.

use anyhow::{Context, Result, anyhow};
use morph_testkit::tools::{cache, tool};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Version of `wasmtime serve`: Morph's own wasmtime.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// What the command line says of programs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Chosen {
    /// Morph's shim; the one beside this program if it isn't said. Build it with optimisation.
    #[arg(long, value_name = "PROGRAM")]
    pub shim: Option<PathBuf>,
    /// The shim on containerd-shim-wasm; built from `bench/peer` if it isn't said.
    #[arg(long, value_name = "PROGRAM")]
    pub peer: Option<PathBuf>,
    /// wasmtime 48.0.8; installed by cargo into the cache if it isn't said.
    #[arg(long, value_name = "PROGRAM")]
    pub wasmtime: Option<PathBuf>,
    /// Components of `hack/guests`; those beside this program's directory if it isn't said.
    #[arg(long, value_name = "DIRECTORY")]
    pub guests: Option<PathBuf>,
}

/// Programs, found or built.
#[derive(Debug, Clone)]
pub struct Programs {
    chosen: Chosen,
    /// Morph's shim.
    pub shim: PathBuf,
    guests: PathBuf,
}

impl Programs {
    /// Finds Morph's own.
    ///
    /// # Errors
    /// A shim that isn't there.
    pub fn find(chosen: Chosen) -> Result<Self> {
        let own = std::env::current_exe()?;
        let beside = own.parent().context("this program has no directory")?.to_owned();
        let shim = chosen.shim.clone().unwrap_or_else(|| beside.join("containerd-shim-morph-v1"));
        let shim = fs::canonicalize(&shim)
            .with_context(|| format!("{}: build the shim, or name one with --shim", shim.display()))?;
        let guests = chosen.guests.clone().unwrap_or_else(|| beside.join("../guests"));
        Ok(Self { chosen, shim, guests })
    }

    /// A component of `hack/guests`.
    ///
    /// # Errors
    /// One that isn't built.
    pub fn guest(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.guests.join(format!("{name}.wasm"));
        fs::read(&path).with_context(|| format!("{}: run hack/guests", path.display()))
    }

    /// A program of a node.
    ///
    /// # Errors
    /// One that `hack/up` has not built.
    pub fn tool(group: &str, name: &str) -> Result<PathBuf> {
        tool(group, name).map_err(|why| anyhow!(why))
    }

    /// The shim that runs nothing; it is built with Morph's and lies beside it.
    ///
    /// # Errors
    /// One that isn't there.
    pub fn null(&self) -> Result<PathBuf> {
        let path = self.shim.with_file_name("containerd-shim-null-v1");
        fs::canonicalize(&path).with_context(|| format!("{}: build morph-bench", path.display()))
    }

    /// The peer's shim.
    ///
    /// # Errors
    /// A build that fails.
    pub fn peer(&self) -> Result<PathBuf> {
        if let Some(peer) = &self.chosen.peer {
            return fs::canonicalize(peer).with_context(|| peer.display().to_string());
        }
        let target = cached("target-peer")?;
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--quiet"]).env("CARGO_TARGET_DIR", &target);
        succeed(cargo.current_dir(source("peer")), "building bench/peer")?;
        Ok(target.join("release/containerd-shim-peer-v1"))
    }

    /// wasmtime.
    ///
    /// # Errors
    /// An installation that fails.
    pub fn wasmtime(&self) -> Result<PathBuf> {
        if let Some(wasmtime) = &self.chosen.wasmtime {
            return fs::canonicalize(wasmtime).with_context(|| wasmtime.display().to_string());
        }
        let root = cached(&format!("wasmtime-cli-{WASMTIME_VERSION}"))?;
        let program = root.join("bin/wasmtime");
        if !program.exists() {
            let mut cargo = Command::new("cargo");
            cargo.args(["install", "--locked", "--quiet", "--version", WASMTIME_VERSION, "--root"]);
            cargo.arg(&root).arg("wasmtime-cli").current_dir(source(""));
            succeed(&mut cargo, "installing wasmtime-cli")?;
        }
        Ok(program)
    }

    /// What runc runs, into a directory that becomes its image.
    ///
    /// # Errors
    /// A build that fails.
    pub fn static_server(directory: &Path) -> Result<()> {
        let mut go = Command::new("go");
        go.args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .arg(directory.join("static-server"))
            .arg(".");
        succeed(go.env("CGO_ENABLED", "0").current_dir(source("static")), "building bench/static")
    }
}

/// A directory of this crate's sources.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A place in the cache.
fn cached(name: &str) -> Result<PathBuf> {
    Ok(cache().map_err(|why| anyhow!(why))?.join(name))
}

/// Runs a program to its end and wants it to succeed.
///
/// # Errors
/// What it wrote, if it didn't.
pub fn succeed(command: &mut Command, doing: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{doing}: {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(anyhow!("{doing}: {program}: {}: {stdout}{stderr}", output.status))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_shim_that_is_not_there_is_named_with_what_to_do() {
        let chosen = Chosen { shim: Some("/nonexistent/shim".into()), ..Chosen::default() };
        let error = format!("{:#}", Programs::find(chosen).unwrap_err());
        assert!(error.contains("/nonexistent/shim") && error.contains("--shim"), "{error}");
    }

    #[test]
    fn a_guest_that_is_not_built_is_named() {
        let own = std::env::current_exe().unwrap();
        let chosen = Chosen { shim: Some(own), guests: Some("/nonexistent".into()), ..Chosen::default() };
        let error = format!("{:#}", Programs::find(chosen).unwrap().guest("hello").unwrap_err());
        assert!(error.contains("hello.wasm: run hack/guests"), "{error}");
    }

    #[test]
    fn what_a_program_wrote_is_the_reason_for_its_failure() {
        let error = succeed(Command::new("tar").arg("-xf").arg("/nonexistent"), "unpacking").unwrap_err();
        assert!(error.to_string().contains("unpacking: tar: exit status"), "{error}");
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
