//! Tests of `connection`.
#![allow(clippy::unwrap_used)]
use super::*;

fn transport(plain_http: &[&str], allow_hosts: &[&str]) -> Transport {
    let plain_http = plain_http.iter().map(|&name| name.to_owned()).collect();
    let allow_hosts = allow_hosts.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Transport::new(AddressPolicy::default(), plain_http, allow_hosts, None).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn plain_http_is_for_loopback_and_for_what_is_listed() {
    let transport = transport(&["registry.test:5000", "10.0.0.1"], &[]);
    for (authority, want) in [
        ("localhost", true),
        ("localhost:5000", true),
        ("127.0.0.1:5000", true),
        ("[::1]:5000", true),
        ("[::1]", true),
        ("registry.test:5000", true),
        ("registry.test", false),
        ("registry.test:5001", false),
        ("10.0.0.1", true),
        ("10.0.0.1:5000", false),
        ("[::2]:5000", false),
        ("localhost.test", false),
    ] {
        assert_eq!(transport.is_plain(authority), want, "{authority}");
    }
}

#[test]
fn another_host_is_allowed_by_name_and_port() {
    let transport = transport(&[], &["*.cdn.test", "auth.test:444"]);
    for (text, want) in [
        ("https://a.cdn.test/x", true),
        ("https://a.cdn.test:443/x", true),
        ("https://cdn.test/x", false),
        ("https://auth.test:444/x", true),
        ("https://auth.test/x", false),
    ] {
        assert_eq!(transport.may_be_sent_to(&url(text)), want, "{text}");
    }
}

async fn refused(text: &str) -> String {
    let transport = transport(&["10.0.0.1"], &[]);
    let request = transport.http().get(url(text));
    transport.execute(request, &url(text)).await.map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn addresses_in_place_of_names_are_checked_in_every_spelling() {
    for text in [
        "http://10.0.0.1/",
        "https://10.0.0.1/",
        "https://0x0a.1/",
        "https://167772161/",
        "https://012.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
    ] {
        let error = refused(text).await;
        assert!(error.contains("is at 10.0.0.1, which is not a public address"), "{text}: {error}");
    }
}

#[tokio::test]
async fn only_https_leaves_without_being_listed() {
    for text in ["http://a.test/", "ftp://a.test/", "http://10.0.0.1:81/"] {
        assert!(refused(text).await.contains("without TLS"), "{text}");
    }
}

#[tokio::test]
async fn a_name_that_is_none_says_so() {
    let error = refused("https://nowhere.invalid/").await;
    assert_eq!(error, "nowhere.invalid can't be reached: its name can't be looked up");
}
