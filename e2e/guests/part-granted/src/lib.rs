//! What each part of a composition can do that needs a grant: configuration, buckets, log lines,
//! connections, and requests over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, FutureIncomingResponse, OutgoingRequest, Scheme};

/// Does what the words say.
pub fn act<S: AsRef<str>>(words: &[S]) -> Result<String, String> {
    let all: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match all[..] {
        ["connect", address] => connect(address).map_err(|error| error.kind().to_string()),
        ["fetch", url] => answer(&send(request(url)?)?),
        _ => guest_part_stores::act(&all).unwrap_or_else(|| guest_part::act(words)),
    }
}

/// Says `hi` and gives back what comes.
fn connect(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"hi")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// A request that isn't sent yet.
pub fn request(url: &str) -> Result<OutgoingRequest, String> {
    let (scheme, rest) = url.split_once("://").ok_or("a URL with a scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "the request takes no scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "the request takes no authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "the request takes no path")?;
    Ok(request)
}

/// Sends it.
pub fn send(request: OutgoingRequest) -> Result<FutureIncomingResponse, String> {
    handle(request, None).map_err(|error| format!("{error:?}"))
}

/// Waits for the answer, whoever sent the request, and gives its status.
pub fn answer(coming: &FutureIncomingResponse) -> Result<String, String> {
    coming.subscribe().block();
    let answer = coming.get().ok_or("no answer")?.map_err(|()| "an answer taken twice")?;
    answer.map(|answer| answer.status().to_string()).map_err(|error| format!("{error:?}"))
}
