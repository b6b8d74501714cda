//! A Server of WASI 0.2 that takes whatever it can, by path; at `/` it is quiet. Tests put it beside
//! neighbours that must not notice.

use std::hint::black_box;
use std::io::Read;
use std::mem::forget;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::poll::poll;
use wasip2::io::streams::{OutputStream, StreamError};
use wasip2::random::random::get_random_bytes;

/// More of anything than there is.
const MANY: usize = 1_000_000;

/// An hour, in nanoseconds.
const HOUR: u64 = 3600 * 1_000_000_000;

struct Hostile;

wasip2::http::proxy::export!(Hostile);

impl Guest for Hostile {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let text = match path.as_str() {
            "/stream" => return stream(out),
            "/loop" => endless(),
            "/bulk" => bulk(),
            "/memory" => memory(),
            "/handles" => (0..MANY).for_each(|_| forget(Fields::new())),
            "/headers" => headers(),
            "/read" => read(request),
            "/recursion" => drop(black_box(deeper(1))),
            "/random" => drop(get_random_bytes(1 << 40)),
            "/timers" => (0..MANY).for_each(|_| forget(subscribe_duration(HOUR))),
            "/pollables" => pollables(),
            "/trap" => std::process::abort(),
            "/output" => output(),
            "/environment" => environment(),
            "/stdin" => stdin(),
            _ => return answer(out, "quiet\n"),
        };
        answer(out, &format!("done: {text:?}\n"));
    }
}

fn answer(out: ResponseOutparam, text: &str) {
    let (body, stream) = begin(out);
    stream.blocking_write_and_flush(text.as_bytes()).expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("a body without trailers ends");
}

fn begin(out: ResponseOutparam) -> (OutgoingBody, OutputStream) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a response has one body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a body has one stream");
    (body, stream)
}

fn endless() {
    let mut state = 1_u64;
    while black_box(state) != 0 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) | 1;
    }
}

/// Operations that fill and copy a whole memory.
fn bulk() {
    let mut held = vec![0_u8; 16 << 20];
    while black_box(&held).len() > 1 {
        black_box(&mut held).fill(1);
        black_box(&mut held).copy_within(..8 << 20, 8 << 20);
    }
}

fn memory() {
    let mut held = Vec::new();
    for count in 0..MANY {
        held.push(vec![count as u8; 1 << 20]);
    }
}

fn headers() {
    let fields = Fields::new();
    for count in 0..MANY {
        fields.append(&format!("x-{count}"), b"x").expect("a field that fits");
    }
}

/// Reads a body to its end, which may never come, and says how it ended.
fn read(request: IncomingRequest) {
    let body = request.consume().expect("a request has one body");
    let stream = body.stream().expect("a body has one stream");
    let error = loop {
        if let Err(error) = stream.blocking_read(1 << 16) {
            break error;
        }
    };
    match error {
        StreamError::LastOperationFailed(error) => println!("read: {}", error.to_debug_string()),
        StreamError::Closed => println!("read: all"),
    }
}

fn deeper(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { deeper(depth + 1) + black_box(depth) }
}

/// One poll of many: the same timer, many times.
fn pollables() {
    let timer = subscribe_duration(HOUR);
    drop(poll(&vec![&timer; MANY]));
}

fn output() {
    loop {
        println!("{}", ".".repeat(99));
    }
}

fn environment() {
    loop {
        black_box(wasip2::cli::environment::get_environment());
        black_box(wasip2::cli::environment::get_arguments());
    }
}

fn stdin() {
    let mut piece = vec![0; 1 << 16];
    while std::io::stdin().read(&mut piece).is_ok_and(|length| length > 0) {}
}

fn stream(out: ResponseOutparam) {
    let (_body, stream) = begin(out);
    while stream.blocking_write_and_flush(&[b'x'; 4096]).is_ok() {}
}
