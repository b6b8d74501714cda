//! Lines of a log, and what is proposed from them.
#![allow(clippy::unwrap_used)]

use super::*;

fn capabilities(log: &str) -> Value {
    let text = suggest(log).unwrap();
    let yaml: Value = serde_norway::from_str(&text).unwrap();
    yaml["spec"]["capabilities"].clone()
}

#[test]
fn requests_to_one_host_become_one_rule() {
    let log = "\
hello
2026-01-01T00:00:00Z stderr F morph: denied by capabilities.http (host): GET https://api.example/v1/a: no rule
denied by capabilities.http (method): POST https://api.example/v1/a: the rules take GET
denied by capabilities.http (path), 10 times by now: GET https://api.example/v2: no rule
denied by capabilities.http (port): GET http://api.example:8080/: no rule
";
    assert_eq!(
        capabilities(log)["http"]["allow"],
        json!([
            { "host": "api.example", "ports": [8080], "methods": ["GET"], "pathPrefixes": ["/"],
                "scheme": "HTTP" },
            { "host": "api.example", "ports": [443], "methods": ["GET", "POST"],
                "pathPrefixes": ["/v1/a", "/v2"], "scheme": "HTTPS" },
        ])
    );
}

#[test]
fn sockets_become_what_would_have_let_them_through() {
    let log = "\
denied by capabilities.sockets (connect): TCP 192.0.2.7:5432: no rule
denied by capabilities.sockets (connect): UDP [2001:db8::1]:53: no rule
denied by capabilities.sockets (listen): listen TCP 0.0.0.0:7000: no rule
denied by capabilities.sockets (lookup): db.example: neither lookup nor a host of connect names it
";
    assert_eq!(
        capabilities(log)["sockets"],
        json!({
            "connect": [
                { "cidr": "192.0.2.7/32", "ports": [5432], "protocol": "TCP" },
                { "cidr": "2001:db8::1/128", "ports": [53], "protocol": "UDP" },
            ],
            "listen": [{ "port": 7000, "protocol": "TCP" }],
            "lookup": ["db.example"],
        })
    );
}

#[test]
fn what_no_rule_would_change_is_a_comment() {
    let log = "\
denied by capabilities.http (address): GET https://api.example/: 10.0.0.1 is private
denied by capabilities.http (timeout): GET https://api.example/: no answer
denied by capabilities.keyvalue (size): bucket cache: full
denied by capabilities.http (host): nonsense
";
    let text = suggest(log).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("# a rule more")).count(), 4, "{text}");
    assert!(text.ends_with("# nothing was refused that a rule would grant\n"), "{text}");
    assert!(suggest("").unwrap().starts_with("# nothing was refused"));
}

/// The words are the guest's own: whatever they are, they stay within their text.
#[test]
fn a_guests_words_are_texts_and_nothing_else() {
    let host = "x\", logging: {}, y: \"# {[";
    let log = format!("denied by capabilities.http (host): GET https://{host}/a: b: no\n");
    let rules = capabilities(&log)["http"]["allow"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 1, "{rules}");
    assert_eq!(capabilities(&log).as_object().unwrap().keys().collect::<Vec<_>>(), ["http"]);
}

#[test]
fn more_than_a_morph_may_have_is_counted() {
    let line = |n: usize| format!("denied by capabilities.sockets (lookup): h{n}.example: no\n");
    let log: String = (0..40).map(line).collect();
    assert_eq!(capabilities(&log)["sockets"]["lookup"].as_array().unwrap().len(), 32);
    assert!(suggest(&log).unwrap().contains("# lookup: 8 more than a Morph may have"));
    let line = |n: usize| format!("denied by capabilities.http (path): GET https://a.example/{n}: no\n");
    let log: String = (0..9).map(line).collect();
    assert_eq!(capabilities(&log)["http"]["allow"][0]["pathPrefixes"], json!(["/"]));
}
