//! Tests of `egress::name`.
#![allow(clippy::unwrap_used)]
use super::*;

fn matched(pattern: &str, host: &str) -> bool {
    let pattern = Pattern::parse(pattern);
    Host::parse(host).is_ok_and(|host| pattern.is_some_and(|pattern| pattern.matches(&host)))
}

#[test]
fn a_name_has_one_spelling() {
    for text in ["api.weather.example", "API.Weather.Example", "api.weather.example.", "Api.WEATHER.example."]
    {
        assert_eq!(Host::parse(text), Ok(Host::Name("api.weather.example".into())), "{text}");
    }
    for (text, shown) in [("10.0.0.1", "10.0.0.1"), ("[::1]", "[::1]"), ("[0:0::0:1]", "[::1]")] {
        assert_eq!(Host::parse(text).unwrap().to_string(), shown);
    }
    assert_eq!(Host::parse("[::ffff:10.0.0.1]").unwrap().to_string(), "10.0.0.1");
    assert_eq!(Host::parse_lookup("::1").unwrap().to_string(), "[::1]");
    assert_eq!(Host::parse_lookup("::ffff:1.2.3.4").unwrap().to_string(), "1.2.3.4");
    assert_eq!(Host::parse_lookup("a.example.").unwrap().to_string(), "a.example");
}

#[test]
fn what_is_no_name_says_why() {
    let long_label = format!("{}.example", "a".repeat(64));
    let long = format!("{}example", "abcdefg.".repeat(32));
    for (text, why) in [
        ("", Bad::Empty),
        (".", Bad::Empty),
        ("..", Bad::Empty),
        ("a..example", Bad::Empty),
        (".a.example", Bad::Empty),
        ("a.example..", Bad::Empty),
        (long_label.as_str(), Bad::Long),
        (long.as_str(), Bad::Long),
        ("bücher.example", Bad::Character),
        ("api。weather.example", Bad::Character),
        ("api.weather.example\u{200b}", Bad::Character),
        ("a b.example", Bad::Character),
        ("a@b.example", Bad::Character),
        ("a%2eexample", Bad::Character),
        ("a/b.example", Bad::Character),
        ("a\\b.example", Bad::Character),
        ("-a.example", Bad::Character),
        ("a-.example", Bad::Character),
        ("*.example", Bad::Character),
        ("a\0.example", Bad::Character),
        ("::1", Bad::Character),
        ("[::1", Bad::Bracket),
        ("[::1%25lo]", Bad::Bracket),
        ("[fe80::1%lo]", Bad::Bracket),
        ("[127.0.0.1]", Bad::Bracket),
        ("[v1.fe80]", Bad::Bracket),
        ("[]", Bad::Bracket),
    ] {
        assert_eq!(Host::parse(text), Err(why), "{text:?}");
    }
}

#[test]
fn spellings_that_some_program_takes_for_an_address_are_no_names() {
    for text in [
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "017700000001",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "127.0.0.01",
        "1.2.3.4.5",
        "256.1.1.1",
        "0",
        "0x",
        "1.2.3.4.",
        "a.example.1",
        "a.0x1f",
        "169.254.169.254.",
    ] {
        assert_eq!(Host::parse(text), Err(Bad::Number), "{text}");
    }
    assert!(Host::parse("1.2.3.example").is_ok() && Host::parse("0x7f.example").is_ok());
}

#[test]
fn an_exact_host_stands_for_itself() {
    assert!(matched("api.weather.example", "API.weather.example."));
    assert!(matched("10.0.0.1", "10.0.0.1"));
    assert!(matched("[2a00::1]", "[2a00:0::1]"));
    for other in [
        "weather.example",
        "x.api.weather.example",
        "api.weather.example.evil.example",
        "api-weather.example",
    ] {
        assert!(!matched("api.weather.example", other), "{other}");
    }
    assert!(!matched("10.0.0.1", "[::10.0.0.1]"));
}

#[test]
fn a_suffix_stands_for_every_name_below_it() {
    for name in ["a.weather.example", "b.a.weather.example", "A.Weather.Example."] {
        assert!(matched("*.weather.example", name), "{name}");
    }
    for name in
        ["weather.example", "evilweather.example", ".weather.example", "a.weather.example.evil.example"]
    {
        assert!(!matched("*.weather.example", name), "{name}");
    }
    assert!(!matched("*.0.0.1", "127.0.0.1"));
}

#[test]
fn a_pattern_that_would_stand_for_too_much_stands_for_nothing() {
    for pattern in
        ["*", "*.", "*.example", "*.*.example", "**.a.example", "a.*.example", "", "*.10.0.0.1", "*.[::1]"]
    {
        assert_eq!(Pattern::parse(pattern), None, "{pattern}");
    }
}
