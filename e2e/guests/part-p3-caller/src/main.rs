//! A main component of WASI 0.2 that lets a plug of 0.3 do what its arguments say: by a function that doesn't
//! wait, or by one that may, which it can't call. The call that it is in itself, `wasi:cli/run` of 0.2, must
//! not wait.

wit_bindgen::generate!({
    path: "../part-p3/wit",
    world: "acme:parts-p3/asking",
    async: false,
});

use acme::parts_p3::work;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((how, words)) if how == "at-once" => work::act_at_once(words),
        Some((_, words)) => work::act(words),
        None => Err("say how: at-once or waiting".to_owned()),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!("error {text}");
            ExitCode::FAILURE
        }
    }
}
