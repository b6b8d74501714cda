//! The program: its sub-commands are the processes that one shim consists of.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(morph_shim::process::ZYGOTE_ARGUMENT) => morph_shim::zygote::main(),
        Some(morph_shim::compile::COMPILE_ARGUMENT) => morph_shim::compile::main(),
        _ => ExitCode::FAILURE,
    }
}
