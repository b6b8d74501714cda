//! A command of WASI 0.3: prints its arguments and environment, waits if told so, and ends well or not.

use wasip3::cli::{environment, stdout};
use wasip3::clocks::monotonic_clock;

struct Command;

wasip3::cli::command::export!(Command);

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let args = environment::get_arguments();
        let mut text = String::new();
        for arg in args.iter().skip(1) {
            text.push_str(&format!("arg {arg}\n"));
        }
        let mut vars = environment::get_environment();
        vars.sort();
        for (name, value) in vars {
            text.push_str(&format!("env {name}={value}\n"));
        }
        print(text).await;
        match (args.get(1).map(String::as_str), args.get(2)) {
            (Some("sleep"), Some(millis)) => {
                monotonic_clock::wait_for(millis.parse::<u64>().map_err(drop)? * 1_000_000).await;
                Ok(())
            }
            (Some("exit"), Some(code)) => {
                wasip3::cli::exit::exit_with_code(code.parse().map_err(drop)?);
                Ok(())
            }
            (Some("trap"), _) => std::process::abort(),
            (Some("fail"), _) => Err(()),
            _ => Ok(()),
        }
    }
}

/// Writes to stdout and waits until the host has taken it.
async fn print(text: String) {
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let written = stdout::write_via_stream(receiver);
    let left = sender.write_all(text.into_bytes()).await;
    assert!(left.is_empty(), "stdout takes what is written");
    drop(sender);
    written.await.expect("stdout takes what is written");
}
