//! `cargo xtask`: `gen` writes what is made from the code, `tidy` checks the rules of style.

mod r#gen;
mod source;
mod tidy;

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
    /// Checks the rules of style over every file.
    Tidy,
}

fn main() -> Result<()> {
    let root = root()?;
    match Command::parse() {
        Command::Gen { check: false } => r#gen::write(&root),
        Command::Gen { check: true } => fail_if_any(&r#gen::stale(&root)?),
        Command::Tidy => {
            let mut tidy = tidy::check(&root)?;
            tidy.findings.extend(r#gen::stale(&root)?);
            for (folder, (code, test)) in &tidy.lines {
                println!("{folder:10} {}", ratio(*code, *test));
            }
            let sum = tidy.lines.values().fold((0, 0), |sum, lines| (sum.0 + lines.0, sum.1 + lines.1));
            println!("{:10} {}", "all", ratio(sum.0, sum.1));
            fail_if_any(&tidy.findings)
        }
    }
}

/// How much of the code is tests, in words.
fn ratio(code_lines: usize, test_lines: usize) -> String {
    let hundredths = test_lines * 100 / code_lines.max(1);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    format!("{code_lines} lines of code, {test_lines} of tests: {whole}.{rest:02} to 1")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_has_two_decimals_and_bears_nothing() {
        assert_eq!(ratio(200, 241), "200 lines of code, 241 of tests: 1.20 to 1");
        assert_eq!(ratio(0, 5), "0 lines of code, 5 of tests: 5.00 to 1");
    }

    #[test]
    fn findings_are_a_failure_with_their_count() {
        assert!(fail_if_any(&[]).is_ok());
        let error = fail_if_any(&["a".to_owned(), "b".to_owned()]);
        assert!(error.is_err_and(|error| error.to_string() == "2 found"));
    }
}
