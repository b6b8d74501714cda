//! Tests of `egress::rule`: each kind of rule by itself, with the request that it grants beside those that it
//! doesn't. The attacks stand in `tests/attacks/egress.yaml`.
#![allow(clippy::unwrap_used)]
use super::*;
use http::HeaderValue;
use morph_grant::{HttpLimits, HttpRule};

pub(crate) fn grant(rules: Vec<HttpRule>) -> HttpGrant {
    let limits =
        HttpLimits { concurrency: 8, timeout_millis: 5_000, request_bytes: 1 << 20, response_bytes: 1 << 20 };
    HttpGrant { allow: rules, ca_bundle: None, limits }
}

pub(crate) fn https(host: &str) -> HttpRule {
    HttpRule {
        host: host.into(),
        ports: vec![443],
        methods: vec!["GET".into(), "HEAD".into()],
        path_prefixes: vec!["/v1/".into()],
        scheme: HttpScheme::Https,
        addresses: Vec::new(),
        credential: None,
    }
}

fn asked(rules: &[HttpRule], method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<String, Refused> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    let rules = Rules::new(&grant(rules.to_vec()));
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let (place, target) = rules.allow(&method, &uri.parse().unwrap(), &map)?;
    Ok(format!("{place} {}", target.uri().unwrap()))
}

fn get(rules: &[HttpRule], uri: &str) -> Result<String, Refused> {
    asked(rules, "GET", uri, &[])
}

#[test]
fn what_is_granted_passes_and_is_sent_in_one_spelling() {
    let rules = [https("api.weather.example")];
    for (uri, sent) in [
        ("https://api.weather.example/v1/a", "0 https://api.weather.example/v1/a"),
        ("https://API.Weather.Example.:443/v1/a?q=../x%2f", "0 https://api.weather.example/v1/a?q=../x%2f"),
        ("https://api.weather.example/v2/..//v1/./%61", "0 https://api.weather.example/v1/a"),
    ] {
        assert_eq!(get(&rules, uri).as_deref(), Ok(sent), "{uri}");
    }
}

#[test]
fn the_nearest_name_is_asked_first() {
    let hosts = ["*.weather.example", "*.eu.weather.example", "api.eu.weather.example"];
    let rules = Rules::new(&grant(hosts.map(https).to_vec()));
    for (host, place) in [("api.eu", 0), ("db.eu", 1), ("api", 2)] {
        let uri = format!("https://{host}.weather.example/v1/a").parse().unwrap();
        let (found, _) = rules.allow(&Method::GET, &uri, &HeaderMap::new()).unwrap();
        assert_eq!(found, place, "{host}");
    }
}

#[test]
fn each_part_must_be_granted_by_the_same_rule() {
    let mut other = https("other.example");
    (other.ports, other.path_prefixes) = (vec![8443], vec!["/".into()]);
    other.methods = vec!["POST".into()];
    let rules = [https("api.weather.example"), other];
    for (method, uri, why) in [
        ("GET", "https://weather.example/v1/a", Refused::Host),
        ("GET", "http://api.weather.example/v1/a", Refused::Scheme),
        ("GET", "https://api.weather.example:8443/v1/a", Refused::Port),
        ("POST", "https://api.weather.example/v1/a", Refused::Method),
        ("GET", "https://api.weather.example/v2/a", Refused::Path),
        ("GET", "https://other.example:8443/", Refused::Method),
        ("POST", "https://other.example/", Refused::Port),
        ("get", "https://api.weather.example/v1/a", Refused::Method),
    ] {
        assert_eq!(asked(&rules, method, uri, &[]), Err(why), "{method} {uri}");
    }
    assert_eq!(
        asked(&rules, "POST", "https://other.example:8443/", &[]).unwrap(),
        "1 https://other.example:8443/"
    );
}

#[test]
fn the_first_rule_that_grants_all_of_it_is_taken() {
    let mut second = https("*.weather.example");
    second.methods = vec!["POST".into()];
    let rules = [https("api.weather.example"), second, https("*.weather.example")];
    assert!(get(&rules, "https://api.weather.example/v1/").unwrap().starts_with('0'));
    assert!(get(&rules, "https://b.weather.example/v1/").unwrap().starts_with('2'));
    let posted = asked(&rules, "POST", "https://api.weather.example/v1/", &[]);
    assert!(posted.unwrap().starts_with('1'));
}

#[test]
fn addresses_are_granted_as_addresses() {
    let mut v4 = https("10.0.0.1");
    v4.scheme = HttpScheme::Http;
    v4.ports = vec![80, 8080];
    let rules = [v4, https("[2a00::1]")];
    assert_eq!(get(&rules, "http://10.0.0.1/v1/").unwrap(), "0 http://10.0.0.1/v1/");
    assert_eq!(get(&rules, "http://[::ffff:10.0.0.1]:8080/v1/").unwrap(), "0 http://10.0.0.1:8080/v1/");
    assert_eq!(get(&rules, "https://[2A00:0:0::1]/v1/").unwrap(), "1 https://[2a00::1]/v1/");
    assert_eq!(get(&rules, "https://10.0.0.1/v1/"), Err(Refused::Scheme));
}

#[test]
fn a_grant_without_rules_or_with_unreadable_ones_grants_nothing() {
    assert_eq!(get(&[], "https://api.weather.example/v1/"), Err(Refused::Host));
    for host in ["*", "*.example", "", "0x7f000001"] {
        assert_eq!(get(&[https(host)], "https://api.weather.example/v1/"), Err(Refused::Host), "{host}");
    }
    let mut no_path = https("api.weather.example");
    no_path.path_prefixes = vec!["v1".into(), "/..".into()];
    assert_eq!(get(&[no_path], "https://api.weather.example/v1/"), Err(Refused::Path));
}

#[test]
fn a_host_header_says_the_same_or_the_request_is_refused() {
    let rules = [https("api.weather.example")];
    let with = |values: &[&str]| {
        let headers: Vec<(&str, &str)> = values.iter().map(|value| ("host", *value)).collect();
        asked(&rules, "GET", "https://api.weather.example/v1/", &headers)
    };
    for same in ["api.weather.example", "API.weather.example.:443", "api.weather.example:443"] {
        assert!(with(&[same]).is_ok(), "{same}");
    }
    for values in [
        &["evil.example"][..],
        &["api.weather.example:8443"],
        &[""],
        &["api.weather.example", "api.weather.example"],
    ] {
        assert_eq!(with(values), Err(Refused::HostHeader), "{values:?}");
    }
}

#[test]
fn headers_have_a_bound() {
    let mut headers = HeaderMap::new();
    for number in 0..HEADERS_MAX {
        headers.append("x", number.into());
    }
    assert!(headers_fit(&headers));
    headers.append("x", 1.into());
    assert!(!headers_fit(&headers));
    let mut headers = HeaderMap::new();
    headers.append("x", HeaderValue::from_str(&"a".repeat(HEADERS_BYTES_MAX - 5)).unwrap());
    assert!(headers_fit(&headers));
    headers.append("y", HeaderValue::from_static(""));
    assert!(!headers_fit(&headers));
}

#[test]
fn every_refusal_has_a_word_and_a_text() {
    let words =
        [Refused::Connect, Refused::Upgrade, Refused::UserInfo, Refused::Authority, Refused::HostHeader]
            .map(Refused::word);
    assert_eq!(words, ["connect", "upgrade", "userinfo", "authority", "host-header"]);
    assert_eq!(Refused::BadPath(path::Bad::Encoded).word(), "path");
    assert_eq!(Refused::Spelling(name::Bad::Number).word(), "host");
}
