//! From a node's datagram to an Event on the Morph: who may report, of which pod, and how often it is told.

use crate::server::{FakeServer, Fault};
use crate::store::Key;
use crate::world::NAMESPACE;
use http::StatusCode;
use morph_grant::DenialReport;
use morph_operator::denials::judge::{self, NODE_NAME};
use morph_operator::denials::ledger::{EVENTS_PER_MORPH_MAX, NODE_BURST};
use morph_operator::denials::receive::Receiver;
use morph_operator::denials::tokens::BELIEVED_MS;
use morph_operator::denials::{AUDIENCE, BODY_BYTES_MAX, REPORTS_MAX, serve, server_name, tls};
use morph_operator::events::{DENIED, Recorder};
use morph_operator::morph::MORPH_UID_LABEL;
use morph_operator::morph::server::Server;
use morph_operator::node::relay::{OPERATOR_FILE, Operator, Relay};
use morph_operator::node::socket::Socket;
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) struct World {
    pub(crate) api: FakeServer,
    server: Server,
    receiver: Arc<Receiver>,
}

fn token_of(account: &str, node: &str) -> Value {
    json!({
        "authenticated": true, "audiences": [AUDIENCE],
        "user": { "username": account, "extra": { (NODE_NAME): [node] } },
    })
}

pub(crate) fn pod_key(name: &str) -> Key {
    Key::new("", "pods", NAMESPACE, name)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(FakeServer::default())
    }

    /// Two nodes with an agent each, and on the first a pod of the Morph `weather`.
    fn over(api: FakeServer) -> Self {
        let account = judge::account("morph-node", "morph-node");
        for node in ["n1", "n2"] {
            api.token(node, token_of(&account, node));
        }
        let labels = json!({ "hayride.dev/morph": "weather", (MORPH_UID_LABEL): "morph-uid" });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "uid": "pod-uid", "labels": labels },
            "spec": { "nodeName": "n1", "runtimeClassName": "morph", "containers": [] },
        });
        api.with(|store| store.create(&pod_key("weather-1"), pod));
        let server = api.server();
        let recorder = Recorder::new(api.client(), "operator-0".to_owned(), Arc::clone(&server.metrics));
        let receiver = Arc::new(Receiver::new(server.clone(), recorder, account));
        Self { api, server, receiver }
    }

    pub(crate) async fn report(&self, token: &str, reports: &[DenialReport]) -> StatusCode {
        let body = serde_json::to_vec(reports).unwrap();
        let taken = self.receiver.receive(token, &body).await;
        taken.map_or_else(|unheard| unheard.status(), |()| StatusCode::NO_CONTENT)
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.api.with(|store| store.all("events"))
    }

    pub(crate) fn metric(&self, line: &str) -> bool {
        self.server.metrics.text().unwrap().lines().any(|found| found == line)
    }
}

pub(crate) fn report(rule: &str) -> DenialReport {
    DenialReport {
        namespace: NAMESPACE.into(),
        pod: "weather-1".into(),
        pod_uid: "pod-uid".into(),
        morph_uid: "morph-uid".into(),
        capability: "http".into(),
        rule: rule.into(),
        detail: "GET https://evil.example/".into(),
    }
}

/// One report, and its Event.
pub(crate) async fn report_once(api: &FakeServer) {
    let world = World::over(api.clone());
    assert_eq!(world.report("n1", &[report("host")]).await, StatusCode::NO_CONTENT);
    assert!(world.events().iter().any(|event| event["reason"] == DENIED));
}

#[tokio::test]
async fn a_denial_becomes_an_event_on_the_morph() {
    let world = World::new();
    assert_eq!(world.report("n1", &[report("host")]).await, StatusCode::NO_CONTENT);
    let [event] = world.events().try_into().unwrap();
    assert_eq!((&event["reason"], &event["type"]), (&json!(DENIED), &json!("Warning")));
    let about = &event["regarding"];
    assert_eq!(
        (&about["kind"], &about["name"], &about["uid"]),
        (&"Morph".into(), &"weather".into(), &"morph-uid".into())
    );
    let note = event["note"].as_str().unwrap();
    for part in ["http", "host", "weather-1", "\"GET https://evil.example/\""] {
        assert!(note.contains(part), "{note}");
    }
    assert!(world.metric("morph_operator_denials_total{capability=\"http\",rule=\"host\"} 1"));
}

#[tokio::test]
async fn the_same_denial_is_told_once_and_counted_each_time() {
    let world = World::new();
    for _ in 0..5 {
        world.report("n1", &[report("host"), report("host")]).await;
    }
    world.report("n1", &[report("path")]).await;
    assert_eq!(world.events().len(), 2);
    assert!(world.metric("morph_operator_denials_total{capability=\"http\",rule=\"host\"} 10"));
}

#[tokio::test]
async fn a_token_that_is_not_an_agents_is_refused() {
    let account = judge::account("morph-node", "morph-node");
    let other_audience = json!({ "audiences": ["https://kubernetes.default.svc"] });
    let no_node = json!({ "user": { "username": account } });
    for (name, change, want) in [
        ("another audience", other_audience, 403),
        ("another account", token_of("system:serviceaccount:demo:morph-node", "n1"), 403),
        ("a person", token_of("system:admin", "n1"), 403),
        ("no node", no_node, 403),
        ("not valid", json!({ "authenticated": false }), 401),
    ] {
        let world = World::new();
        let mut token = token_of(&account, "n1");
        token.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        world.api.token("bad", token);
        assert_eq!(world.report("bad", &[report("host")]).await.as_u16(), want, "{name}");
        assert!(world.events().is_empty(), "{name}");
        assert!(world.metric("morph_operator_denials_refused_total{reason=\"token\"} 1"), "{name}");
    }
    let world = World::new();
    for token in ["", "unknown", &"x".repeat(20_000)] {
        assert_eq!(world.report(token, &[report("host")]).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_node_speaks_of_its_own_pods_alone() {
    let world = World::new();
    let of = |change: fn(&mut DenialReport)| {
        let mut report = report("host");
        change(&mut report);
        report
    };
    let lies = [
        ("n2", report("host")),
        ("n1", of(|report| report.pod = "weather-2".into())),
        ("n1", of(|report| report.pod_uid = "another".into())),
        ("n1", of(|report| report.morph_uid = "another".into())),
        ("n1", of(|report| report.namespace = "elsewhere".into())),
    ];
    for (token, lie) in &lies {
        assert_eq!(world.report(token, std::slice::from_ref(lie)).await, StatusCode::NO_CONTENT, "{lie:?}");
        assert!(world.events().is_empty(), "{lie:?}");
    }
    let line = format!("morph_operator_denials_refused_total{{reason=\"pod\"}} {}", lies.len());
    assert!(world.metric(&line));
    // A lie among others costs them nothing.
    world.report("n1", &[lies[1].1.clone(), report("host")]).await;
    assert_eq!(world.events().len(), 1);
}

#[tokio::test]
async fn a_pod_that_is_no_morphs_gets_nobody_an_event() {
    let world = World::new();
    let pod = json!({
        "metadata": { "uid": "pod-uid", "labels": { (MORPH_UID_LABEL): "morph-uid" } },
        "spec": { "nodeName": "n1", "runtimeClassName": "morph", "containers": [] },
    });
    world.api.with(|store| {
        store.remove(&pod_key("weather-1"));
        store.create(&pod_key("weather-1"), pod)
    });
    world.report("n1", &[report("host")]).await;
    assert!(world.events().is_empty());
}

#[tokio::test]
async fn nonsense_is_refused_whole() {
    let world = World::new();
    let strange = DenialReport { rule: "two words".into(), ..report("host") };
    let climbing = DenialReport { pod: "../secrets".into(), ..report("host") };
    for body in [
        b"".to_vec(),
        b"{}".to_vec(),
        b"[1]".to_vec(),
        serde_json::to_vec(&vec![report("host"); REPORTS_MAX + 1]).unwrap(),
        serde_json::to_vec(&[report("host"), strange]).unwrap(),
        serde_json::to_vec(&[report("host"), climbing]).unwrap(),
    ] {
        let unheard = world.receiver.receive("n1", &body).await.unwrap_err();
        assert_eq!(unheard.status(), StatusCode::BAD_REQUEST);
    }
    assert!(world.events().is_empty());
}

#[tokio::test]
async fn a_flood_costs_few_calls_and_few_events() {
    let world = World::new();
    let mut refused = 0;
    for n in 0..100 {
        let batch: Vec<_> =
            (0..REPORTS_MAX).map(|m| report(&format!("rule-{}", n * REPORTS_MAX + m))).collect();
        refused += usize::from(world.report("n1", &batch).await == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(refused > 50, "{refused}");
    let calls = world.api.take_calls();
    let count = |resource: &str| calls.iter().filter(|call| call.resource == resource).count();
    assert_eq!((count("tokenreviews"), count("pods")), (1, 1));
    assert_eq!(world.events().len(), EVENTS_PER_MORPH_MAX);
}

#[tokio::test]
async fn guesses_at_tokens_reach_the_api_server_so_often_and_no_more() {
    let world = World::new();
    for n in 0..NODE_BURST * 4 {
        world.report(&format!("guess-{n}"), &[report("host")]).await;
    }
    let reviews = world.api.take_calls().iter().filter(|call| call.resource == "tokenreviews").count();
    // And those of the seconds that this takes.
    assert!((reviews as u64) < NODE_BURST * 2, "{reviews}");
}

#[tokio::test(start_paused = true)]
async fn guesses_at_tokens_shut_no_agent_out() {
    let world = World::new();
    assert_eq!(world.report("n1", &[report("host")]).await, StatusCode::NO_CONTENT);
    tokio::time::advance(Duration::from_millis(BELIEVED_MS)).await;
    let mut answer = StatusCode::UNAUTHORIZED;
    for n in 0..NODE_BURST * 4 {
        answer = world.report(&format!("guess-{n}"), &[report("host")]).await;
    }
    assert_eq!(answer, StatusCode::TOO_MANY_REQUESTS);
    world.api.take_calls();
    assert_eq!(world.report("n1", &[report("path")]).await, StatusCode::NO_CONTENT);
    let reviews = world.api.take_calls().iter().filter(|call| call.resource == "tokenreviews").count();
    assert_eq!(reviews, 1, "its token is looked at again, of its own node's share");
    assert_eq!(world.events().len(), 2);
}

#[tokio::test]
async fn without_the_api_server_an_agent_may_try_again() {
    for resource in ["tokenreviews", "pods"] {
        let world = World::new();
        world.api.faults(move |_, call| (call.resource == resource).then_some(Fault::Status(500)));
        assert_eq!(world.report("n1", &[report("host")]).await, StatusCode::SERVICE_UNAVAILABLE);
        world.api.no_faults();
        assert_eq!(world.report("n1", &[report("host")]).await, StatusCode::NO_CONTENT);
        assert_eq!(world.events().len(), 1, "{resource}");
    }
}

#[tokio::test]
async fn an_event_that_was_lost_is_written_with_the_next_denial() {
    let world = World::new();
    world.api.faults(|_, call| (call.resource == "events").then_some(Fault::Status(500)));
    world.report("n1", &[report("host")]).await;
    assert!(world.events().is_empty());
    world.api.no_faults();
    world.report("n1", &[report("host")]).await;
    assert_eq!(world.events().len(), 1);
}

#[tokio::test]
async fn another_replica_or_a_new_one_tells_nothing_twice() {
    let world = World::new();
    world.report("n1", &[report("host")]).await;
    let recorder =
        Recorder::new(world.api.client(), "operator-1".to_owned(), Arc::clone(&world.server.metrics));
    let account = judge::account("morph-node", "morph-node");
    let receiver = Arc::new(Receiver::new(world.server.clone(), recorder, account));
    let second = World { receiver, ..world };
    second.report("n1", &[report("host")]).await;
    // Two only if a window of ten minutes has just ended between them.
    assert!((1..=2).contains(&second.events().len()));
    assert!(second.metric("morph_operator_events_lost_total 0"));
}

/// What the operator's port answers.
async fn ask(port: std::net::SocketAddr, certificate: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stream = tokio::net::TcpStream::connect(port).await.unwrap();
    let name = server_name("morph-system").try_into().unwrap();
    let mut stream = tls::connector(certificate.as_bytes()).unwrap().connect(name, stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A peer that closes without a last word has answered all the same.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

struct Port {
    address: std::net::SocketAddr,
    certificate: String,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Port {
    async fn open(world: &World) -> Self {
        let (certificate, key) = tls::make(&server_name("morph-system")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tls::acceptor(certificate.as_bytes(), key.as_bytes()).unwrap();
        let stop = CancellationToken::new();
        let serving = serve::serve(listener, acceptor, Arc::clone(&world.receiver), stop.clone());
        Self { address, certificate, stop, serving: tokio::spawn(serving) }
    }

    async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_port_has_one_path_and_wants_a_token() {
    let world = World::new();
    let port = Port::open(&world).await;
    let ask = async |line: &str, headers: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        );
        ask(port.address, &port.certificate, &request).await
    };
    let post = "POST /v1/denials";
    let token = "Authorization: Bearer n1\r\n";
    for (line, headers, body, want) in [
        ("GET /", "", String::new(), "404"),
        ("GET /v1/denials", token, String::new(), "405"),
        (post, "", "[]".to_owned(), "401"),
        (post, "Authorization: Basic n1\r\n", "[]".to_owned(), "401"),
        (post, "Authorization: Bearer other\r\n", "[]".to_owned(), "401"),
        (post, token, "[]".to_owned(), "204"),
        (post, token, "{}".to_owned(), "400"),
        (post, token, " ".repeat(BODY_BYTES_MAX + 1), "413"),
    ] {
        let answer = ask(line, headers, &body).await;
        assert!(answer.contains(want), "{want}: {answer:?}");
    }
    port.close().await;
}

#[tokio::test]
async fn a_datagram_on_the_node_becomes_an_event_on_the_morph() {
    let world = World::new();
    let port = Port::open(&world).await;
    let node = tempfile::tempdir().unwrap();
    let path = |name: &str| node.path().join(name);
    let operator = Operator { address: port.address, server_name: server_name("morph-system") };
    std::fs::write(path(OPERATOR_FILE), serde_json::to_vec(&operator).unwrap()).unwrap();
    std::fs::write(path(tls::CERTIFICATE_FILE), &port.certificate).unwrap();
    std::fs::write(path("token"), "n1\n").unwrap();
    let (queue, reports) = mpsc::channel(16);
    let socket = Socket::bind(&path("denials.sock")).unwrap();
    let socket = tokio::spawn(socket.run(queue, port.stop.clone()));
    let relay =
        tokio::spawn(Relay::new(node.path().to_owned(), path("token")).run(reports, port.stop.clone()));
    let shim = UnixDatagram::unbound().unwrap();
    shim.send_to(&report("host").to_bytes().unwrap(), path("denials.sock")).unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    while world.events().is_empty() && tokio::time::Instant::now() < end {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.events()[0]["reason"], DENIED);
    port.close().await;
    socket.await.unwrap().unwrap();
    relay.await.unwrap().unwrap();
}
