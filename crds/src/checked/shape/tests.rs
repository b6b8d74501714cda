//! Tests of the shapes, each by itself: what people write, what they slip into, what an attacker tries.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use regex::Regex;

fn check(shape: &Shape, right: &[&str], wrong: &[&str]) {
    let regex = Regex::new(shape.pattern).unwrap();
    for text in right {
        assert!(regex.is_match(text), "{text:?} is refused: {}", shape.message);
    }
    for text in wrong {
        assert!(!regex.is_match(text), "{text:?} passes: {}", shape.message);
    }
    // None of them may be met by a part of a text alone.
    for text in right {
        for around in [format!("{text}\n"), format!("\n{text}"), format!("{text}\nx"), format!("{text}\r\n")]
        {
            let file = shape.pattern == FILE_PATH.pattern;
            assert!(file || !regex.is_match(&around), "{around:?} passes: {}", shape.message);
        }
    }
}

const ALL: [&Shape; 26] = [
    &LABEL,
    &NAME,
    &SUBDOMAIN,
    &KEY,
    &IMAGE,
    &ENV_NAME,
    &ENV_PREFIX,
    &ENV_FIELD,
    &FILE_FIELD,
    &GUEST_PATH,
    &FILE_PATH,
    &URL_PATH,
    &QUANTITY,
    &TIME_ZONE,
    &QUALIFIED_KEY,
    &LABEL_VALUE,
    &SCHEDULE,
    &HOST,
    &HOST_CEILING,
    &IMAGE_PREFIX,
    &CIDR,
    &PATH_PREFIX,
    &HEADER,
    &HEADER_VALUE,
    &CONFIG_KEY,
    &TIMESTAMP,
];

#[test]
fn every_shape_is_anchored_and_fits_into_a_raw_text_of_cel() {
    for shape in ALL {
        assert!(shape.pattern.starts_with('^') && shape.pattern.ends_with('$'), "{}", shape.pattern);
        assert!(!shape.pattern.contains(['"', '\n']), "{}", shape.pattern);
        // What Rust's syntax has and RE2's hasn't.
        for foreign in ["(?x", "(?=", "(?!", "(?<", "&&", "~~"] {
            assert!(!shape.pattern.contains(foreign), "{foreign} in {}", shape.pattern);
        }
    }
}

#[test]
fn every_message_says_what_a_text_must_be() {
    for shape in ALL {
        assert!(
            shape.message.starts_with("must ") || shape.message.starts_with("a key is"),
            "{}",
            shape.message
        );
        assert!(!shape.message.ends_with('.') && !shape.message.contains("  "), "{}", shape.message);
    }
}

#[test]
fn names_of_objects() {
    let wrong = ["", "-a", "a-", "A", "a_b", "a b", "é", "a/b", "a:b", "..", "../a", "a\0", "%61", "ａ"];
    check(&LABEL, &["a", "1", "a-b", "a--b", "0a", &"a".repeat(63)], &wrong);
    check(&LABEL, &[], &["a.b", "."]);
    check(&NAME, &["a", "a1", "a-1", "weather"], &wrong);
    check(&NAME, &[], &["1", "1a", "0-a"]);
    check(&SUBDOMAIN, &["a", "1", "a.b", "a-b.c-d", "1.2.3", "kube-root-ca.crt"], &wrong);
    check(&SUBDOMAIN, &[], &[".", "a.", ".a", "a..b", "a-.b", "a.-b"]);
    check(&KEY, &["a", "A", "1", ".dot", "..data", "a_b", "tls.crt", "-"], &["", "a/b", "a b", "é", "a\0"]);
}

#[test]
fn names_of_variables() {
    let right = ["A", "_", "a", "A1", "A.B", "A-B", "_A", "LD_PRELOAD"];
    let wrong = ["1A", ".A", "-A", "A=B", "A B", "A\0", "é", "$A", "${A}", "A,B"];
    check(&ENV_NAME, &right, &wrong);
    check(&ENV_NAME, &[], &[""]);
    check(&ENV_PREFIX, &right, &wrong);
    check(&ENV_PREFIX, &["", "W_"], &["=", "#"]);
}

#[test]
fn images() {
    let digest = format!("@sha256:{}", "0123456789abcdef".repeat(4));
    let [pinned, both] = [format!("r.example/a{digest}"), format!("r.example/a:1{digest}")];
    let right = [
        "r.example/a:1",
        "r.example/a",
        "r.example/a/b/c:1",
        "r.example:5000/a:1",
        "localhost/a:1",
        "10.0.0.1/a:1",
        "[::1]:5000/a:1",
        "r.example/a_b:1",
        "r.example/a__b:1",
        "r.example/a---b:1",
        "r.example/a.b:_",
        &pinned,
        &both,
    ];
    let wrong = [
        "",
        "/",
        "a",
        "a:1",
        ":1",
        "r.example",
        "r.example/",
        "r.example//a",
        "r.example/a/",
        "r.example/A:1",
        "r.example/a:",
        "r.example/a:-1",
        "r.example/a:.1",
        "r.example/a:1:2",
        "r.example/a@",
        "r.example:/a:1",
        "r.example:123456/a",
        "https://r.example/a:1",
        "r.example/a:1 ",
        " r.example/a:1",
        "r.example/a:1#x",
        "r.example/a?x",
        "user@r.example/a:1",
        "user:pass@r.example/a:1",
        "r.example/../a:1",
        "r.example/.a:1",
        "r.example/a-:1",
        "-r.example/a:1",
        "[::1/a:1",
        "::1/a:1",
        "r.example/a@sha256:",
        "r.example/a@sha512:00",
        "r.example/é:1",
        "r.example/a:é",
        "r.example/a%2fb:1",
        "r.example\\a:1",
    ];
    check(&IMAGE, &right, &wrong);
    check(&IMAGE, &[], &[&pinned[..pinned.len() - 1], &format!("{pinned}0")]);
}

#[test]
fn fields_of_the_pod() {
    let shared = ["metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels['a']"];
    let wrong = [
        "",
        "name",
        ".metadata.name",
        "metadata.name ",
        "metadata..name",
        "metadata.labels['']",
        "status.phase",
        "metadata.labels[\"a\"]",
        "metadata.labels['a'",
        "metadata.labels['a''b']",
        "spec.containers[0]",
        "metadata.generation",
        "metadata.name'",
        "{.metadata.name}",
        "$(metadata.name)",
    ];
    for shape in [&ENV_FIELD, &FILE_FIELD] {
        check(shape, &shared, &wrong);
        check(shape, &["metadata.annotations['a.example/b']"], &["status.hostname", "limits.cpu"]);
    }
    let of_running = ["spec.nodeName", "spec.serviceAccountName", "status.podIP", "status.hostIPs"];
    check(&ENV_FIELD, &of_running, &["metadata.labels", "metadata.annotations"]);
    check(&FILE_FIELD, &["metadata.labels", "metadata.annotations"], &of_running);
}

#[test]
fn paths() {
    let right =
        ["/", "/a", "/a/b", "/.a", "/..a", "/a..", "/a.b", "/...", "/a b", "/é", "/-", "/~", "/a/..b/c"];
    let wrong = [
        "",
        "a",
        ".",
        "..",
        "//",
        "//a",
        "/a/",
        "/a//b",
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/a:b",
        ":/a",
        " /a",
        "./a",
        "\\a",
        "/a\0",
        "/\0",
        "/a\0/b",
        "/a\tb",
        "/\u{7f}",
        "/\u{85}",
        "/a/\u{1b}[2J",
        "/..\n",
        "/.\n",
    ];
    check(&GUEST_PATH, &right, &wrong);
    let files = ["a", "a/b", ".a", "a/..b", "a..", "a.b/c", "a b", "é", "-"];
    let outside = [
        "", "/", "/a", ".", "..", "..a", "../a", "./a", "a/", "a//b", "a/..", "a/.", "a/../b", "a/./b",
        "a:b", "..data", "..data/a",
    ];
    check(&FILE_PATH, &files, &outside);
    let urls = ["/", "/a", "/a/../b", "/a?b=c&d=%20", "//", "/~a;b=1"];
    check(&URL_PATH, &urls, &["", "a", "/a b", "/é", "/\"", "http://a/", "/a\t", "/a\0", "/a\u{7f}"]);
}

#[test]
fn quantities() {
    let right = ["0", "1", "007", "1.5", "0.001", "250m", "1k", "1M", "64Mi", "1.5Gi", "1E", "8Ei", "1P"];
    let wrong = [
        "", "-1", "+1", "1e3", "1E3", "1.", ".5", "1.2345", "1,5", "1 Mi", "1MB", "1mi", "1K", "1KiB",
        "1Mi ", "Mi", "0x10", "1_000", "１", "∞", "NaN", "1u", "1n", "1.5.5",
    ];
    check(&QUANTITY, &right, &wrong);
}

#[test]
fn zones() {
    let zones = ["UTC", "Etc/UTC", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"];
    let no_zones = [
        "",
        "/",
        "Etc/",
        "/Etc",
        "../etc",
        "Etc/../UTC",
        "Etc//UTC",
        "A/B/C/D",
        "5",
        "+05:00",
        "Etc/UTC ",
        "Etc UTC",
        "Europe/Zürich",
        "Etc/UTC\0",
        "Etc\\UTC",
    ];
    check(&TIME_ZONE, &zones, &no_zones);
}

#[test]
fn schedules() {
    let schedules = [
        "0 0 * * *",
        "00 00 01 01 0",
        "59 23 31 12 6",
        "*/5 * * * *",
        "0-30/2 8-18 * * mon-fri",
        "1,2,3 4,5 * * *",
        "0 0 1 JAN *",
        "0 0 ? * ?",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@annually",
        "@yearly",
    ];
    let no_schedules = [
        "",
        "*",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 7",
        "* * * * 8",
        "-1 * * * *",
        "*/0 * * * *",
        "*/1000 * * * *",
        "1- * * * *",
        "-5 * * * *",
        "1,,2 * * * *",
        ",1 * * * *",
        "1, * * * *",
        "* * * * L",
        "* * 1W * *",
        "* * * * 1#2",
        "@",
        "@reboot",
        "@every 1s",
        "@DAILY",
        "@daily ",
        "TZ=UTC 0 0 * * *",
        "0\t0 * * *",
        "0 0 * * * ",
        " 0 0 * * *",
        "0 0 * janu *",
        "0 0 * * mond",
        "1-2-3 * * * *",
        "1/2/3 * * * *",
    ];
    check(&SCHEDULE, &schedules, &no_schedules);
}

#[test]
fn labels_and_their_values() {
    let keys = ["a", "A", "a.b", "a_b", "a-b", "a.example/b", "a-1.example/B.c", "kubernetes.io/os", "1/2"];
    let no_keys = [
        "", "/", "/a", "a/", "a/b/c", "-a", "a-", ".a", "a b", "A/b", "-a/b", "a-/b", "a_b/c", "é", "a=b",
        "a,b", "!a",
    ];
    check(&QUALIFIED_KEY, &keys, &no_keys);
    let edge = format!("{}/{}", "a".repeat(253), "b".repeat(63));
    let [host, name] = [format!("{}/b", "a".repeat(254)), "b".repeat(64)];
    check(&QUALIFIED_KEY, &[&edge], &[&host, &name]);
    check(
        &LABEL_VALUE,
        &["", "a", "A", "1", "a.b_c-d"],
        &["-a", "a-", ".a", "_", "a b", "a/b", "a:b", "é", "a=b"],
    );
}

/// Kubernetes' own rule for a subdomain, spelt out part by part.
fn is_subdomain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.split('.').all(|part| {
        part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || c == '-')
    })
}

/// Whether each part of a path is a name and nothing that moves.
fn stays(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains([':', '\0', '\n']))
}

proptest! {
    #[test]
    fn a_subdomain_is_what_kubernetes_says(text in "[-a.A1]{0,8}") {
        let found = Regex::new(SUBDOMAIN.pattern).unwrap().is_match(&text);
        prop_assert_eq!(found, is_subdomain(&text), "{}", text);
    }

    #[test]
    fn a_label_is_a_subdomain_of_one_part(text in "[-a.A1]{0,8}") {
        let found = Regex::new(LABEL.pattern).unwrap().is_match(&text);
        prop_assert_eq!(found, is_subdomain(&text) && !text.contains('.'), "{}", text);
    }

    #[test]
    fn a_guest_path_is_the_root_or_stays_below_it(text in "[/.a:\u{0}\n]{0,10}") {
        let found = Regex::new(GUEST_PATH.pattern).unwrap().is_match(&text);
        let want = text == "/" || text.strip_prefix('/').is_some_and(stays);
        prop_assert_eq!(found, want, "{:?}", text);
    }

    #[test]
    fn a_list_of_minutes_is_right_when_each_of_them_is(minutes in prop::collection::vec(0_u8..70, 1..5)) {
        let list: Vec<_> = minutes.iter().map(ToString::to_string).collect();
        let line = format!("{} * * * *", list.join(","));
        let found = Regex::new(SCHEDULE.pattern).unwrap().is_match(&line);
        prop_assert_eq!(found, minutes.iter().all(|minute| *minute < 60), "{}", line);
    }
}

#[test]
fn a_ceilings_host_is_a_host_or_all() {
    check(
        &HOST_CEILING,
        &["*", "api.example.com", "*.example.com", "192.0.2.1", "[2001:db8::1]"],
        &["", "**", "*.com", "*example.com", "a.*.example.com", "example", "Api.example.com", "*:443", "* "],
    );
    let regex = Regex::new(HOST.pattern).unwrap();
    assert!(!regex.is_match("*"), "only a ceiling may say all");
}

#[test]
fn the_beginning_of_an_image_has_a_registry_and_cuts_no_part() {
    let digest = format!("registry.example/a@sha256:{}", "a".repeat(64));
    check(
        &IMAGE_PREFIX,
        &[
            "registry.example/",
            "registry.example:5000/",
            "[2001:db8::1]:5000/a",
            "registry.example/a/b-c",
            "registry.example/a/",
            "registry.example/a:1.0",
            &digest,
        ],
        &[
            "",
            "/",
            "registry.example",
            "registry.example:5000",
            "registry.example/A",
            "registry.example/a-",
            "registry.example/a:",
            "registry.example/a@",
            "registry.example/a:1/",
            "registry.example//a",
            "https://registry.example/",
            "registry.example/*",
        ],
    );
}
