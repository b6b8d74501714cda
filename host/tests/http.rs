//! HTTP between a client and a guest: bodies in pieces, large ones, trailers, and guests that give no answer.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use morph_grant::Digest;
use std::convert::Infallible;
use std::net::SocketAddr;
use support::http::{block_on, get, raw, serve, server, try_get};
use support::{proxy, with_memory};

/// Sends the head and opens the body's stream.
const HEAD: &str = "
    (local.set $body (call $answer (local.get $out)))
    (local.set $stream (call $stream (local.get $body)))";

/// Writes `hello`.
const HELLO: &str = "(call $write (local.get $stream) (i32.const 4101) (i32.const 5) (i32.const 1024))";

/// Ends the body as it should be.
const END: &str = "
    (call $drop-output (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 1024))";

/// Sends a request's body back, with a head before it has come.
fn echo() -> String {
    let splice = "
        (loop $more
            (call $splice (local.get $stream) (local.get $other) (i64.const 65536) (i32.const 1024))
            (br_if $more (i32.eqz (i32.load8_u (i32.const 1024)))))";
    format!("(local.set $other (call $incoming (local.get $request))) {HEAD} {splice} {END}")
}

type Sent = BoxBody<Bytes, Infallible>;
type Whole = Result<http_body_util::Collected<Bytes>, hyper::Error>;

/// A POST over one connection of HTTP/1 or HTTP/2: the status, and the answer's body if it was whole.
async fn post(address: SocketAddr, version: u8, body: Sent) -> (u16, Whole) {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let request = hyper::Request::post(format!("http://{address}/")).header("host", "morph");
    let request = request.body(body).unwrap();
    let response = if version == 1 {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    (response.status().as_u16(), response.into_body().collect().await)
}

/// A body of this many pieces of 64 KiB, each other than the rest.
fn pieces(count: u32) -> Sent {
    let piece = |number: u32| Ok(Frame::data(Bytes::from(number.to_le_bytes().repeat(16 << 10))));
    BodyExt::boxed(StreamBody::new(futures::stream::iter(0..count).map(piece)))
}

#[test]
fn fifty_mebibytes_stream_through_a_guest_of_one() {
    let (running, address) = serve(proxy(&echo()), with_memory(server(0, 10), 1));
    for version in [1, 2] {
        let (status, whole) = block_on(post(address, version, pieces(800)));
        let (got, sent) = (whole.unwrap().to_bytes(), block_on(pieces(800).collect()).unwrap().to_bytes());
        assert_eq!((status, got.len()), (200, 50 << 20), "HTTP/{version}");
        assert_eq!(Digest::of(&got), Digest::of(&sent), "HTTP/{version}");
    }
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn a_body_in_chunks_is_its_bytes_and_one_with_wrong_chunks_none() {
    let (running, address) = serve(proxy(&echo()), server(0, 10));
    let head = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    for (chunks, want) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1;note=x\r\nh\r\n0004\r\nello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n0\r\nx-end: yes\r\n\r\n", "hello"),
        ("0\r\n\r\n", ""),
    ] {
        let text = raw(address, &[head, chunks]);
        assert!(text.starts_with("HTTP/1.1 200 ") && !text.contains("x-end"), "{chunks:?}: {text}");
        let body = text.split_once("\r\n\r\n").unwrap().1;
        let bytes: String = body.split("\r\n").skip(1).step_by(2).collect();
        assert_eq!(bytes, want, "{chunks:?}: {text}");
    }
    let text = raw(address, &[head, "5\r\nhello\r\nZ\r\n"]);
    assert!(!text.contains("Z\r\n"), "{text}");
    assert_eq!(block_on(get(address, "/")).status, 200);
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn trailers_of_a_guest_arrive() {
    let trailers = "
        (local.set $other (call $fields))
        (call $append (local.get $other) (i32.const 4096) (i32.const 5) (i32.const 4101) (i32.const 5)
            (i32.const 1024))
        (call $drop-output (local.get $stream))
        (call $finish (local.get $body) (i32.const 1) (local.get $other) (i32.const 1024))";
    let (running, address) = serve(proxy(&format!("{HEAD} {HELLO} {trailers}")), server(0, 10));
    let (status, whole) = block_on(post(address, 2, BodyExt::boxed(Empty::new())));
    let whole = whole.unwrap();
    assert_eq!((status, &whole.trailers().unwrap()["x-end"]), (200, &"hello".parse().unwrap()));
    assert_eq!(whole.to_bytes(), "hello");
    // HTTP/1 has them only for clients that ask; the others get the body.
    assert_eq!(block_on(get(address, "/")).text, "hello");
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn trailers_of_a_client_do_not_disturb() {
    let (running, address) = serve(proxy(&echo()), server(0, 10));
    let trailers = http::HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]);
    let sent =
        || Full::new(Bytes::from("hello")).with_trailers(std::future::ready(Some(Ok(trailers.clone()))));
    for version in [1, 2] {
        let (status, whole) = block_on(post(address, version, BodyExt::boxed(sent())));
        assert_eq!((status, whole.unwrap().to_bytes()), (200, Bytes::from("hello")), "HTTP/{version}");
    }
    assert_eq!(running.stopped().code, 0);
}

#[test]
fn a_guest_that_sets_no_response_is_500_and_told_of() {
    for handle in ["", "(drop (call $incoming (local.get $request)))"] {
        let (running, address) = serve(proxy(handle), server(0, 10));
        let answer = block_on(get(address, "/"));
        assert_eq!((answer.status, answer.text.as_str()), (500, "the guest gave no answer\n"), "{handle}");
        let ended = running.stopped();
        assert_eq!(ended.code, 0);
        assert_eq!(ended.stderr, "morph: a request got no answer from the guest\n", "{handle}");
    }
}

#[test]
fn a_guest_that_answers_with_an_error_or_twice_is_told_of() {
    // Case 35 of the error codes: HTTP-protocol-error.
    let error = "(call $set (local.get $out) (i32.const 1) (i32.const 35) (i32.const 0) (i64.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let (running, address) = serve(proxy(error), server(0, 10));
    assert_eq!(block_on(get(address, "/")).status, 500);
    let ended = running.stopped();
    assert!(ended.stderr.contains("the guest answered with an error: "), "{}", ended.stderr);
    let twice = format!("{HEAD} {HELLO} {END} (drop (call $answer (local.get $out)))");
    let (running, address) = serve(proxy(&twice), server(0, 10));
    // Whether the whole body was on its way before the guest trapped is a matter of who is faster.
    if let Ok(answer) = block_on(try_get(address, "/")) {
        assert_eq!(answer.text, "hello");
    }
    let ended = running.stopped();
    assert!(ended.stderr.contains("unknown handle index"), "{}", ended.stderr);
}

/// What came of a body is no whole one, and no client may take it for that.
#[test]
fn a_trap_after_the_head_leaves_a_body_that_is_seen_to_be_cut() {
    let (running, address) = serve(proxy(&format!("{HEAD} {HELLO} unreachable")), server(0, 10));
    let text = raw(address, &["GET / HTTP/1.1\r\nhost: h\r\n\r\n"]);
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    assert!(block_on(try_get(address, "/")).is_err());
    let ended = running.stopped();
    assert_eq!(ended.code, 0);
    assert_eq!(ended.stderr.matches("the guest trapped: wasm `unreachable`").count(), 2, "{}", ended.stderr);
}
