//! What is taken on the command line, and what is refused.
#![allow(clippy::unwrap_used)]

use super::*;

fn parse(args: &[&str]) -> Result<Settings, String> {
    let named = args.iter().any(|arg| arg.starts_with("--identity"));
    let name: &[&str] = if named { &[] } else { &["--identity=morph-operator-0"] };
    let all = ["morph-operator"].iter().chain(name).chain(args);
    Settings::try_parse_from(all).map_err(|error| error.to_string())
}

#[test]
fn the_flags_are_consistent() {
    use clap::CommandFactory as _;
    Settings::command().debug_assert();
}

#[test]
fn what_is_not_given_has_a_safe_value() {
    let settings = parse(&[]).unwrap();
    assert_eq!((settings.namespace.as_str(), settings.workers), ("morph-system", 8));
    assert_eq!(settings.signing_keys, std::path::Path::new("/etc/morph/signing-keys"));
    assert_eq!(settings.resync(), Duration::from_secs(600));
    assert_eq!(settings.sweep(), Duration::from_secs(120));
    let client = settings.registry.client();
    assert!(client.plain_http.is_empty() && client.allow_private.is_empty() && client.allow_hosts.is_empty());
    assert!(client.docker_config.is_none());
}

#[test]
fn lists_are_separated_by_commas_or_given_again() {
    let settings = parse(&[
        "--registry-plain-http=10.0.0.1:5000,localhost",
        "--registry-plain-http=r.example:80",
        "--registry-allow-private=10.0.0.0/8,fd00::/8",
        "--registry-allow-hosts=*.cdn.example,auth.example",
    ]);
    let registry = settings.unwrap().registry;
    assert_eq!(registry.plain_http, ["10.0.0.1:5000", "localhost", "r.example:80"]);
    assert_eq!((registry.allow_private.len(), registry.allow_hosts.len()), (2, 2));
}

#[test]
fn what_can_not_be_meant_is_refused_by_name() {
    for (flag, problem) in [
        ("--namespace=Morph", "lower-case"),
        ("--namespace=-a", "at both ends"),
        ("--identity=a..b", "at both ends"),
        ("--workers=0", "1..=64"),
        ("--workers=65", "1..=64"),
        ("--resync-seconds=1", "30..=86400"),
        ("--sweep-seconds=0", "10..=86400"),
        ("--registry-plain-http=http://a.example", "host:port"),
        ("--registry-plain-http=a.example/path", "host:port"),
        ("--registry-plain-http=nodot", "host:port"),
        ("--registry-allow-private=everything", "invalid"),
        ("--registry-allow-hosts=*", ""),
        ("--registry-allow-hosts=https://x", "host"),
        ("--docker-config=relative/config.json", "absolute"),
        ("--signing-keys=keys", "absolute"),
        ("--metrics-addr=8080", "invalid"),
        ("--log-format=xml", "json"),
    ] {
        if problem.is_empty() {
            assert!(parse(&[flag]).is_ok(), "{flag} is the operator's own choice");
            continue;
        }
        let error = parse(&[flag]).map(drop).unwrap_err();
        assert!(error.contains(problem), "{flag}: {error}");
    }
}

#[test]
fn a_replica_without_a_name_is_refused() {
    let nameless = Settings::try_parse_from(["morph-operator"]);
    assert!(nameless.is_err() || std::env::var("MORPH_IDENTITY").is_ok());
}

#[test]
fn numbers_are_taken_at_their_edges_and_not_past_them() {
    for (flag, min, max) in
        [("--workers", 1, 64), ("--resync-seconds", 30, 86_400), ("--sweep-seconds", 10, 86_400)]
    {
        for (number, taken) in [(min - 1, false), (min, true), (max, true), (max + 1, false), (-1, false)] {
            assert_eq!(parse(&[&format!("{flag}={number}")]).is_ok(), taken, "{flag}={number}");
        }
        for text in ["", "1.5", "0x20", "60s", "1e2", " 60"] {
            assert!(parse(&[&format!("{flag}={text}")]).is_err(), "{flag}={text}");
        }
    }
}

#[test]
fn names_are_taken_as_kubernetes_takes_them() {
    let [longest, label] = [["a"; 126].join("."), "a".repeat(63)];
    for (text, is_label, is_name) in [
        ("morph-system", true, true),
        ("0", true, true),
        ("a--b", true, true),
        ("a.b", false, true),
        (label.as_str(), true, true),
        (longest.as_str(), false, true),
        (&format!("{label}a"), false, false),
        (&format!("{longest}.ab"), false, false),
        ("", false, false),
        ("-a", false, false),
        ("a-", false, false),
        ("A", false, false),
        ("a_b", false, false),
        ("a b", false, false),
        ("ä", false, false),
        (".a", false, false),
        ("a.", false, false),
        ("a/b", false, false),
        ("a\n", false, false),
    ] {
        assert_eq!((label_fits(text), subdomain(text).is_ok()), (is_label, is_name), "{text:?}");
    }
}

fn label_fits(text: &str) -> bool {
    label(text).is_ok_and(|kept| kept == text)
}

#[test]
fn a_registry_is_spelt_as_references_spell_it() {
    for right in
        ["localhost", "localhost:5000", "a.example", "10.0.0.1:5000", "[fd00::1]:5000", "a.example:80"]
    {
        assert_eq!(registry(right).as_deref(), Ok(right));
    }
    for wrong in [
        "",
        "a",
        "A.example",
        "a.example/",
        "a.example/x",
        "a.example:0",
        "a.example:65536",
        "*.example",
        "[fd00::1",
        "fd00::1",
        "user@a.example",
        "http://a.example",
        "a.example:80:80",
        "a.example ",
        "127.1",
    ] {
        assert!(registry(wrong).is_err(), "{wrong}");
    }
}

fn fence(args: &[&str]) -> Option<Fence> {
    let all = ["morph-operator", "--identity", "a"].iter().chain(args);
    Settings::try_parse_from(all).unwrap().network.fence()
}

#[test]
fn morphs_get_a_network_policy_unless_it_is_said_otherwise() {
    assert_eq!(fence(&[]), Some(Fence::default()));
    assert_eq!(fence(&["--network-policy", "false"]), None);
}

#[test]
fn where_dns_is_can_be_said() {
    let dns = fence(&[
        "--dns-namespace=dns",
        "--dns-labels=app=coredns,tier=node",
        "--dns-addresses=169.254.20.10/32",
        "--dns-port=5353",
    ])
    .unwrap()
    .dns;
    let labels: Vec<_> = dns.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!((dns.namespace.as_str(), labels.join(",")), ("dns", "app=coredns,tier=node".to_owned()));
    assert_eq!((dns.addresses[0].to_string(), dns.port), ("169.254.20.10/32".to_owned(), 5353));
    for wrong in ["--dns-namespace=A", "--dns-labels=app", "--dns-addresses=x", "--dns-port=0"] {
        assert!(Settings::try_parse_from(["morph-operator", "--identity", "a", wrong]).is_err(), "{wrong}");
    }
}
