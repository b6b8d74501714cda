//! `wasi:cli`: arguments, environment, exit, standard streams, terminals. The environment is the task's
//! alone; without a grant it is empty (`docs/decisions/0002`).

use super::{Linked, Track, V0_2, V0_3, known};
use crate::Task;
use crate::stdio::Streams;
use crate::store::State;
use morph_grant::Ambient;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::cli as p2;
use wasmtime_wasi::p3::bindings::cli as p3;

pub(crate) fn link(l: &mut Linker<State>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("cli/environment", V0_2) => p2::environment::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/environment", V0_3) => p3::environment::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/exit", V0_2) => p2::exit::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/exit", V0_3) => p3::exit::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/stderr", V0_2) => p2::stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/stderr", V0_3) => p3::stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/stdin", V0_2) => p2::stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/stdin", V0_3) => p3::stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/stdout", V0_2) => p2::stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/stdout", V0_3) => p3::stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-input", V0_2) => p2::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-input", V0_3) => p3::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-output", V0_2) => p2::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-output", V0_3) => p3::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-stderr", V0_2) => p2::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-stderr", V0_3) => p3::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-stdin", V0_2) => p2::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-stdin", V0_3) => p3::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-stdout", V0_2) => p2::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/terminal-stdout", V0_3) => p3::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        ("cli/types", V0_3) => Ok(()), // an enumeration alone: nothing to be linked
        _ => return known(None),
    }))
}

/// The streams that aren't withheld (of the others, nothing comes and nothing is kept); arguments and variables
/// where the environment is granted.
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
