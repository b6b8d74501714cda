//! What each part of a composition can do that needs a grant: configuration, buckets, log lines,
//! connections, and requests over HTTP.

wit_bindgen::generate!({
    inline: r#"
        package acme:granted;
        world granted {
            import wasi:config/store@0.2.0-rc.1;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:logging/logging;
        }
    "#,
    path: [
        "../../../wit/wasi-config-0.2.0-rc.1",
        "../../../wit/wasi-keyvalue-0.2.0-draft",
        "../../../wit/wasi-logging",
    ],
    world: "acme:granted/granted",
    generate_all,
});

use std::io::{Read, Write};
use std::net::TcpStream;
use wasi::config::store as config;
use wasi::keyvalue::store as keyvalue;
use wasi::logging::logging::{Level, log};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, FutureIncomingResponse, OutgoingRequest, Scheme};

/// Does what the words say.
pub fn act<S: AsRef<str>>(words: &[S]) -> Result<String, String> {
    let all: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match all[..] {
        ["config"] => match config::get_all() {
            Ok(pairs) => {
                Ok(pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","))
            }
            Err(error) => Err(format!("{error:?}")),
        },
        ["config", key] => match config::get(key) {
            Ok(value) => Ok(value.unwrap_or_else(|| "not there".to_owned())),
            Err(error) => Err(format!("{error:?}")),
        },
        ["keep", bucket, key, value] => {
            let bucket = keyvalue::open(bucket).map_err(|error| format!("{error:?}"))?;
            bucket.set(key, value.as_bytes()).map(|()| String::new()).map_err(|error| format!("{error:?}"))
        }
        ["kept", bucket, key] => {
            let bucket = keyvalue::open(bucket).map_err(|error| format!("{error:?}"))?;
            let value = bucket.get(key).map_err(|error| format!("{error:?}"))?;
            Ok(value
                .map_or_else(|| "not there".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()))
        }
        ["log", message] => {
            log(Level::Info, "guest", message);
            Ok(String::new())
        }
        ["connect", address] => connect(address).map_err(|error| error.kind().to_string()),
        ["fetch", url] => answer(&send(request(url)?)?),
        _ => guest_part::act(words),
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
