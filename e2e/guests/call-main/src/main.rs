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

/// Does what the words say: a line with the nanoseconds of each batch of calls, or what was asked for.
fn act(words: &[String]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["count", batches, calls] => {
            let calls = number(calls)?;
            timed(number(batches)?, || count(calls))
        }
        ["echo", batches, calls, bytes] => {
            let (calls, text) = (number(calls)?, "m".repeat(number(bytes)? as usize));
            timed(number(batches)?, || echo(calls, &text))
        }
        ["rights"] => Ok(format!("{}\n{}", guest_call::rights(), work::rights())),
        ["parsed", "self", expression] => guest_call::parsed(expression),
        ["parsed", "plug", expression] => work::parsed(expression),
        _ => Err(format!("nobody does {words:?}")),
    }
}

fn number(word: &str) -> Result<u32, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn timed(batches: u32, batch: impl Fn() -> Result<(), String>) -> Result<String, String> {
    let nanos = (0..batches).map(|_| {
        let begun = Instant::now();
        batch().map(|()| begun.elapsed().as_nanos().to_string())
    });
    Ok(nanos.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

/// Each call takes what the one before gave: none can be left out.
fn count(calls: u32) -> Result<(), String> {
    let last = (0..calls).fold(0, |last, _| work::count(last));
    if last == calls { Ok(()) } else { Err(format!("{calls} calls counted {last}")) }
}

fn echo(calls: u32, text: &str) -> Result<(), String> {
    for _ in 0..calls {
        if black_box(work::echo(text)).len() != text.len() {
            return Err("another text came back".to_owned());
        }
    }
    Ok(())
}
