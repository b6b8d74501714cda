//! The shim's program with failpoints: for tests alone, installed nowhere.

fn main() -> std::process::ExitCode {
    morph_shim_failpoints::program::main()
}
