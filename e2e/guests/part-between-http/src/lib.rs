//! A plug that stands between another part and the host: it sends the other part's requests by WASI 0.2, each
//! with a word behind its path, and those for `/hidden/` not at all.

wit_bindgen::generate!({
    inline: r#"
        package acme:between-http;
        world between {
            import wasi:http/outgoing-handler@0.2.12;
            export wasi:http/outgoing-handler@0.2.12;
        }
    "#,
    path: [
        "../../../wit/wasi-0.2.12/io.wit",
        "../../../wit/wasi-0.2.12/clocks.wit",
        "../../../wit/wasi-0.2.12/filesystem.wit",
        "../../../wit/wasi-0.2.12/random.wit",
        "../../../wit/wasi-0.2.12/sockets.wit",
        "../../../wit/wasi-0.2.12/cli.wit",
        "../../../wit/wasi-0.2.12/http.wit",
    ],
    world: "acme:between-http/between",
    with: {
        "wasi:clocks/monotonic-clock@0.2.12": wasip2::clocks::monotonic_clock,
        "wasi:http/outgoing-handler@0.2.12": wasip2::http::outgoing_handler,
        "wasi:http/types@0.2.12": wasip2::http::types,
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use exports::wasi::http::outgoing_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, FutureIncomingResponse, OutgoingRequest, RequestOptions};

struct Between;

export!(Between);

impl Guest for Between {
    fn handle(
        request: OutgoingRequest,
        options: Option<RequestOptions>,
    ) -> Result<FutureIncomingResponse, ErrorCode> {
        let path = request.path_with_query().unwrap_or_default();
        if path.starts_with("/hidden/") {
            return Err(ErrorCode::HttpRequestDenied);
        }
        request
            .set_path_with_query(Some(&format!("{path}?by=between")))
            .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
        outgoing_handler::handle(request, options)
    }
}
