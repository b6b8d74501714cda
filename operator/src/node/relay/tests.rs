//! The relay against an operator that is played here: what is sent, what is tried again, what is dropped.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::denials::server_name;
use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Token and rules of one request.
type Heard = (String, Vec<String>);

struct World {
    _root: tempfile::TempDir,
    relay: Relay,
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<Vec<u16>>>,
    operator: JoinHandle<()>,
}

fn report(rule: &str) -> DenialReport {
    DenialReport {
        namespace: "demo".into(),
        pod: "weather-1".into(),
        pod_uid: "pod-uid".into(),
        morph_uid: "morph-uid".into(),
        capability: "http".into(),
        rule: rule.into(),
        detail: "GET https://evil.example/".into(),
    }
}

impl World {
    /// An operator that gives these answers, and then takes everything.
    async fn new(answers: &[u16]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (certificate, key) = tls::make(&server_name("morph-system")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place =
            Operator { address: listener.local_addr().unwrap(), server_name: server_name("morph-system") };
        std::fs::write(root.path().join(OPERATOR_FILE), serde_json::to_vec(&place).unwrap()).unwrap();
        std::fs::write(root.path().join(tls::CERTIFICATE_FILE), &certificate).unwrap();
        std::fs::write(root.path().join("token"), "the-token\n").unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>()));
        let tls = tls::acceptor(certificate.as_bytes(), key.as_bytes()).unwrap();
        let operator = tokio::spawn(play(listener, tls, Arc::clone(&heard), Arc::clone(&answers)));
        let relay = Relay::new(root.path().to_owned(), root.path().join("token"));
        Self { _root: root, relay, heard, answers, operator }
    }

    fn rules(&self) -> Vec<Vec<String>> {
        self.heard.lock().unwrap().iter().map(|(_, rules)| rules.clone()).collect()
    }
}

async fn play(
    listener: TcpListener,
    tls: tokio_rustls::TlsAcceptor,
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<Vec<u16>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(stream) = tls.accept(stream).await else { continue };
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
            let (heard, answers) = (Arc::clone(&heard), Arc::clone(&answers));
            async move {
                let token = request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned();
                assert_eq!((request.method().as_str(), request.uri().path()), ("POST", PATH));
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let reports: Vec<DenialReport> = serde_json::from_slice(&body).unwrap();
                let rules = reports.into_iter().map(|report| report.rule).collect();
                heard.lock().unwrap().push((token, rules));
                let status = answers.lock().unwrap().pop().unwrap_or(204);
                let response = http::Response::builder().status(status).header("connection", "close");
                Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
            }
        });
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

#[tokio::test]
async fn a_batch_goes_in_one_request_with_the_agents_token() {
    let world = World::new(&[]).await;
    assert_eq!(world.relay.once(&[report("a"), report("b")]).await.unwrap(), Tried::Taken);
    assert_eq!(*world.heard.lock().unwrap(), [("Bearer the-token".into(), vec!["a".into(), "b".into()])]);
}

#[tokio::test]
async fn what_may_pass_is_an_error_and_what_may_not_is_final() {
    for (status, may_pass) in [
        (401, true),
        (429, true),
        (500, true),
        (503, true),
        (400, false),
        (403, false),
        (404, false),
        (413, false),
    ] {
        let world = World::new(&[status]).await;
        let tried = world.relay.once(&[report("a")]).await;
        assert_eq!(tried.is_err(), may_pass, "{status}: {tried:?}");
    }
}

#[tokio::test]
async fn a_request_that_fails_is_made_again_until_it_is_taken() {
    let world = World::new(&[503]).await;
    world.relay.send(&[report("a")]).await;
    assert_eq!(world.rules(), [["a"], ["a"]]);
    assert!(world.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_request_is_dropped_at_once() {
    let world = World::new(&[403]).await;
    world.relay.send(&[report("a")]).await;
    assert_eq!(world.rules(), [["a"]]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_away_costs_so_many_tries_and_no_more() {
    let world = World::new(&[]).await;
    world.operator.abort();
    std::fs::remove_file(world.relay.published.join(OPERATOR_FILE)).unwrap();
    let begin = tokio::time::Instant::now();
    world.relay.send(&[report("a")]).await;
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert!(world.rules().is_empty());
}

#[tokio::test]
async fn another_certificate_gets_no_token() {
    let world = World::new(&[]).await;
    let (other, _) = tls::make(&server_name("morph-system")).unwrap();
    std::fs::write(world.relay.published.join(tls::CERTIFICATE_FILE), other).unwrap();
    assert!(world.relay.once(&[report("a")]).await.is_err());
    assert!(world.rules().is_empty());
}

#[tokio::test]
async fn what_waits_is_gathered_and_sent_together() {
    let World { relay, heard, _root, .. } = World::new(&[]).await;
    let (queue, reports) = mpsc::channel(REPORTS_MAX * 2);
    for n in 0..REPORTS_MAX + 1 {
        queue.send(report(&n.to_string())).await.unwrap();
    }
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay.run(reports, stop.clone()));
    let counts = || heard.lock().unwrap().iter().map(|(_, rules)| rules.len()).collect::<Vec<_>>();
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    while counts().len() < 2 && tokio::time::Instant::now() < end {
        tokio::task::yield_now().await;
    }
    assert_eq!(counts(), [REPORTS_MAX, 1]);
    stop.cancel();
    running.await.unwrap().unwrap();
}
