//! A command of WASI 0.3 that asks over HTTP: `fetch-p3 METHOD URL [NAME:VALUE …]`. It prints the answer's
//! status and body, or the error that the interface gave.

use wasip3::cli::{environment, stdout};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{wit_future, wit_stream};

struct Fetch;

wasip3::cli::command::export!(Fetch);

impl wasip3::exports::cli::run::Guest for Fetch {
    async fn run() -> Result<(), ()> {
        let args = environment::get_arguments();
        let (text, ended) = match args.get(1..) {
            Some([method, url, headers @ ..]) => match fetch(method, url, headers).await {
                Ok(text) => (text, Ok(())),
                Err(error) => (format!("error {error}\n"), Err(())),
            },
            _ => ("usage: fetch-p3 METHOD URL [NAME:VALUE ...]\n".to_owned(), Err(())),
        };
        print(text).await;
        ended
    }
}

async fn fetch(method: &str, url: &str, headers: &[String]) -> Result<String, String> {
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
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(fields, None, no_trailers, None);
    drop(trailers);
    let wrong = |what: &str| format!("the request takes no {what}");
    request.set_method(&method_of(method)).map_err(|()| wrong("method"))?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| wrong("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| wrong("authority"))?;
    request.set_path_with_query(Some(path)).map_err(|()| wrong("path"))?;
    let answer = client::send(request).await.map_err(|error| word(&error))?;
    let mut text = format!("status {}\n", answer.get_status_code());
    for (name, value) in answer.get_headers().copy_all() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    let (done, read) = wit_future::new(|| Ok(()));
    let (body, _trailers) = Response::consume_body(answer, read);
    let bytes = body.collect().await;
    drop(done);
    text.push_str(&format!("body {}\n", String::from_utf8_lossy(&bytes)));
    Ok(text)
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

/// Writes to stdout and waits until the host has taken it.
async fn print(text: String) {
    let (mut sender, receiver) = wit_stream::new();
    let written = stdout::write_via_stream(receiver);
    let left = sender.write_all(text.into_bytes()).await;
    assert!(left.is_empty(), "stdout takes what is written");
    drop(sender);
    written.await.expect("stdout takes what is written");
}
