//! How a Server of WASI 0.2 answers with a text.

use wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// Answers with a status that there is, and all of a text.
pub fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status that there is");
    let body = response.body().expect("a response has one body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a body has one stream");
    stream.blocking_write_and_flush(text.as_bytes()).expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("a body without trailers ends");
}
