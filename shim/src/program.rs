//! The program: what containerd calls (`start`, `delete`, `-info`, `-v`), and the processes of which one shim
//! consists.

use crate::arguments::Arguments;
use crate::{bootstrap, cleanup, compile, info, process, serve, zygote};
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Most that is read of standard input, in bytes: containerd's own limit for bootstrap parameters.
const INPUT_BYTES_MAX: u64 = 10 << 20;

/// Does what the arguments say.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(process::ZYGOTE_ARGUMENT) => zygote::main(),
        Some(compile::COMPILE_ARGUMENT) => compile::main(),
        Some(bootstrap::SERVE_ARGUMENT) => serve::main(&words.next().unwrap_or_default()),
        _ => call(),
    }
}

fn call() -> ExitCode {
    let output = answer().and_then(|bytes| Ok(std::io::stdout().write_all(&bytes)?));
    match output {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // containerd shows this where the task fails; nobody else is listening.
            drop(writeln!(std::io::stderr(), "{}: {error:#}", info::RUNTIME));
            ExitCode::FAILURE
        }
    }
}

fn answer() -> anyhow::Result<Vec<u8>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    if arguments.version {
        return Ok(format!("{} {}\n", info::RUNTIME, env!("CARGO_PKG_VERSION")).into_bytes());
    }
    if arguments.info {
        return Ok(info::answer()?);
    }
    match arguments.action.as_str() {
        "start" => Ok(bootstrap::start(&arguments, &input()?)?),
        "delete" => {
            let bundle = match arguments.bundle.as_str() {
                "" => std::env::current_dir()?,
                path => PathBuf::from(path),
            };
            Ok(cleanup::delete(&bundle, &arguments.id)?)
        }
        other => anyhow::bail!("action {other:?} is neither start nor delete; containerd calls this program"),
    }
}

fn input() -> std::io::Result<Vec<u8>> {
    let mut input = Vec::new();
    if !std::io::stdin().is_terminal() {
        std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut input)?;
    }
    Ok(input)
}
