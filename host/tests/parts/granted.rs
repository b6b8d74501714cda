//! Two parts that both have each capability, each by a narrower grant that is not the other's.

use super::*;
use crate::server::{Authority, Server};
use morph_grant::{
    ConfigEntry, ConnectRule, Credential, HttpGrant, HttpLimits, HttpRule, HttpScheme, KeyvalueGrant, Peer,
    Protocol, SocketsGrant,
};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// A grant of everything that names little: its configuration, a bucket of its own, and one of a name that
/// both have.
fn grants(whose: &str) -> Grants {
    let config = ConfigEntry { key: "whose".into(), value: Some(whose.into()), file: None };
    let bucket = |name: &str| KeyvalueGrant { bucket: name.into(), max_bytes: 1 << 20 };
    let limits =
        HttpLimits { concurrency: 4, timeout_millis: 5_000, request_bytes: 1 << 20, response_bytes: 1 << 20 };
    Grants {
        config: vec![config],
        keyvalue: vec![bucket(whose), bucket("same")],
        logging: true,
        sockets: Some(SocketsGrant::default()),
        http: Some(HttpGrant { allow: Vec::new(), ca_bundle: None, limits }),
        environment: true,
        ..Grants::default()
    }
}

pub(super) fn task(args: &[&str], whose: &str) -> Task {
    Task { grants: grants(whose), ..command(args) }
}

pub(super) fn plug(whose: &str) -> Plug {
    Plug { grants: grants(whose), ..super::plug() }
}

fn composed(task: Task, plug: Plug) -> Ended {
    let parts = [(MAIN, "part-granted-main"), ("plug", "part-granted-plug")];
    run_composed(composition(&parts, &[]), task, vec![plug])
}

/// What both say, with these grants.
fn ended(words: &str) -> Ended {
    composed(task(&words.split(' ').collect::<Vec<_>>(), "main"), plug("plug"))
}

#[test]
fn each_part_has_its_own_configuration() {
    assert_eq!(says(&ended("self config")), "whose=main");
    assert_eq!(says(&ended("plug config")), "whose=plug");
}

#[test]
fn each_part_has_its_own_buckets_under_the_same_name_as_well() {
    assert_eq!(says(&ended("self keep main k v then self kept main k")), "v");
    assert_eq!(says(&ended("plug keep plug k v then plug kept plug k")), "v");
    assert_eq!(says(&ended("self keep same k v then plug kept same k")), "not there");
    for (part, who, other) in [(MAIN, "self", "plug"), ("plug", "plug", "main")] {
        let refused = ended(&format!("{who} kept {other} k"));
        assert!(
            refused.stdout.starts_with("error ") && refused.stdout.contains("NoSuchStore"),
            "{refused:?}"
        );
        let denied = format!("morph: denied by capabilities.keyvalue (bucket): part {part}: {other}\n");
        assert_eq!(refused.stderr, denied);
    }
}

#[test]
fn a_log_line_has_the_name_of_the_part_that_logs() {
    for (who, name) in [("self", "command"), ("plug", "plug")] {
        let ended = ended(&format!("{who} log hello"));
        let line: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
        assert_eq!((&line["component"], &line["message"]), (&name.into(), &"hello".into()), "{ended:?}");
    }
}

/// A server that says back what its first client says; its address, and its network as a grant names it.
fn echo() -> (String, SocketsGrant) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut bytes) = (client.unwrap(), [0; 2]);
            client.read_exact(&mut bytes).unwrap();
            client.write_all(&bytes).unwrap();
        }
    });
    let peer = Peer::Cidr("127.0.0.1/32".into());
    let rule =
        ConnectRule { peer, ports: vec![address.port()], protocol: Protocol::Tcp, addresses: Vec::new() };
    (address.to_string(), SocketsGrant { connect: vec![rule], ..SocketsGrant::default() })
}

#[test]
fn each_part_reaches_its_own_peers_alone() {
    let ((mains, may_main), (plugs, may_plug)) = (echo(), echo());
    let connect = |who: &str, address: &str| {
        let (mut task, mut plug) = (task(&[who, "connect", address], "main"), plug("plug"));
        (task.grants.sockets, plug.grants.sockets) = (Some(may_main.clone()), Some(may_plug.clone()));
        composed(task, plug)
    };
    assert_eq!(says(&connect("self", &mains)), "hi");
    assert_eq!(says(&connect("plug", &plugs)), "hi");
    for (part, who, address) in [(MAIN, "self", &plugs), ("plug", "plug", &mains)] {
        let refused = connect(who, address);
        assert!(refused.stdout.starts_with("error permission denied"), "{refused:?}");
        assert!(refused.stderr.contains(&format!("part {part}: TCP {address}")), "{refused:?}");
    }
}

const TOKEN: &str = "s3cret-token-of-the-plug";

/// A server on loopback: the main component may ask for `/main/`, and the plug for `/plug/` with a
/// credential.
struct Http {
    server: Server,
    files: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Http {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let authority = Authority::new();
        let tls = authority.server(&["127.0.0.1"], &["http/1.1"]);
        let server = runtime.block_on(Server::start(Some(tls)));
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca"), authority.pem).unwrap();
        std::fs::write(files.path().join("token"), TOKEN).unwrap();
        Self { server, files, _runtime: runtime }
    }

    fn rule(&self, prefix: &str, credential: Option<Credential>) -> HttpRule {
        HttpRule {
            host: "127.0.0.1".into(),
            ports: vec![self.server.port],
            methods: vec!["GET".into()],
            path_prefixes: vec![prefix.into()],
            scheme: HttpScheme::Https,
            addresses: Vec::new(),
            credential,
        }
    }

    /// What comes of `words` with the URL of this path.
    fn asked(&self, words: &[&str], path: &str) -> Ended {
        let url = format!("https://127.0.0.1:{}{path}", self.server.port);
        let (mut task, mut plug) = (task(&[words, &[url.as_str()]].concat(), "main"), plug("plug"));
        task.files = Some(self.files.path().to_owned());
        let credential = Credential {
            header: "Authorization".into(),
            prefix: "Bearer ".into(),
            file: "token".into(),
            plain_http: false,
        };
        let (main, other) = (self.rule("/main/", None), self.rule("/plug/", Some(credential)));
        for (grants, rule) in [(&mut task.grants, main), (&mut plug.grants, other)] {
            let http = grants.http.as_mut().unwrap();
            (http.allow, http.ca_bundle) = (vec![rule], Some("ca".into()));
        }
        composed(task, plug)
    }

    /// The credential that the last request came with.
    fn credential(&self) -> Option<String> {
        let asked = self.server.take_asked().pop().unwrap();
        asked.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned())
    }
}

fn is_denied(ended: &Ended) -> bool {
    ended.code == 1 && ended.stdout.contains("HttpRequestDenied")
}

#[test]
fn each_part_asks_by_its_own_rules_and_with_its_own_credential_alone() {
    let http = Http::new();
    assert_eq!(says(&http.asked(&["self", "fetch"], "/main/")), "200");
    assert_eq!(http.credential(), None);
    assert_eq!(says(&http.asked(&["plug", "fetch"], "/plug/")), "200");
    assert_eq!(http.credential(), Some(format!("Bearer {TOKEN}")));
    for (who, path) in [("self", "/plug/"), ("plug", "/main/")] {
        let refused = http.asked(&[who, "fetch"], path);
        assert!(is_denied(&refused), "{refused:?}");
    }
    assert!(http.server.take_asked().is_empty());
}

#[test]
fn a_request_goes_by_the_rules_of_the_part_that_sends_it_whoever_made_it() {
    let http = Http::new();
    // The plug's request, sent by the main component.
    assert_eq!(says(&http.asked(&["given"], "/main/")), "200");
    assert_eq!(http.credential(), None);
    let refused = http.asked(&["given"], "/plug/");
    assert!(is_denied(&refused), "{refused:?}");
    assert!(refused.stderr.contains("denied by capabilities.http (path): part main: GET "), "{refused:?}");
    // The main component's, sent by the plug; the answer is read by the main component.
    assert_eq!(says(&http.asked(&["handed"], "/plug/")), "200");
    assert_eq!(http.credential(), Some(format!("Bearer {TOKEN}")));
    let refused = http.asked(&["handed"], "/main/");
    assert!(is_denied(&refused), "{refused:?}");
    assert!(refused.stderr.contains("denied by capabilities.http (path): part plug: GET "), "{refused:?}");
    assert!(http.server.take_asked().is_empty());
}
