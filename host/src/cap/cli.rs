//! `wasi:cli`: arguments, environment, exit, standard streams, terminals. The environment is the task's
//! alone; without a grant it is empty (`docs/decisions/0002`). The standard streams of a composition are the
//! pod's: what its parts write there can't be told apart. Who wants to know which part it was uses
//! `wasi:logging`.

use super::{Linked, Place, Track, V0_2, V0_3, known, serve};
use crate::Task;
use crate::stdio::Streams;
use crate::store::State;
use morph_grant::Ambient;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::p2::bindings::cli as p2;
use wasmtime_wasi::p3::bindings::cli as p3;

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("cli/environment", V0_2) => serve!(l, p2::environment, WasiCli, cli),
        ("cli/environment", V0_3) => serve!(l, p3::environment, WasiCli, cli),
        ("cli/exit", V0_2) => serve!(l, p2::exit, WasiCli, cli),
        ("cli/exit", V0_3) => serve!(l, p3::exit, WasiCli, cli),
        ("cli/stderr", V0_2) => serve!(l, p2::stderr, WasiCli, cli),
        ("cli/stderr", V0_3) => serve!(l, p3::stderr, WasiCli, cli),
        ("cli/stdin", V0_2) => serve!(l, p2::stdin, WasiCli, cli),
        ("cli/stdin", V0_3) => serve!(l, p3::stdin, WasiCli, cli),
        ("cli/stdout", V0_2) => serve!(l, p2::stdout, WasiCli, cli),
        ("cli/stdout", V0_3) => serve!(l, p3::stdout, WasiCli, cli),
        ("cli/terminal-input", V0_2) => serve!(l, p2::terminal_input, WasiCli, cli),
        ("cli/terminal-input", V0_3) => serve!(l, p3::terminal_input, WasiCli, cli),
        ("cli/terminal-output", V0_2) => serve!(l, p2::terminal_output, WasiCli, cli),
        ("cli/terminal-output", V0_3) => serve!(l, p3::terminal_output, WasiCli, cli),
        ("cli/terminal-stderr", V0_2) => serve!(l, p2::terminal_stderr, WasiCli, cli),
        ("cli/terminal-stderr", V0_3) => serve!(l, p3::terminal_stderr, WasiCli, cli),
        ("cli/terminal-stdin", V0_2) => serve!(l, p2::terminal_stdin, WasiCli, cli),
        ("cli/terminal-stdin", V0_3) => serve!(l, p3::terminal_stdin, WasiCli, cli),
        ("cli/terminal-stdout", V0_2) => serve!(l, p2::terminal_stdout, WasiCli, cli),
        ("cli/terminal-stdout", V0_3) => serve!(l, p3::terminal_stdout, WasiCli, cli),
        ("cli/types", V0_3) => Ok(()), // an enumeration alone: nothing to be linked
        _ => return known(None),
    }))
}

/// The streams that aren't withheld (of the others, nothing comes and nothing is kept); arguments and
/// variables where the environment is granted.
pub(crate) fn give(wasi: &mut WasiCtxBuilder, task: &Task, streams: &Streams) {
    let may = |ambient| !task.grants.withheld.contains(&ambient);
    if may(Ambient::Stdin) {
        wasi.stdin(streams.stdin.clone());
    }
    if may(Ambient::Stdout) {
        wasi.stdout(streams.stdout.clone());
    }
    if may(Ambient::Stderr) {
        wasi.stderr(streams.stderr.clone());
    }
    if task.grants.environment {
        wasi.arg(&task.program).args(&task.args).envs(&task.env);
    }
}
