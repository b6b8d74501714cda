//! The smallest Server of WASI 0.3: greets and says what was asked.

use std::sync::atomic::{AtomicU32, Ordering};
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

/// Requests of this instance.
static COUNT: AtomicU32 = AtomicU32::new(0);

struct Hello;

wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        println!("asked {path}");
        let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(millis) = path.strip_prefix("/sleep/").and_then(|rest| rest.parse::<u64>().ok()) {
            wasip3::clocks::monotonic_clock::wait_for(millis * 1_000_000).await;
        }
        let text = match path.as_str() {
            "/count" => format!("{count}\n"),
            "/trap" => std::process::abort(),
            _ => format!("Hello from a Morph of WASI 0.3! You asked {path}\n"),
        };
        let (mut sender, receiver) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(receiver), no_trailers);
        drop(trailers);
        wit_bindgen::spawn_local(async move {
            // A client that hangs up early leaves some of it; nothing is owed then.
            drop(sender.write_all(text.into_bytes()).await);
        });
        Ok(response)
    }
}
