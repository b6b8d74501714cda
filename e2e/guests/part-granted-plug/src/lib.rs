//! The plug of a composition with grants: does for the main component what it is asked for.

wit_bindgen::generate!({
    path: "../part/wit",
    world: "acme:parts/granted-plug",
    with: {
        "wasi:clocks/monotonic-clock@0.2.12": wasip2::clocks::monotonic_clock,
        "wasi:http/types@0.2.12": wasip2::http::types,
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use wasip2::http::types::{FutureIncomingResponse, OutgoingRequest};

struct Plug;

export!(Plug);

impl exports::acme::parts::work::Guest for Plug {
    fn act(words: Vec<String>) -> Result<String, String> {
        guest_part_granted::act(&words)
    }

    fn count(start: u32) -> u32 {
        start.wrapping_add(1)
    }

    fn echo(text: String) -> String {
        text
    }
}

impl exports::acme::parts::fetching::Guest for Plug {
    fn request(url: String) -> Result<OutgoingRequest, String> {
        guest_part_granted::request(&url)
    }

    fn send(request: OutgoingRequest) -> Result<FutureIncomingResponse, String> {
        guest_part_granted::send(request)
    }
}
