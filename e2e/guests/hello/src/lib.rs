//! The smallest Server of WASI 0.2: greets, says what was asked, and writes a line to stdout and one to
//! stderr.

use std::sync::atomic::{AtomicU32, Ordering};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// Requests of this instance.
static COUNT: AtomicU32 = AtomicU32::new(0);

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let method = match request.method() {
            Method::Get => "GET".to_owned(),
            Method::Post => "POST".to_owned(),
            other => format!("{other:?}"),
        };
        println!("{method} {path}");
        eprintln!("answering {path}");
        let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        act(&path);
        let mut text = format!("Hello from a Morph! You asked {method} {path}\n");
        for (name, value) in vars() {
            text.push_str(&format!("{name}={value}\n"));
        }
        if path == "/count" {
            text = format!("{count}\n");
        }
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a response has one body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("a body has one stream");
        stream.blocking_write_and_flush(text.as_bytes()).expect("the client reads");
        drop(stream);
        if path == "/unfinished" {
            return std::mem::forget(body);
        }
        OutgoingBody::finish(body, None).expect("a body without trailers ends");
    }
}

fn vars() -> Vec<(String, String)> {
    let mut vars: Vec<_> = std::env::vars().collect();
    vars.sort();
    vars
}

/// `/sleep/MILLIS` waits, `/compute/MILLIS` computes, `/loop` never answers, `/trap` traps.
fn act(path: &str) {
    if let Some(millis) = path.strip_prefix("/sleep/").and_then(|rest| rest.parse().ok()) {
        std::thread::sleep(std::time::Duration::from_millis(millis));
    }
    if let Some(millis) = path.strip_prefix("/compute/").and_then(|rest| rest.parse().ok()) {
        let (begun, time) = (std::time::Instant::now(), std::time::Duration::from_millis(millis));
        while begun.elapsed() < time {}
    }
    if path == "/loop" {
        let mut state = 1_u64;
        loop {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    if path == "/trap" {
        std::process::abort();
    }
}
