//! A command built for wasm32-wasip1: a core module, no component. It prints its arguments, its environment
//! and what is in `/data/greeting`, and fails where told so.

fn main() {
    let args: Vec<String> = std::env::args().collect();
    println!("args {args:?}");
    for (name, value) in std::env::vars() {
        println!("env {name}={value}");
    }
    match std::fs::read_to_string("/data/greeting") {
        Ok(text) => println!("read {text}"),
        Err(error) => println!("refused: {error}"),
    }
    eprintln!("on stderr");
    if args.iter().any(|arg| arg == "fail") {
        std::process::exit(3);
    }
}
