//! A command that imports wasi:http/outgoing-handler: without a grant it never runs.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest};

struct Asks;

wasip2::cli::command::export!(Asks);

impl wasip2::exports::cli::run::Guest for Asks {
    fn run() -> Result<(), ()> {
        let request = OutgoingRequest::new(Fields::new());
        request.set_authority(Some("api.example"))?;
        println!("asking api.example");
        outgoing_handler::handle(request, None).map(drop).map_err(|error| println!("refused: {error:?}"))
    }
}
