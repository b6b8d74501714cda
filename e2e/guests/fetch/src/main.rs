//! A command of WASI 0.2 that asks over HTTP: `fetch METHOD URL [NAME:VALUE …]`. It prints the answer's
//! status, headers and body, or the error that the interface gave.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [method, url, headers @ ..] = args.as_slice() else {
        eprintln!("usage: fetch METHOD URL [NAME:VALUE ...]");
        return std::process::ExitCode::FAILURE;
    };
    match fetch(method, url, headers) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            println!("error {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn fetch(method: &str, url: &str, headers: &[String]) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").ok_or("a URL with a scheme")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let fields = Fields::new();
    for header in headers {
        let (name, value) = header.split_once(':').ok_or("a header is NAME:VALUE")?;
        fields.append(name, value.as_bytes()).map_err(|error| format!("header {name}: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let wrong = |what: &str| format!("the request takes no {what}");
    request.set_method(&method_of(method)).map_err(|()| wrong("method"))?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| wrong("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| wrong("authority"))?;
    request.set_path_with_query(Some(path)).map_err(|()| wrong("path"))?;
    let body = request.body().map_err(|()| wrong("body"))?;
    let answer = handle(request, None).map_err(|error| word(&error))?;
    OutgoingBody::finish(body, None).map_err(|error| word(&error))?;
    answer.subscribe().block();
    let answer = answer.get().ok_or("no answer")?.map_err(|()| "an answer taken twice")?;
    show(&answer.map_err(|error| word(&error))?)
}

fn show(answer: &IncomingResponse) -> Result<(), String> {
    println!("status {}", answer.status());
    for (name, value) in answer.headers().entries() {
        println!("{name}: {}", String::from_utf8_lossy(&value));
    }
    let body = answer.consume().map_err(|()| "a body taken twice")?;
    let stream = body.stream().map_err(|()| "a stream taken twice")?;
    let mut text = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("body after {} bytes: {error:?}", text.len())),
        }
    }
    println!("body {}", String::from_utf8_lossy(&text));
    Ok(())
}

fn method_of(text: &str) -> Method {
    match text {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    }
}

/// The error's name alone.
fn word(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    let name = text.trim_start_matches("ErrorCode::");
    name.split(['(', ' ']).next().unwrap_or(name).to_owned()
}
