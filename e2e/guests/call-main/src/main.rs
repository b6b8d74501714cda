//! The main component that benchmarks let call a plug: it counts its calls and says what they took.

wit_bindgen::generate!({ path: "../call/wit", world: "main" });

use acme::calls::work;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match act(&words) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the words say: nanoseconds of calls, or what was asked for.
fn act(words: &[String]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["count", calls] => count(number(calls)?),
        ["echo", calls, bytes] => echo(number(calls)?, number(bytes)?),
        ["rights"] => Ok(format!("{}\n{}", guest_call::rights(), work::rights())),
        ["parsed", "self", expression] => guest_call::parsed(expression),
        ["parsed", "plug", expression] => work::parsed(expression),
        _ => Err(format!("nobody does {words:?}")),
    }
}

fn number(word: &str) -> Result<u32, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

/// Each call takes what the one before gave: none can be left out.
fn count(calls: u32) -> Result<String, String> {
    let begun = Instant::now();
    let mut last = 0;
    for _ in 0..calls {
        last = work::count(last);
    }
    let took = begun.elapsed();
    if last == calls { Ok(took.as_nanos().to_string()) } else { Err(format!("{calls} calls counted {last}")) }
}

fn echo(calls: u32, bytes: u32) -> Result<String, String> {
    let text = "m".repeat(bytes as usize);
    let begun = Instant::now();
    for _ in 0..calls {
        if black_box(work::echo(&text)).len() != text.len() {
            return Err("another text came back".to_owned());
        }
    }
    Ok(begun.elapsed().as_nanos().to_string())
}
