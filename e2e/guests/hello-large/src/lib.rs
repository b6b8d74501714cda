//! A Server of WASI 0.2 that is as large as those with a library or two: answers what the path is, taken for
//! a regular expression.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct HelloLarge;

wasip2::http::proxy::export!(HelloLarge);

impl Guest for HelloLarge {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let text = guest_call::parsed(&path).unwrap_or_else(|error| error);
        guest_answer::answer(out, 200, &text);
    }
}
