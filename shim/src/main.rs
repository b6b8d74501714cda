//! The program `containerd-shim-morph-v1`.

fn main() -> std::process::ExitCode {
    morph_shim::program::main()
}
