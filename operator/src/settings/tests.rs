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
