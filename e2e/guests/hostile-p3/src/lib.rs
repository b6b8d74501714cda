//! A Server of WASI 0.3 that takes whatever it can, by path; at `/` it is quiet. Tests put it beside
//! neighbours that must not notice.

use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::mem::forget;
use std::pin::Pin;
use std::task::Poll;
use wasip3::cli::{environment, stdin, stdout};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::random::random::get_random_bytes;
use wasip3::{wit_bindgen, wit_future, wit_stream};

/// More of anything than there is.
const MANY: usize = 1_000_000;

/// An hour, in nanoseconds.
const HOUR: u64 = 3600 * 1_000_000_000;

struct Hostile;

wasip3::http::service::export!(Hostile);

impl wasip3::exports::http::handler::Guest for Hostile {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let text = match path.as_str() {
            "/stream" => return Ok(stream()),
            "/loop" => format!("{:?}", endless()),
            "/bulk" => format!("{:?}", bulk()),
            "/memory" => format!("{:?}", memory()),
            "/handles" => format!("{:?}", (0..MANY).for_each(|_| forget(Fields::new()))),
            "/headers" => headers(),
            "/read" => read(request).await,
            "/recursion" => format!("{}", deeper(1)),
            "/random" => format!("{} bytes", get_random_bytes(1 << 40).len()),
            "/timers" => timers().await,
            "/pollables" => format!("{:?}", (0..MANY).for_each(|_| forget(wit_stream::new::<u8>()))),
            "/trap" => std::process::abort(),
            "/output" => output().await,
            "/environment" => environment(),
            "/stdin" => stdin().await,
            _ => return Ok(answer("quiet\n".to_owned())),
        };
        Ok(answer(format!("done: {text}\n")))
    }
}

fn answer(text: String) -> Response {
    let (mut sender, receiver) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(receiver), no_trailers);
    drop(trailers);
    wit_bindgen::spawn_local(async move {
        // A client that hangs up early leaves some of it; nothing is owed then.
        drop(sender.write_all(text.into_bytes()).await);
    });
    response
}

fn stream() -> Response {
    let (mut sender, receiver) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(receiver), no_trailers);
    drop(trailers);
    wit_bindgen::spawn_local(async move { while sender.write_all(vec![b'x'; 4096]).await.is_empty() {} });
    response
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

fn headers() -> String {
    let fields = Fields::new();
    let added = (0..MANY).try_for_each(|count| fields.append(&format!("x-{count}"), b"x"));
    format!("{added:?}")
}

/// Reads a body to its end, which may never come, and says how it ended.
async fn read(request: Request) -> String {
    let (result, no_result) = wit_future::new(|| Ok(()));
    let (mut body, end) = Request::consume_body(request, no_result);
    drop(result);
    while body.next().await.is_some() {}
    let end = end.await.map(|_| ());
    println!("read: {end:?}");
    format!("{end:?}")
}

fn deeper(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { deeper(depth + 1) + black_box(depth) }
}

/// Many timers at once.
async fn timers() -> String {
    let mut timers: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    poll_fn(|cx| {
        for _ in 0..MANY {
            let mut timer: Pin<Box<dyn Future<Output = ()>>> = Box::pin(wait_for(HOUR));
            assert!(timer.as_mut().poll(cx).is_pending(), "an hour is long");
            timers.push(timer);
        }
        Poll::Ready(())
    })
    .await;
    pending().await
}

async fn output() -> String {
    let (mut sender, receiver) = wit_stream::new();
    let written = stdout::write_via_stream(receiver);
    while sender.write_all(vec![b'.'; 4096]).await.is_empty() {}
    format!("{:?}", written.await)
}

fn environment() -> String {
    loop {
        black_box(environment::get_environment());
        black_box(environment::get_arguments());
    }
}

async fn stdin() -> String {
    let (mut stream, end) = stdin::read_via_stream();
    loop {
        let (status, piece) = stream.read(Vec::with_capacity(1 << 16)).await;
        if piece.is_empty() {
            return format!("{status:?} {:?}", end.await);
        }
    }
}
