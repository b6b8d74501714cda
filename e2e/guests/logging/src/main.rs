//! A command that logs each of its arguments, at the levels in turn.

wit_bindgen::generate!({ path: "../../../wit/wasi-logging", world: "wasi:logging/imports" });

use wasi::logging::logging::{Level, log};

fn main() {
    let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical];
    for (level, message) in levels.into_iter().cycle().zip(std::env::args().skip(1)) {
        log(level, "guest", &message);
    }
    println!("logged");
}
