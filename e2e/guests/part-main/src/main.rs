//! The main component of a composition: does what its arguments say itself, or lets the plug do it.

wit_bindgen::generate!({ path: "../part/wit", world: "main" });

use acme::parts::work;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((who, words)) if who == "self" => guest_part::act(words),
        Some((who, words)) if who == "plug" => work::act(words),
        Some((who, _)) if who == "count" => Ok(work::count(41).to_string()),
        Some((who, words)) if who == "echo" => Ok(work::echo(&words.join(" "))),
        _ => Err("say who: self or plug".to_owned()),
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
