//! The least Server of WASI 0.2: answers every request with one line and writes nothing to its log. For
//! benchmarks: what is measured is the host.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Greeting;

wasip2::http::proxy::export!(Greeting);

impl Guest for Greeting {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a response has one body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("a body has one stream");
        stream.blocking_write_and_flush(b"Hello from a Morph!\n").expect("the client reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("a body without trailers ends");
    }
}
