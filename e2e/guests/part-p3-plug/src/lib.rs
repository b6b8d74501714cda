//! The plug of a composition on the engine of WASI 0.3: does for the main component what it is asked for.

wit_bindgen::generate!({
    path: "../part-p3/wit",
    world: "acme:parts-p3/plug",
    with: {
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:http/types@0.3.0": wasip3::http::types,
    },
});

use wasip3::http::types::{Request, Response};

struct Plug;

export!(Plug);

impl exports::acme::parts_p3::work::Guest for Plug {
    async fn act(words: Vec<String>) -> Result<String, String> {
        guest_part_p3::act(&words).await
    }

    /// What has to be waited for is tried all the same.
    fn act_at_once(words: Vec<String>) -> Result<String, String> {
        wit_bindgen::block_on(async { guest_part_p3::act(&words).await })
    }
}

impl exports::acme::parts_p3::fetching::Guest for Plug {
    async fn prepare(url: String) -> Result<Request, String> {
        guest_part_p3::request(&url)
    }

    async fn send(request: Request) -> Result<Response, String> {
        guest_part_p3::send(request).await
    }
}
