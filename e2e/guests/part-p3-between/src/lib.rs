//! A plug that stands between another part and the host: it sends the other part's requests by WASI 0.3, each
//! with a word behind its path, and those for `/hidden/` not at all.

wit_bindgen::generate!({
    path: "../part-p3/wit",
    world: "acme:parts-p3/between",
    with: {
        "wasi:clocks/types@0.3.0": wasip3::clocks::types,
        "wasi:http/types@0.3.0": wasip3::http::types,
        "wasi:http/client@0.3.0": wasip3::http::client,
    },
});

use exports::wasi::http::client::Guest;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Request, Response};

struct Between;

export!(Between);

impl Guest for Between {
    async fn send(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        if path.starts_with("/hidden/") {
            return Err(ErrorCode::HttpRequestDenied);
        }
        request
            .set_path_with_query(Some(&format!("{path}?by=between")))
            .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
        client::send(request).await
    }
}
