//! Parts that ask over HTTP, each by rules of its own and with a credential of its own or none. On the engine
//! of WASI 0.2 and on that of 0.3.

use super::granted::{BOTH, composed, plug, task};
use super::*;
use crate::server::{Authority, Server};
use morph_grant::{Credential, HttpRule, HttpScheme};

pub(super) const TOKEN: &str = "s3cret-token-of-the-plug";

/// A server on loopback: the main component may ask for `/main/`, and the plug for `/plug/` with a
/// credential.
pub(super) struct Http {
    pub(super) server: Server,
    pub(super) files: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Http {
    pub(super) fn new() -> Self {
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

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.server.port)
    }

    /// Grants requests below this prefix.
    pub(super) fn allow(&self, grants: &mut Grants, prefix: &str, credential: Option<Credential>) {
        let rule = HttpRule {
            host: "127.0.0.1".into(),
            ports: vec![self.server.port],
            methods: vec!["GET".into()],
            path_prefixes: vec![prefix.into()],
            scheme: HttpScheme::Https,
            addresses: Vec::new(),
            credential,
        };
        let http = grants.http.as_mut().unwrap();
        (http.allow, http.ca_bundle) = (vec![rule], Some("ca".into()));
    }

    /// A task and a plug that may ask; the main component for nothing if `mains` is empty.
    fn parts(&self, words: &[&str], path: &str, (mains, plugs): (&str, &str)) -> (Task, Plug) {
        let url = self.url(path);
        let (mut task, mut plug) = (task(&[words, &[url.as_str()]].concat(), "main"), plug("plug"));
        task.files = Some(self.files.path().to_owned());
        if !mains.is_empty() {
            self.allow(&mut task.grants, mains, None);
        }
        if !plugs.is_empty() {
            self.allow(&mut plug.grants, plugs, Some(credential()));
        }
        (task, plug)
    }

    /// What comes of `words` with the URL of this path, where each part may ask for its own.
    fn asked(&self, guests: [&str; 2], words: &[&str], path: &str) -> Ended {
        let (task, plug) = self.parts(words, path, ("/main/", "/plug/"));
        composed(guests, task, plug)
    }

    /// The credential that the last request came with.
    pub(super) fn credential(&self) -> Option<String> {
        let asked = self.server.take_asked().pop().unwrap();
        asked.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned())
    }
}

/// The plug's.
pub(super) fn credential() -> Credential {
    let (header, prefix) = ("Authorization".into(), "Bearer ".into());
    Credential { header, prefix, file: "token".into(), plain_http: false }
}

fn is_denied(ended: &Ended) -> bool {
    ended.code == 1 && ended.stdout.contains("HttpRequestDenied")
}

#[test]
fn each_part_asks_by_its_own_rules_and_with_its_own_credential_alone() {
    let http = Http::new();
    for guests in BOTH {
        assert_eq!(says(&http.asked(guests, &["self", "fetch"], "/main/")), "200");
        assert_eq!(http.credential(), None);
        assert_eq!(says(&http.asked(guests, &["plug", "fetch"], "/plug/")), "200");
        assert_eq!(http.credential(), Some(format!("Bearer {TOKEN}")));
        for (who, path) in [("self", "/plug/"), ("plug", "/main/")] {
            let refused = http.asked(guests, &[who, "fetch"], path);
            assert!(is_denied(&refused), "{refused:?}");
        }
        assert!(http.server.take_asked().is_empty());
    }
}

#[test]
fn a_part_that_may_ask_nobody_asks_nobody_though_another_may() {
    let http = Http::new();
    for guests in BOTH {
        for (may, who, other) in [(("/all/", ""), "self", "plug"), (("", "/all/"), "plug", "self")] {
            let of = |who| {
                let (task, plug) = http.parts(&[who, "fetch"], "/all/", may);
                composed(guests, task, plug)
            };
            assert_eq!(says(&of(who)), "200");
            assert_eq!(http.credential().is_some(), who == "plug");
            let refused = of(other);
            assert!(is_denied(&refused), "{refused:?}");
            assert!(http.server.take_asked().is_empty());
        }
    }
}

#[test]
fn a_request_goes_by_the_rules_of_the_part_that_sends_it_whoever_made_it() {
    let http = Http::new();
    for guests in BOTH {
        // The plug's request, sent by the main component.
        assert_eq!(says(&http.asked(guests, &["given"], "/main/")), "200");
        assert_eq!(http.credential(), None);
        let refused = http.asked(guests, &["given"], "/plug/");
        assert!(is_denied(&refused), "{refused:?}");
        let denied = "denied by capabilities.http (path): part main: GET ";
        assert!(refused.stderr.contains(denied), "{refused:?}");
        // The main component's, sent by the plug; the answer is read by the main component.
        assert_eq!(says(&http.asked(guests, &["handed"], "/plug/")), "200");
        assert_eq!(http.credential(), Some(format!("Bearer {TOKEN}")));
        let refused = http.asked(guests, &["handed"], "/main/");
        assert!(is_denied(&refused), "{refused:?}");
        let denied = "denied by capabilities.http (path): part plug: GET ";
        assert!(refused.stderr.contains(denied), "{refused:?}");
        assert!(http.server.take_asked().is_empty());
    }
}
