//! The main component of a composition with grants: does what its arguments say itself, lets the plug do it,
//! or does it with what the plug hands over.

wit_bindgen::generate!({
    path: "../part/wit",
    world: "acme:parts/granted-main",
    with: {
        "wasi:clocks/monotonic-clock@0.2.12": wasip2::clocks::monotonic_clock,
        "wasi:http/types@0.2.12": wasip2::http::types,
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use acme::parts::{fetching, work};
use guest_part_granted::{act, answer, request, send};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    for words in words.split(|word| word == "then") {
        match done(words) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => println!("{text}"),
            Err(text) => {
                println!("error {text}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn done(words: &[String]) -> Result<String, String> {
    let (who, words) = words.split_first().ok_or("say who: self, plug, given or handed")?;
    match (who.as_str(), words) {
        ("self", _) => act(words),
        ("plug", _) => work::act(words),
        // What the plug made is sent with the main component's rights.
        ("given", [url]) => fetching::request(url).and_then(send).and_then(|coming| answer(&coming)),
        // What the main component made is sent with the plug's rights.
        ("handed", [url]) => request(url).and_then(fetching::send).and_then(|coming| answer(&coming)),
        _ => Err("say who: self, plug, given or handed".to_owned()),
    }
}
