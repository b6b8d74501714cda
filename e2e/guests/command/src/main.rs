//! A command that does what its first argument says: prints what it was given, exits with a code, traps,
//! loops, writes much, copies its input, touches files. Tests of the host, the shim and the cluster use it.

use std::io::{Read, Write};
use std::process::exit;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| args.get(at).map(String::as_str).unwrap_or_default();
    match word(0) {
        "" | "show" => show(&args),
        // The standard library's `exit` tells well and not well alone.
        "exit" => wasip2::cli::exit::exit_with_code(number(word(1)) as u8),
        "trap" => std::process::abort(),
        "loop" => endless(),
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(number(word(1)))),
        "flood" => flood(number(word(1))),
        "echo" => echo(),
        "memory" => memory(number(word(1))),
        "read" => files(std::fs::read_to_string(word(1)).map(|text| print!("{text}"))),
        "write" => files(std::fs::write(word(1), word(2))),
        "append" => files(append(word(1), word(2))),
        "remove" => files(std::fs::remove_file(word(1))),
        "list" => files(list(word(1))),
        other => {
            eprintln!("command: no such thing to do: {other}");
            exit(2)
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| {
        eprintln!("command: not a number: {text}");
        exit(2)
    })
}

/// Arguments and environment, sorted, one a line.
fn show(args: &[String]) {
    for arg in args {
        println!("arg {arg}");
    }
    let mut vars: Vec<_> = std::env::vars().collect();
    vars.sort();
    for (name, value) in vars {
        println!("env {name}={value}");
    }
    eprintln!("shown on stderr");
}

fn endless() -> ! {
    println!("looping");
    let mut state = 1_u64;
    loop {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Lines of 100 bytes, numbered from 0, until `megabytes` million bytes are written.
fn flood(megabytes: u64) {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    for line in 0..megabytes * 10_000 {
        writeln!(out, "{line:010} {}", ".".repeat(88)).expect("stdout takes what is written");
    }
    out.flush().expect("stdout takes what is written");
}

fn echo() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("stdin can be read");
    print!("{text}");
}

/// Takes memory, a megabyte at a time, and uses it.
fn memory(megabytes: u64) {
    let mut held = Vec::new();
    for count in 1..=megabytes {
        held.push(vec![count as u8; 1 << 20]);
    }
    println!("held {} MiB", held.len());
}

fn append(path: &str, text: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

fn list(path: &str) -> std::io::Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        println!("{name}");
    }
    Ok(())
}

/// Exit code 1 and the error for what the host refused.
fn files(result: std::io::Result<()>) {
    if let Err(error) = result {
        eprintln!("refused: {error}");
        exit(1)
    }
}
