//! Tests of `error`.
#![allow(clippy::unwrap_used)]
use super::*;

fn status(status: u16) -> Error {
    Error::Status { registry: "a.test".into(), what: "x/y:1".into(), status }
}

#[test]
fn what_may_pass_by_itself_is_transient() {
    for code in [408, 429, 500, 502, 503, 504] {
        assert!(status(code).is_transient(), "{code}");
    }
    for code in [200, 400, 401, 403, 404, 405, 418, 501, 505, 507] {
        assert!(!status(code).is_transient(), "{code}");
    }
    let source = Box::from("reset");
    assert!(Error::Unreachable { host: "a.test".into(), problem: "it is gone", source }.is_transient());
    let lasting = [
        Error::NotFound { registry: "a.test".into(), what: "x".into() },
        Error::Unauthorized { registry: "a.test".into(), what: "x".into(), had_credentials: false },
        Error::PlainHttp { host: "a.test".into() },
        ArtifactError::Index.of(&"a.test/x:1"),
    ];
    assert!(lasting.iter().all(|error| !error.is_transient()));
}

#[test]
fn messages_say_what_was_tried_and_what_can_be_done() {
    let unauthorized = |had_credentials| Error::Unauthorized {
        registry: "a.test".into(),
        what: "x/y:1".into(),
        had_credentials,
    };
    for (error, want) in [
        (unauthorized(false), "a.test refuses access to x/y:1 and no credentials for it were given"),
        (
            unauthorized(true),
            "a.test refuses access to x/y:1 with the credentials given; \
             check them and the rights that they have",
        ),
        (status(503), "a.test answered with status 503 when asked for x/y:1"),
        (
            Error::RefusedAddress { host: "a.test".into(), address: [10, 0, 0, 1].into() },
            "a.test is at 10.0.0.1, which is not a public address; list its network to allow it",
        ),
        (
            Error::ForeignHost { registry: "a.test".into(), by: "redirects", host: "b.test".into() },
            "a.test redirects to b.test, which is another host; list it to allow that",
        ),
        (
            ArtifactError::Layers { count: 2 }.of(&"a.test/x:1"),
            "a.test/x:1: it has 2 layers; a component is exactly one",
        ),
    ] {
        assert_eq!(error.to_string(), want);
    }
}
