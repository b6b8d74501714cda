//! Tests of `request`: what is meant is what is sent, wherever it goes and however often.
#![allow(clippy::unwrap_used)]
use super::*;
use reqwest::header::{ACCEPT, AUTHORIZATION};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn client() -> Client {
    let policy = crate::address::AddressPolicy::default();
    super::super::Transport::new(policy, vec![], vec![], None).unwrap().http().clone()
}

fn request() -> Request {
    Request::get(url("https://a.test/v2/x/blobs/1"), "the layer of x".to_owned())
}

#[test]
fn a_request_takes_nothing_of_an_answer_unless_it_says_so() {
    assert_eq!(request().cap_bytes(), 0);
    assert_eq!(request().cap(5).cap_bytes(), 5);
    assert_eq!((request().method(), request().what()), (&Method::GET, "the layer of x"));
}

#[test]
fn the_same_request_can_be_built_again_for_another_address() {
    let request = Request::new(Method::PUT, url("https://a.test/1"), String::new())
        .header(ACCEPT, HeaderValue::from_static("a/b"))
        .body(Bytes::from_static(b"bytes"));
    let client = client();
    for to in ["https://a.test/1", "https://b.test/2?x=y"] {
        let built = request.build(&client, url(to)).build().unwrap();
        assert_eq!((built.method(), built.url()), (&Method::PUT, &url(to)));
        assert_eq!(built.headers()[ACCEPT], "a/b");
        assert_eq!(built.headers().get(AUTHORIZATION), None);
        assert_eq!(built.body().and_then(reqwest::Body::as_bytes), Some(b"bytes".as_slice()));
    }
    assert_eq!(request.url(), &url("https://a.test/1"));
}

#[test]
fn every_request_ends_and_a_blob_may_take_longer() {
    let timeout = |request: &Request| {
        let built = request.build(&client(), request.url().clone()).build().unwrap();
        *built.timeout().unwrap()
    };
    assert_eq!(timeout(&request()), Duration::from_secs(TIMEOUT_S));
    assert_eq!(timeout(&request().slow()), Duration::from_secs(SLOW_TIMEOUT_S));
}
