//! The main component of a Server of WASI 0.3 that stands before another Server, its plug: what it lets
//! through the plug answers, and nobody asks for `/hidden/`.

wit_bindgen::generate!({
    path: "../part-p3/wit",
    world: "acme:parts-p3/before",
    with: {
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:http/types@0.3.0": wasip3::http::types,
    },
    generate_all,
});

use wasi::http::handler;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Before;

wasip3::http::service::export!(Before);

impl wasip3::exports::http::handler::Guest for Before {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        if path.starts_with("/hidden/") {
            return Err(ErrorCode::HttpRequestDenied);
        }
        handler::handle(request).await
    }
}
