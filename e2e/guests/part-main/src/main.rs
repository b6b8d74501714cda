//! The main component of a composition: does what its arguments say itself, lets the plug do it, or does it
//! with what the plug hands over.

wit_bindgen::generate!({
    path: "../part/wit",
    world: "acme:parts/main",
    with: {
        "wasi:clocks/wall-clock@0.2.12": wasip2::clocks::wall_clock,
        "wasi:filesystem/types@0.2.12": wasip2::filesystem::types,
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use acme::parts::{handles, work};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((who, words)) = words.split_first() else { return ExitCode::FAILURE };
    let done = match who.as_str() {
        "self" => guest_part::act(words),
        "plug" => work::act(words),
        "both" => guest_part::act(words).and_then(|_| work::act(words)),
        "count" => Ok(work::count(41).to_string()),
        "echo" => Ok(work::echo(&words.join(" "))),
        "given" => match handles::directory() {
            Some(directory) => guest_part::within(&directory, words),
            None => Err("the plug has no directory".to_owned()),
        },
        "handed" => match guest_part::directory() {
            Some(directory) => handles::within(&directory, words),
            None => Err("the main component has no directory".to_owned()),
        },
        "soon" => {
            handles::soon().block();
            Ok("ready".to_owned())
        }
        _ => Err("say who: self, plug, both, given or handed".to_owned()),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
