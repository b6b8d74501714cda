//! A plug that asks one host for the weather: its variable `URL` says which, its grant whether it may, and
//! the key that is sent along it never sees.

wit_bindgen::generate!({ path: "../weather/wit", world: "station" });

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, OutgoingBody, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// Most of an answer that is read, in bytes: it becomes one line.
const ANSWER_BYTES_MAX: usize = 4096;

struct Source;

export!(Source);

impl exports::acme::weather::source::Guest for Source {
    fn weather(place: String) -> Result<String, String> {
        let url = std::env::var("URL").map_err(|_| "the variable URL is not set")?;
        let answer = ask(&url, &place)?;
        match answer.status() {
            200 => read(&answer),
            status => Err(format!("status {status}")),
        }
    }
}

/// Asks for `place` below a URL that ends with a slash.
fn ask(url: &str, place: &str) -> Result<IncomingResponse, String> {
    let (scheme, rest) = url.split_once("://").ok_or("URL is not one")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let wrong = |what: &str| format!("the request takes no {what}");
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| wrong("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| wrong("authority"))?;
    request.set_path_with_query(Some(&format!("{path}{place}"))).map_err(|()| wrong("path"))?;
    let body = request.body().map_err(|()| wrong("body"))?;
    let answer = handle(request, None).map_err(|error| word(&error))?;
    OutgoingBody::finish(body, None).map_err(|error| word(&error))?;
    answer.subscribe().block();
    let answer = answer.get().ok_or("no answer")?.map_err(|()| "an answer taken twice")?;
    answer.map_err(|error| word(&error))
}

fn read(answer: &IncomingResponse) -> Result<String, String> {
    let body = answer.consume().map_err(|()| "a body taken twice")?;
    let stream = body.stream().map_err(|()| "a stream taken twice")?;
    let mut text = Vec::new();
    while text.len() < ANSWER_BYTES_MAX {
        match stream.blocking_read((ANSWER_BYTES_MAX - text.len()) as u64) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("the answer broke off: {error:?}")),
        }
    }
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// The error's name alone.
fn word(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    let name = text.trim_start_matches("ErrorCode::");
    name.split(['(', ' ']).next().unwrap_or(name).to_owned()
}
