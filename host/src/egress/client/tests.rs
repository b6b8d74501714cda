//! Tests of `egress::client`, through the hook that guests' requests come by, against real servers.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::super::resolve::server::{Entry, Server as Dns, Zone};
use super::super::rule::tests::{grant, https};
use super::server::{Authority, Server};
use super::*;
use crate::{Run, Task};
use bytes::Bytes;
use http_body_util::{Full, StreamBody};
use hyper::body::{Body as _, Frame};
use morph_grant::HttpRule;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Mutex;
use tempfile::TempDir;

pub(super) const NAME: &str = "api.weather.example";
const TOKEN: &str = "s3cret-token-of-the-test";

/// Servers on loopback, and an egress whose grant reaches them.
pub(super) struct Setup {
    pub(super) egress: Egress,
    pub(super) server: Server,
    pub(super) dns: Dns,
    denied: Arc<Mutex<Vec<Denial>>>,
    files: TempDir,
}

/// What a setup is made of.
struct Ingredients {
    server: Server,
    grant: HttpGrant,
    zone: Zone,
    authority: String,
}

fn loopback(mut rule: HttpRule, port: u16) -> HttpRule {
    rule.ports = vec![port];
    rule.addresses = vec!["127.0.0.0/8".into()];
    rule
}

impl Setup {
    /// The grant of the attacks.
    pub(super) async fn new(protocols: &[&str], answers: &[(String, Vec<IpAddr>)]) -> Self {
        let authority = Authority::new();
        let tls = authority.server(&[NAME, "b.wild.example", "c.b.wild.example"], protocols);
        let server = Server::start(Some(tls)).await;
        let port = server.port;
        let mut zone = Zone::default();
        for name in [NAME, "b.wild.example", "c.b.wild.example"] {
            zone = zone.with(name, &["127.0.0.1"]);
        }
        for (name, addresses) in answers {
            let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            zone = zone.with(name, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let mut wide = https("*.wide.example");
        (wide.ports, wide.addresses) = (vec![port], vec!["0.0.0.0/0".into(), "::/0".into()]);
        let narrow = HttpRule { ports: vec![port], ..https("*.answers.example") };
        let rules = vec![loopback(https(NAME), port), loopback(https("*.wild.example"), port), narrow, wide];
        Self::of(Ingredients { server, grant: grant(rules), zone, authority: authority.pem }).await
    }

    /// One rule for [`NAME`], changed as the test needs it, and a server with its certificate.
    async fn with(change: impl FnOnce(&mut HttpGrant)) -> Self {
        let authority = Authority::new();
        let server = Server::start(Some(authority.server(&[NAME], &["h2", "http/1.1"]))).await;
        let mut rule = loopback(https(NAME), server.port);
        rule.methods.push("POST".into());
        let mut grant = grant(vec![rule]);
        change(&mut grant);
        let zone = Zone::default().with(NAME, &["127.0.0.1"]);
        Self::of(Ingredients { server, grant, zone, authority: authority.pem }).await
    }

    async fn of(parts: Ingredients) -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca"), parts.authority).unwrap();
        std::fs::write(files.path().join("token"), format!("{TOKEN}\n")).unwrap();
        let grant = HttpGrant { ca_bundle: Some("ca".into()), ..parts.grant };
        let mut task = Task::ungranted("test", Run::Command);
        task.files = Some(files.path().to_owned());
        task.node_addresses = ["198.41.0.4", "2a00::7"].map(|address| address.parse().unwrap()).into();
        let dns = Dns::start(parts.zone, "demo.svc.cluster.test svc.cluster.test").await;
        let denied = Arc::new(Mutex::new(Vec::new()));
        let into = denied.clone();
        let told = move |denial: &Denial| into.lock().unwrap().push(denial.clone());
        let (_, stderr) = std::io::pipe().unwrap();
        let denials = Denials::new(
            crate::stdio::Output::new(stderr.into(), crate::stdio::Rate::new(1 << 40)),
            Some(Arc::new(told)),
            None,
        );
        let egress = Egress::new(&grant, &task, &dns.resolver(), denials);
        Self { egress, server: parts.server, dns, denied, files }
    }

    pub(super) fn take_denials(&self) -> Vec<Denial> {
        std::mem::take(&mut *self.denied.lock().unwrap())
    }

    fn rules_denied(&self) -> Vec<&'static str> {
        self.take_denials().iter().map(|denial| denial.rule).collect()
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("https://{NAME}:{}/v1/{path}", self.server.port))
    }

    async fn get(&self, path: &str) -> Result<Response<WasiBody>, Error> {
        self.egress.send(self.request("GET", path).body(ending(b"")).unwrap(), None).await
    }

    /// The status and the body.
    async fn got(&self, path: &str) -> String {
        read(self.get(path).await).await
    }
}

/// A body that is there.
pub(super) fn ending(bytes: &'static [u8]) -> WasiBody {
    Full::new(Bytes::from_static(bytes)).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The interface's word for how a request ended.
pub(super) fn code(result: Result<(), Error>) -> String {
    let text = format!("{:?}", result.err());
    let word = text.strip_prefix("Some(").unwrap_or(&text);
    word.chars().take_while(char::is_ascii_alphanumeric).collect()
}

async fn read(response: Result<Response<WasiBody>, Error>) -> String {
    match response {
        Ok(response) => {
            let status = response.status().as_u16();
            match response.into_body().collect().await {
                Ok(body) => format!("{status} {}", String::from_utf8_lossy(&body.to_bytes())),
                Err(error) => format!("{status} {}", code(Err(error))),
            }
        }
        Err(error) => code(Err(error)),
    }
}

fn credential() -> Credential {
    Credential {
        header: "Authorization".into(),
        prefix: "Bearer ".into(),
        file: "token".into(),
        plain_http: false,
    }
}

#[tokio::test]
async fn a_request_and_its_body_arrive_and_the_answer_comes_back() {
    let setup = Setup::with(|_| {}).await;
    let request = setup.request("POST", "a").header("x-own", "1").header("te", "trailers");
    let sent = setup.egress.send(request.body(ending(b"hello")).unwrap(), None).await;
    assert_eq!(read(sent).await, "200 5 bytes");
    let asked = setup.server.take_asked();
    assert_eq!(asked[0].headers["x-own"], "1");
    assert!(!asked[0].headers.contains_key("te") && !asked[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn connections_are_kept_and_the_name_is_looked_up_once_for_each() {
    let setup = Setup::with(|_| {}).await;
    for _ in 0..3 {
        assert_eq!(setup.got("a").await, "200 0 bytes");
    }
    let peers: Vec<_> = setup.server.take_asked().into_iter().map(|asked| asked.peer).collect();
    assert!(peers.len() == 3 && peers.iter().all(|peer| *peer == peers[0]), "{peers:?}");
    assert_eq!(setup.dns.asked.lock().unwrap().iter().filter(|name| *name == NAME).count(), 2, "A and AAAA");
}

#[tokio::test]
async fn every_answer_of_dns_is_checked_whatever_the_last_one_was() {
    let authority = Authority::new();
    let server = Server::start(Some(authority.server(&[NAME], &["http/1.1"]))).await;
    let grant = grant(vec![loopback(https(NAME), server.port)]);
    let at = |address: &str| vec![address.parse().unwrap()];
    let zone = Zone::default().with_entry(NAME, Entry::Rebinding(at("10.0.0.1"), at("127.0.0.1")));
    let setup = Setup::of(Ingredients { server, grant, zone, authority: authority.pem }).await;
    assert_eq!(setup.got("a").await, "DestinationIpProhibited");
    assert_eq!(setup.rules_denied(), ["address"]);
    assert_eq!(setup.got("a").await, "200 0 bytes");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_who_follows_it_is_checked() {
    let setup = Setup::with(|_| {}).await;
    let response = setup.get("redirect").await.unwrap();
    assert_eq!(response.status(), 302);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(setup.server.take_asked().len(), 1);
    let next = Request::get(location).body(ending(b"")).unwrap();
    assert_eq!(code(setup.egress.send(next, None).await.map(drop)), "HttpRequestDenied");
    assert_eq!(setup.rules_denied(), ["host"]);
}

#[tokio::test]
async fn only_a_certificate_of_the_granted_name_from_a_trusted_authority_will_do() {
    let (ours, others) = (Authority::new(), Authority::new());
    for (tls, want) in [
        (ours.server(&[NAME], &["http/1.1"]), "200 0 bytes"),
        (ours.server(&["*.weather.example"], &[]), "200 0 bytes"),
        (ours.server(&["other.example"], &["http/1.1"]), "TlsCertificateError"),
        (others.server(&[NAME], &["http/1.1"]), "TlsCertificateError"),
        (ours.expired(NAME), "TlsCertificateError"),
    ] {
        let server = Server::start(Some(tls)).await;
        let grant = grant(vec![loopback(https(NAME), server.port)]);
        let zone = Zone::default().with(NAME, &["127.0.0.1"]);
        let setup = Setup::of(Ingredients { server, grant, zone, authority: ours.pem.clone() }).await;
        assert_eq!(setup.got("a").await, want);
    }
}

#[tokio::test]
async fn a_bundle_that_is_missing_or_none_trusts_nobody_and_a_new_one_is_seen() {
    let setup = Setup::with(|_| {}).await;
    let bundle = setup.files.path().join("ca");
    let good = std::fs::read(&bundle).unwrap();
    for bad in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&bundle, bad).unwrap();
        assert_eq!(setup.got("a").await, "ConfigurationError");
        assert_eq!(setup.rules_denied(), ["ca-bundle"]);
    }
    std::fs::remove_file(&bundle).unwrap();
    assert_eq!(setup.got("a").await, "ConfigurationError");
    std::fs::write(&bundle, good).unwrap();
    assert_eq!(setup.got("a").await, "200 0 bytes");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_an_error_of_dns_and_no_more_is_told() {
    let setup = Setup::with(|grant| grant.allow[0].host = "*.weather.example".into()).await;
    let uri = format!("https://nowhere.weather.example:{}/v1/", setup.server.port);
    let error = setup.egress.send(Request::get(uri).body(ending(b"")).unwrap(), None).await.map(drop);
    assert!(matches!(error, Err(Error::DnsError { rcode: None, info_code: None })), "{error:?}");
    let gone = setup.server.port;
    drop(setup.server);
    let uri = format!("https://{NAME}:{gone}/v1/");
    let error = setup.egress.send(Request::get(uri).body(ending(b"")).unwrap(), None).await.map(drop);
    assert_eq!(code(error), "ConnectionRefused");
}

#[tokio::test]
async fn the_credential_goes_to_the_server_in_place_of_the_guests_and_not_back() {
    let setup = Setup::with(|grant| grant.allow[0].credential = Some(credential())).await;
    let request = setup.request("GET", "echo-token").header("authorization", "Bearer mine");
    let request = request.header("AUTHORIZATION", "Basic mine").body(ending(b"")).unwrap();
    let response = setup.egress.send(request, None).await.unwrap();
    let asked = setup.server.take_asked();
    assert_eq!(asked[0].headers.get_all("authorization").iter().count(), 1);
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {TOKEN}"));
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    assert_eq!(
        (&parts.headers["x-kept"], &trailers["x-kept-trailer"]),
        (&"kept".parse().unwrap(), &"kept".parse().unwrap())
    );
    let all = format!("{:?} {trailers:?} {:?}", parts.headers, parts.extensions);
    assert!(!all.contains("s3cret"), "{all}");
    assert_eq!(body.to_bytes(), "body");
}

#[tokio::test]
async fn a_rotated_credential_is_sent_with_the_next_request() {
    let setup = Setup::with(|grant| grant.allow[0].credential = Some(credential())).await;
    for token in ["first-token", "second-token"] {
        std::fs::write(setup.files.path().join("token"), token).unwrap();
        assert_eq!(setup.got("a").await, "200 0 bytes");
        assert_eq!(setup.server.take_asked()[0].headers["authorization"], format!("Bearer {token}"));
    }
}

#[tokio::test]
async fn without_its_credential_a_request_is_not_sent() {
    let setup = Setup::with(|grant| grant.allow[0].credential = Some(credential())).await;
    for content in [None, Some(""), Some("two\nlines")] {
        let file = setup.files.path().join("token");
        match content {
            Some(content) => std::fs::write(file, content).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
        assert_eq!(setup.got("a").await, "ConfigurationError");
        assert_eq!(setup.rules_denied(), ["credential"]);
    }
    assert!(setup.server.take_asked().is_empty());
}

#[tokio::test]
async fn a_refused_request_carries_no_credential_anywhere() {
    let setup = Setup::with(|grant| grant.allow[0].credential = Some(credential())).await;
    let path = format!("https://{NAME}:{}/v2/", setup.server.port);
    for uri in [path, format!("http://{NAME}:{}/v1/", setup.server.port), "https://evil.example/v1/".into()] {
        let sent = setup.egress.send(Request::get(uri).body(ending(b"")).unwrap(), None).await;
        assert_eq!(code(sent.map(drop)), "HttpRequestDenied");
    }
    let told = format!("{:?}", setup.take_denials());
    assert!(setup.server.take_asked().is_empty() && !told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn a_connection_with_a_credential_is_not_used_for_requests_without() {
    let setup = Setup::with(|grant| {
        let mut without = grant.allow[0].clone();
        grant.allow[0].credential = Some(credential());
        (without.path_prefixes, without.methods) = (vec!["/v1/".into()], vec!["POST".into()]);
        grant.allow[0].methods = vec!["GET".into()];
        grant.allow.push(without);
    })
    .await;
    assert_eq!(setup.got("a").await, "200 0 bytes");
    let posted = setup.egress.send(setup.request("POST", "a").body(ending(b"x")).unwrap(), None).await;
    assert_eq!(read(posted).await, "200 1 bytes");
    let asked = setup.server.take_asked();
    assert!(asked[0].peer != asked[1].peer && !asked[1].headers.contains_key("authorization"), "{asked:?}");
}

/// Plain HTTP to a host of this name, with a credential that may go without TLS or not.
async fn plain(host: &str, plain_http: bool) -> (String, Setup) {
    let server = Server::start(None).await;
    let mut rule = loopback(https(host), server.port);
    rule.scheme = HttpScheme::Http;
    rule.credential = Some(Credential { plain_http, ..credential() });
    let zone = Zone::default().with("llm.demo.svc.cluster.test", &["127.0.0.1"]).with(NAME, &["127.0.0.1"]);
    let port = server.port;
    let setup =
        Setup::of(Ingredients { server, grant: grant(vec![rule]), zone, authority: Authority::new().pem })
            .await;
    let request = Request::get(format!("http://{host}:{port}/v1/a")).body(ending(b"")).unwrap();
    let sent = setup.egress.send(request, None).await;
    (read(sent).await, setup)
}

#[tokio::test]
async fn over_plain_http_a_credential_goes_to_a_service_of_the_cluster_that_may_have_it() {
    let (got, setup) = plain("llm.demo.svc", true).await;
    assert_eq!(got, "200 0 bytes");
    let asked = setup.server.take_asked();
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(asked[0].line, format!("GET llm.demo.svc:{}/v1/a HTTP/1.1", setup.server.port));
    for (host, plain_http) in [("llm.demo.svc", false), (NAME, true), (NAME, false)] {
        let (got, setup) = plain(host, plain_http).await;
        assert_eq!(got, "HttpRequestDenied", "{host} {plain_http}");
        assert_eq!(setup.rules_denied(), ["credential"]);
        assert!(setup.server.take_asked().is_empty());
    }
}

#[tokio::test]
async fn a_body_past_its_limit_is_cut_and_named() {
    let limited =
        |grant: &mut HttpGrant| (grant.limits.request_bytes, grant.limits.response_bytes) = (1_000, 1_000);
    let setup = Setup::with(limited).await;
    let chunks = |count: usize| {
        let chunk = || Ok::<_, Error>(Frame::data(Bytes::from_static(&[b'x'; 100])));
        StreamBody::new(futures::stream::iter((0..count).map(move |_| chunk()))).boxed_unsync()
    };
    let post = |body: WasiBody| setup.egress.send(setup.request("POST", "a").body(body).unwrap(), None);
    assert_eq!(read(post(chunks(10)).await).await, "200 1000 bytes");
    assert_eq!(code(post(chunks(11)).await.map(drop)), "HttpRequestBodySize");
    assert_eq!(setup.rules_denied(), ["request-bytes"]);
    let declared = setup.request("POST", "a").header("content-length", "1001").body(chunks(11)).unwrap();
    assert_eq!(code(setup.egress.send(declared, None).await.map(drop)), "HttpRequestBodySize");
    assert_eq!(setup.rules_denied(), ["request-bytes"]);
    assert_eq!(setup.got("big").await, "HttpResponseBodySize");
    assert_eq!(setup.got("big-in-pieces").await, "200 HttpResponseBodySize");
    assert_eq!(setup.rules_denied(), ["response-bytes", "response-bytes"]);
}

#[tokio::test]
async fn heads_past_their_limit_are_refused() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let setup = Setup::new(protocols, &[]).await;
        for path in ["big-headers", "many-headers"] {
            let got = setup.got(path).await;
            assert!(
                ["HttpResponseHeaderSectionSize", "HttpProtocolError"].contains(&got.as_str()),
                "{path}: {got}"
            );
        }
        let big =
            setup.request("GET", "a").header("x", "x".repeat(HEADERS_BYTES_MAX)).body(ending(b"")).unwrap();
        assert_eq!(code(setup.egress.send(big, None).await.map(drop)), "HttpRequestHeaderSectionSize");
        let many = (0..=HEADERS_MAX).fold(setup.request("GET", "a"), |r, n| r.header(format!("x-{n}"), "1"));
        let sent = setup.egress.send(many.body(ending(b"")).unwrap(), None).await;
        assert_eq!(code(sent.map(drop)), "HttpRequestHeaderSectionSize");
    }
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_left() {
    let setup = Setup::with(|grant| grant.limits.timeout_millis = 200).await;
    assert_eq!(setup.got("never").await, "HttpResponseTimeout");
    assert_eq!(setup.got("stall").await, "200 ConnectionReadTimeout");
    assert_eq!(setup.rules_denied(), ["timeout", "timeout"]);
    let setup = Setup::with(|_| {}).await;
    let hasty =
        RequestOptions { first_byte_timeout: Some(Duration::from_millis(100)), ..RequestOptions::default() };
    let sent = setup.egress.send(setup.request("GET", "never").body(ending(b"")).unwrap(), Some(hasty)).await;
    assert_eq!(code(sent.map(drop)), "HttpResponseTimeout");
}

#[tokio::test]
async fn a_request_past_the_concurrency_waits_for_a_place_and_not_for_ever() {
    let setup = Setup::with(|grant| (grant.limits.concurrency, grant.limits.timeout_millis) = (1, 300)).await;
    let held = setup.get("stall").await.unwrap();
    assert_eq!(setup.got("a").await, "ConnectionLimitReached");
    assert_eq!(setup.rules_denied(), ["concurrency"]);
    let (waited, ()) = tokio::join!(setup.got("a"), async { drop(held) });
    assert_eq!(waited, "200 0 bytes");
}

#[tokio::test]
async fn a_request_that_still_leaves_keeps_its_place_when_its_answer_has_ended() {
    let setup = Setup::with(|grant| (grant.limits.concurrency, grant.limits.timeout_millis) = (1, 500)).await;
    let (sender, receiver) = futures::channel::mpsc::channel::<Result<Frame<Bytes>, Error>>(0);
    let body = StreamBody::new(receiver).boxed_unsync();
    let early = setup.egress.send(setup.request("POST", "early").body(body).unwrap(), None).await;
    assert_eq!(read(early).await, "200 early");
    assert_eq!(setup.got("a").await, "ConnectionLimitReached");
    assert_eq!(setup.rules_denied(), ["concurrency"]);
    drop(sender);
    assert_eq!(setup.got("a").await, "200 0 bytes");
}

/// On a connection of HTTP/1 the next request would be taken for the body, and what stands in that for one
/// that no rule was asked about.
#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_not_sent() {
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let setup = Setup::new(protocols, &[]).await;
        for lengths in [&["5"][..], &["+5"], &["5, 5"], &["x"], &["0", "5"], &["5", "5"]] {
            let request =
                lengths.iter().fold(setup.request("GET", "a"), |r, one| r.header("content-length", *one));
            let sent = setup.egress.send(request.body(ending(b"")).unwrap(), None).await;
            assert_eq!(code(sent.map(drop)), "HttpRequestBodySize", "{lengths:?}");
            assert_eq!(setup.rules_denied(), ["content-length"], "{lengths:?}");
        }
        assert!(setup.server.take_asked().is_empty());
        let none = setup.request("GET", "a").header("content-length", "0").body(ending(b"")).unwrap();
        assert_eq!(read(setup.egress.send(none, None).await).await, "200 0 bytes");
    }
}

#[tokio::test]
async fn a_change_of_protocol_by_the_server_is_an_error() {
    let setup = Setup::new(&["http/1.1"], &[]).await;
    assert_eq!(setup.got("upgrade").await, "HttpProtocolError");
}

#[tokio::test]
async fn what_a_guest_still_writes_to_a_refused_request_is_read() {
    let setup = Setup::with(|_| {}).await;
    let (mut sender, receiver) = futures::channel::mpsc::channel::<Result<Frame<Bytes>, Error>>(0);
    let body = StreamBody::new(receiver).boxed_unsync();
    let request = Request::post("https://evil.example/v1/").body(body).unwrap();
    assert_eq!(code(setup.egress.send(request, None).await.map(drop)), "HttpRequestDenied");
    for _ in 0..100 {
        let piece = Frame::data(Bytes::from_static(&[b'x'; 1_000]));
        futures::SinkExt::send(&mut sender, Ok(piece)).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_failed_halfway_is_taken_back_and_has_its_bound() {
    let chunks =
        futures::stream::iter((0..1_000).map(|_| Ok(Frame::data(Bytes::from_static(&[b'x'; 1_000])))));
    let shared = Shared::new(StreamBody::new(chunks).boxed_unsync());
    shared.clone().drain(10_000).await;
    let mut leaving = Leaving::new(shared, u64::MAX, None, None);
    let mut left = 0;
    while let Some(frame) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut leaving).poll_frame(cx)).await {
        left += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(left, 1_000_000 - 11_000);
}

#[tokio::test]
async fn a_trailer_cannot_bring_the_header_that_only_the_host_sets() {
    let trailers: HeaderMap = [("authorization", "mine"), ("x-own", "kept")]
        .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
        .into_iter()
        .collect();
    let body = StreamBody::new(futures::stream::iter([Ok(Frame::trailers(trailers))])).boxed_unsync();
    let leaving = Leaving::new(Shared::new(body), 10, Some(header::AUTHORIZATION), None);
    let left = leaving.collect().await.unwrap().trailers().cloned().unwrap();
    assert_eq!(left.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-own"]);
}
