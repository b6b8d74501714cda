//! Every attack of `tests/attacks/egress.yaml`, against real DNS, TLS and HTTP servers: none gets through,
//! each for the right reason; and beside them the requests that do get through.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::tests::{Setup, code, ending};
use super::*;
use http::Uri;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Cases that vary one part of the base request.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Group {
    reason: String,
    why: String,
    authorities: Vec<String>,
    schemes: Vec<String>,
    methods: Vec<String>,
    paths: Vec<String>,
    headers: Vec<(String, String)>,
    answers: Vec<Vec<IpAddr>>,
}

/// One request.
#[derive(Debug, Clone)]
struct Case {
    method: String,
    scheme: String,
    authority: String,
    path: String,
    header: Option<(String, String)>,
}

impl Case {
    fn base(port: u16) -> Self {
        let text = |text: &str| text.to_owned();
        let authority = format!("api.weather.example:{port}");
        Self { method: text("GET"), scheme: text("https"), authority, path: text("/v1/a"), header: None }
    }

    /// As the interface makes a request of what a guest says; `None` where it refuses itself.
    fn request(&self) -> Option<Request<WasiBody>> {
        let is_path = self.path.is_empty() || self.path.starts_with(['/', '?']);
        let uri = Uri::builder().scheme(self.scheme.as_str()).authority(self.authority.as_str());
        let uri = uri.path_and_query(self.path.as_str()).build().ok().filter(|_| is_path)?;
        let mut request = Request::builder().method(self.method.as_str()).uri(uri);
        if let Some((name, value)) = &self.header {
            request = request.header(name, value);
        }
        Some(request.body(ending(b"")).unwrap())
    }
}

fn groups() -> Vec<Group> {
    serde_norway::from_str(include_str!("../../../tests/attacks/egress.yaml")).unwrap()
}

/// The names whose answers are attacks, with them.
fn answers(groups: &[Group]) -> Vec<(String, Vec<IpAddr>)> {
    let all = groups.iter().flat_map(|group| &group.answers).enumerate();
    all.flat_map(|(number, answer)| {
        ["answers", "wide"].map(|zone| (format!("a{number}.{zone}.example"), answer.clone()))
    })
    .collect()
}

fn cases(groups: &[Group], port: u16) -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    let mut add = |reason: &str, change: &dyn Fn(&mut Case)| {
        let mut case = Case::base(port);
        change(&mut case);
        cases.push((reason.to_owned(), case));
    };
    let filled = |text: &str| text.replace("PORT", &port.to_string());
    for group in groups {
        let reason = &group.reason;
        assert!(!group.why.is_empty());
        group.authorities.iter().for_each(|text| add(reason, &|case| case.authority = filled(text)));
        group.schemes.iter().for_each(|text| add(reason, &|case| case.scheme.clone_from(text)));
        group.methods.iter().for_each(|text| add(reason, &|case| case.method.clone_from(text)));
        group.paths.iter().for_each(|text| add(reason, &|case| case.path.clone_from(text)));
        for (name, value) in &group.headers {
            add(reason, &|case| case.header = Some((name.clone(), filled(value))));
        }
    }
    for (name, _) in answers(groups) {
        add("address", &|case| case.authority = format!("{name}:{port}"));
    }
    cases
}

#[tokio::test]
async fn no_attack_gets_through_and_each_is_refused_for_the_right_reason() {
    let groups = groups();
    let setup = Setup::new(&["h2", "http/1.1"], &answers(&groups)).await;
    let cases = cases(&groups, setup.server.port);
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (reason, case) in &cases {
        *seen.entry(reason.clone()).or_default() += 1;
        let Some(request) = case.request() else {
            if reason != "uri" {
                wrong.push(format!("{reason}: {case:?} is no URI"));
            }
            continue;
        };
        let sent = setup.egress.send(request, None).await;
        let refused = setup.take_denials();
        let rules: Vec<&str> = refused.iter().map(|denial| denial.rule).collect();
        let want = if reason == "address" { "DestinationIpProhibited" } else { "HttpRequestDenied" };
        let got = code(sent.map(drop));
        let asked = setup.dns.take_asked();
        let names_asked = asked.iter().filter(|name| !name.contains(' ')).count();
        if rules != [reason] || got != want || names_asked != usize::from(reason == "address") {
            wrong.push(format!("{reason}: {case:?}: {got} {refused:?} {asked:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(setup.server.take_asked().is_empty());
    assert!(cases.len() >= 200, "{} {seen:?}", cases.len());
    println!("{} attacks, none through: {seen:?}", cases.len());
}

#[tokio::test]
async fn what_the_same_grant_allows_gets_through() {
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let setup = Setup::new(protocols, &[]).await;
        let port = setup.server.port;
        let version = if protocols.len() == 2 { "HTTP/2.0" } else { "HTTP/1.1" };
        for (authority, path, line) in [
            ("api.weather.example", "/v1/a", "api.weather.example:PORT/v1/a"),
            ("API.Weather.Example.", "/v1/a?q=%2F..&x", "api.weather.example:PORT/v1/a?q=%2F..&x"),
            ("api.weather.example", "/v2/../v1//./%61", "api.weather.example:PORT/v1/a"),
            ("b.wild.example", "/v1/", "b.wild.example:PORT/v1/"),
            ("c.b.wild.example", "/v1/a;x=1", "c.b.wild.example:PORT/v1/a;x=1"),
        ] {
            let case =
                Case { authority: format!("{authority}:{port}"), path: path.into(), ..Case::base(port) };
            let sent = setup.egress.send(case.request().unwrap(), None).await;
            assert_eq!(sent.unwrap().status(), 200, "{case:?}");
            let line = line.replace("PORT", &port.to_string());
            let asked: Vec<String> = setup.server.take_asked().into_iter().map(|asked| asked.line).collect();
            assert_eq!(asked, [format!("GET {line} {version}")]);
        }
        assert!(setup.take_denials().is_empty());
    }
}
