//! Guests of WASI 0.2 and 0.3 that ask over HTTP, and that look for what they mustn't find. The decisions,
//! name by name, are tested beside the code; `tests/attacks/egress.yaml` has the attacks.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../src/egress/client/server.rs"]
#[allow(dead_code, unreachable_pub)]
mod server;
mod support;

use morph_grant::{Access, Credential, HttpGrant, HttpLimits, HttpRule, HttpScheme};
use morph_host::{Task, code};
use server::{Authority, Server};
use std::path::Path;
use support::{Ended, command, guest, run, with_directory};

const TOKEN: &str = "s3cret-token-of-the-test";
const GUESTS: [&str; 2] = ["fetch", "fetch-p3"];

/// A server on loopback and the files of a task that may ask it.
struct Setup {
    server: Server,
    files: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Setup {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let authority = Authority::new();
        let tls = authority.server(&["127.0.0.1"], &["h2", "http/1.1"]);
        let server = runtime.block_on(Server::start(Some(tls)));
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca"), authority.pem).unwrap();
        std::fs::write(files.path().join("token"), TOKEN).unwrap();
        Self { server, files, _runtime: runtime }
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.server.port)
    }

    /// A guest that asks this, with a grant for GET below `/v1/` and a credential.
    fn task(&self, args: &[&str]) -> Task {
        let credential = Credential {
            header: "Authorization".into(),
            prefix: "Bearer ".into(),
            file: "token".into(),
            plain_http: false,
        };
        let rule = HttpRule {
            host: "127.0.0.1".into(),
            ports: vec![self.server.port],
            methods: vec!["GET".into()],
            path_prefixes: vec!["/v1/".into()],
            scheme: HttpScheme::Https,
            addresses: Vec::new(),
            credential: Some(credential),
        };
        let (request_bytes, response_bytes) = (1 << 20, 1 << 20);
        let limits = HttpLimits { concurrency: 4, timeout_millis: 5_000, request_bytes, response_bytes };
        let mut task = command(args);
        task.files = Some(self.files.path().to_owned());
        task.grants.http = Some(HttpGrant { allow: vec![rule], ca_bundle: Some("ca".into()), limits });
        task
    }

    fn fetch(&self, name: &str, url: &str, headers: &[&str]) -> Ended {
        run(guest(name), self.task(&[&["GET", url], headers].concat()))
    }
}

#[test]
fn a_granted_request_is_answered() {
    let setup = Setup::new();
    for name in GUESTS {
        let ended = setup.fetch(name, &setup.url("/v1/a"), &["x-own:1"]);
        assert_eq!(ended.code, 0, "{name}: {ended:?}");
        assert!(ended.stdout.starts_with("status 200\n"), "{name}: {ended:?}");
        assert!(ended.stdout.ends_with("body 0 bytes\n"), "{name}: {ended:?}");
        let asked = setup.server.take_asked();
        assert_eq!(asked[0].line, format!("GET 127.0.0.1:{}/v1/a HTTP/2.0", setup.server.port), "{name}");
        assert_eq!(asked[0].headers["x-own"], "1");
        assert_eq!(asked[0].headers["authorization"], format!("Bearer {TOKEN}"));
    }
}

#[test]
fn a_refused_request_is_the_interfaces_error_and_a_line_in_the_log() {
    let setup = Setup::new();
    let encoded = "an encoded slash, backslash, control character or percent sign";
    for name in GUESTS {
        for (url, rule, why) in [
            ("https://evil.example/v1/".to_owned(), "host", "no rule for this host"),
            (setup.url("/v1/../admin?x=1"), "path", "not at this path"),
            (setup.url("/v1/..%2fadmin"), "path", encoded),
            (format!("http://127.0.0.1:{}/v1/", setup.server.port), "scheme", "not by this scheme"),
            ("https://169.254.169.254/latest/".to_owned(), "host", "no rule for this host"),
        ] {
            let ended = setup.fetch(name, &url, &[]);
            assert_eq!((ended.code, ended.stdout.as_str()), (1, "error HttpRequestDenied\n"), "{name} {url}");
            let shown = url.split('?').next().unwrap();
            let line = format!("morph: denied by capabilities.http ({rule}): GET {shown}: {why}\n");
            assert!(ended.stderr.starts_with(&line), "{name}: {}", ended.stderr);
        }
    }
    assert!(setup.server.take_asked().is_empty());
}

#[test]
fn a_header_that_the_connection_owns_cannot_be_set_by_a_guest() {
    let setup = Setup::new();
    for name in GUESTS {
        for header in ["Host:evil.example", "Upgrade:websocket", "Connection:upgrade", "Transfer-Encoding:x"]
        {
            let ended = setup.fetch(name, &setup.url("/v1/"), &[header]);
            assert!(ended.stdout.contains("Forbidden"), "{name} {header}: {ended:?}");
        }
    }
    assert!(setup.server.take_asked().is_empty());
}

/// Everything that a guest can see of its run, and the log.
fn seen(ended: &Ended) -> String {
    format!("{} {} {}", ended.stdout, ended.stderr, ended.message)
}

#[test]
fn a_guest_that_looks_for_the_credential_finds_nothing() {
    let setup = Setup::new();
    let sent = format!("Bearer {TOKEN}");
    for name in GUESTS {
        // In what comes back: its own request, a redirect, and errors.
        for (path, headers) in [
            ("/v1/echo-token", &[][..]),
            ("/v1/echo-token", &["authorization:mine", "Authorization:mine too"]),
            ("/v1/redirect", &[]),
            ("/v1/big", &[]),
            ("/v1/big-headers", &[]),
            ("/v2/", &[]),
        ] {
            let ended = setup.fetch(name, &setup.url(path), headers);
            assert!(!seen(&ended).contains("s3cret"), "{name} {path}: {ended:?}");
        }
        let asked = setup.server.take_asked();
        assert!(
            asked.len() == 5 && asked.iter().all(|one| one.headers["authorization"] == sent),
            "{asked:?}"
        );
        std::fs::write(setup.files.path().join("token"), format!("{TOKEN}\nX: 1")).unwrap();
        let ended = setup.fetch(name, &setup.url("/v1/a"), &[]);
        assert_eq!(ended.stdout, "error ConfigurationError\n", "{name}");
        assert!(!seen(&ended).contains("s3cret"), "{name}: {ended:?}");
        std::fs::write(setup.files.path().join("token"), TOKEN).unwrap();
    }
}

#[test]
fn neither_its_environment_nor_its_files_have_the_credential() {
    let setup = Setup::new();
    let data = tempfile::tempdir().unwrap();
    let token = setup.files.path().join("token");
    let shown = run(guest("command"), setup.task(&["show"]));
    assert!(shown.code == 0 && !seen(&shown).contains("s3cret"), "{shown:?}");
    for path in [token.to_str().unwrap(), "/data/../token", "token", "/proc/self/environ"] {
        let task = with_directory(setup.task(&["read", path]), data.path(), "/data", Access::ReadOnly);
        let ended = run(guest("command"), task);
        assert!(ended.code == 1 && ended.stderr.starts_with("refused: "), "{path}: {ended:?}");
        assert!(!seen(&ended).contains("s3cret"), "{path}: {ended:?}");
    }
}

#[test]
fn without_a_grant_nothing_that_sends_is_linked() {
    let interfaces = ["wasi:http/outgoing-handler@0.2.", "wasi:http/client@0.3."];
    for (name, interface) in GUESTS.into_iter().zip(interfaces) {
        let ended = run(guest(name), command(&["GET", "https://127.0.0.1/"]));
        assert_eq!(ended.code, code::IMPORT_DENIED, "{ended:?}");
        assert!(ended.message.contains(interface), "{ended:?}");
    }
}

#[test]
fn a_certificate_of_somebody_else_is_an_error_and_no_request() {
    let setup = Setup::new();
    std::fs::write(setup.files.path().join("ca"), Authority::new().pem).unwrap();
    for name in GUESTS {
        let ended = setup.fetch(name, &setup.url("/v1/a"), &[]);
        assert_eq!(ended.stdout, "error TlsCertificateError\n", "{name}: {ended:?}");
    }
    assert!(setup.server.take_asked().is_empty());
}

#[test]
fn a_rule_for_an_address_grants_that_address_and_no_name_that_leads_there() {
    let setup = Setup::new();
    for name in GUESTS {
        let url = format!("https://localhost:{}/v1/a", setup.server.port);
        assert_eq!(setup.fetch(name, &url, &[]).stdout, "error HttpRequestDenied\n", "{name}");
    }
    assert!(Path::new(&setup.files.path()).exists() && setup.server.take_asked().is_empty());
}
