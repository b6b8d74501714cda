//! Each word of a spec becomes its word of the document; absence and order widen nothing.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{document_of, morph};
use crate::morph::fixture::{command, seen, server};
use crate::morph::validate;
use morph_crds::Reason;
use morph_grant::{Document, Grants, Limits, MountUse, Reuse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn grants_of(fields: &str) -> Value {
    serde_json::to_value(&document_of(fields, command()).main().unwrap().grants).unwrap()
}

#[test]
fn an_http_rule_gets_the_narrow_defaults() {
    let grants = grants_of("capabilities: {http: {allow: [{host: a.example, pathPrefixes: [/v1]}]}}");
    assert_eq!(
        grants["http"],
        json!({
            "allow": [{ "host": "a.example", "ports": [443], "methods": ["GET", "HEAD"],
                "pathPrefixes": ["/v1"], "scheme": "HTTPS" }],
            "limits": { "concurrency": 32, "timeoutMillis": 30_000,
                "requestBytes": 16 << 20, "responseBytes": 64 << 20 },
        })
    );
}

#[test]
fn every_word_of_http_arrives() {
    let document = document_of(
        "capabilities: {http: {allow: [{host: db.demo.svc, ports: [8081, 80], methods: [PUT, GET], \
         pathPrefixes: [/b, /a], scheme: HTTP, addresses: [10.1.0.0/16, 10.0.0.0/16], \
         credential: {header: X-Key, prefix: 'Bearer ', secretKeyRef: {name: s, key: k}, \
         allowPlainHTTP: true}}], caBundle: {configMapKeyRef: {name: c, key: ca}}, \
         limits: {maxConcurrency: 3, timeoutMillis: 4, requestBytesMax: 5, responseBytesMax: 6Ki}}}",
        command(),
    );
    let grants = serde_json::to_value(&document.main().unwrap().grants).unwrap();
    assert_eq!(
        grants["http"],
        json!({
            "allow": [{ "host": "db.demo.svc", "ports": [80, 8081], "methods": ["GET", "PUT"],
                "pathPrefixes": ["/a", "/b"], "scheme": "HTTP", "addresses": ["10.0.0.0/16", "10.1.0.0/16"],
                "credential": { "header": "X-Key", "prefix": "Bearer ", "file": "credential-0",
                    "plainHttp": true } }],
            "caBundle": "ca",
            "limits": { "concurrency": 3, "timeoutMillis": 4, "requestBytes": 5, "responseBytes": 6 << 10 },
        })
    );
    let [mount] = document.mounts.as_slice() else { panic!("{:?}", document.mounts) };
    assert_eq!((mount.volume.as_str(), mount.used_for), ("hayride-files", MountUse::Files));
    assert_eq!((mount.destination.as_str(), mount.read_only), ("/run/hayride.dev/files", true));
}

#[test]
fn every_word_of_sockets_arrives() {
    let grants = grants_of(
        "capabilities: {sockets: {connect: [{cidr: 10.0.0.0/8, ports: [2, 1]}, \
         {host: db.a.example, ports: [53], protocol: UDP, addresses: [10.0.0.0/8]}], \
         listen: [{port: 2, protocol: UDP}, {port: 1}], lookup: [b.example, a.example]}}",
    );
    assert_eq!(
        grants["sockets"],
        json!({
            "connect": [
                { "peer": { "host": "db.a.example" }, "ports": [53], "protocol": "UDP",
                    "addresses": ["10.0.0.0/8"] },
                { "peer": { "cidr": "10.0.0.0/8" }, "ports": [1, 2], "protocol": "TCP" },
            ],
            "listen": [{ "port": 1, "protocol": "TCP" }, { "port": 2, "protocol": "UDP" }],
            "lookup": ["a.example", "b.example"],
        })
    );
}

#[test]
fn configuration_buckets_and_logging_arrive() {
    let grants = grants_of(
        "config: [{key: z, value: ''}, {key: a, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n\
         capabilities: {keyvalue: [{bucket: b, memory: {maxBytes: 1Mi}}, \
         {bucket: a, memory: {maxBytes: 2Ki}}], logging: {}}",
    );
    assert_eq!(grants["config"], json!([{ "key": "a", "file": "config-0" }, { "key": "z", "value": "" }]));
    let buckets = json!([{ "bucket": "a", "maxBytes": 2048 }, { "bucket": "b", "maxBytes": 1 << 20 }]);
    assert_eq!((&grants["keyvalue"], &grants["logging"]), (&buckets, &json!(true)));
}

#[test]
fn what_is_withheld_and_what_is_fixed_arrives() {
    let grants = grants_of(
        "withhold: [Stdin, Exit]\n\
         determinism: {seed: 7, clock: \"1970-01-01T00:00:01.5Z\", clockStepMillis: 3}",
    );
    assert_eq!(grants["withheld"], json!(["Exit", "Stdin"]));
    let want = json!({ "seed": 7, "clockUnixMillis": 1500, "clockStepMillis": 3 });
    assert_eq!(grants["determinism"], want);
    assert_eq!(grants_of("determinism: {seed: 0}")["determinism"], json!({ "seed": 0 }));
}

#[test]
fn a_directory_of_a_volume_arrives() {
    let grants = grants_of(
        "volumes: [{name: v, emptyDir: {}}]\n\
         capabilities: {filesystem: [{volume: v, path: /v, subPath: a/b}]}",
    );
    assert_eq!(grants["filesystem"][0]["subPath"], "a/b");
}

#[test]
fn every_limit_arrives_and_none_is_none() {
    let fields = "limits: {memory: 64Mi, cpuPerCallMillis: 5, outputBytesPerSecond: 2Ki}\n\
                  http: {maxConcurrency: 6, requestTimeoutMillis: 7, bodyBytesMax: 8, reuse: Pooled}";
    let document = document_of(fields, server());
    let want = Limits {
        memory_bytes: Some(64 << 20),
        cpu_per_call_millis: Some(5),
        output_bytes_per_second: Some(2 << 10),
    };
    assert_eq!(document.main().unwrap().limits, want);
    let http = document.http.unwrap();
    assert_eq!((http.concurrency, http.request_timeout_millis, http.body_bytes), (Some(6), Some(7), Some(8)));
    assert_eq!(http.reuse, Reuse::Pooled);
    let http = document_of("", server()).http.unwrap();
    assert_eq!((http.concurrency, http.request_timeout_millis, http.body_bytes), (None, None, None));
    assert_eq!(http.reuse, Reuse::PerRequest);
}

/// One item of each list, by number.
fn fields(order: &[usize]) -> String {
    let list = |item: &dyn Fn(usize) -> String| {
        let items: Vec<String> = order.iter().map(|index| item(*index)).collect();
        format!("[{}]", items.join(", "))
    };
    let secret = |index: usize| format!("secretKeyRef: {{name: hidden-{index}, key: hidden-key}}");
    format!(
        "config: {}\nwithhold: {}\nvolumes: {}\ncapabilities:\n  filesystem: {}\n  keyvalue: {}\n  \
         http: {{allow: {}, caBundle: {{configMapKeyRef: {{name: hidden-map, key: hidden-key}}}}}}\n  \
         sockets: {{connect: {}, listen: {}, lookup: {}}}\n",
        list(&|i| format!("{{key: k{i}, valueFrom: {{{}}}}}", secret(i))),
        list(&|i| ["Clocks", "Exit", "Random", "Stdin"][i].to_owned()),
        list(&|i| format!("{{name: v{i}, secret: {{secretName: hidden-{i}}}}}")),
        list(&|i| format!("{{volume: v{i}, path: /v{i}}}")),
        list(&|i| format!("{{bucket: b{i}, memory: {{maxBytes: {}Ki}}}}", i + 1)),
        list(&|i| format!(
            "{{host: h{i}.example, ports: [{}, 443], pathPrefixes: [/], \
             credential: {{header: x, {}}}}}",
            i + 1,
            secret(i)
        )),
        list(&|i| format!("{{host: s{i}.example, ports: [{}, 99]}}", i + 5000)),
        list(&|i| format!("{{port: {}}}", i + 1)),
        list(&|i| format!("l{i}.example")),
    )
}

/// Imports nothing, so that nothing withheld is missed.
fn document(order: &[usize]) -> Document {
    let world = crate::morph::fixture::world(&[], &["wasi:cli/run@0.2.3"]);
    document_of(&fields(order), world)
}

proptest! {
    #[test]
    fn no_order_of_a_specs_lists_changes_the_document(order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        prop_assert_eq!(document(&order), document(&[0, 1, 2, 3]));
    }

    /// Secrets and ConfigMaps are named in the pod's volume alone.
    #[test]
    fn nothing_of_a_secret_is_in_the_document(
        order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
        count in 1..5_usize,
    ) {
        let text = serde_json::to_string(&document(&order[..count])).unwrap();
        prop_assert!(!text.contains("hidden"), "{}", text);
    }
}

#[test]
fn two_rules_of_one_host_keep_their_order() {
    let rule = |prefix: &str| format!("{{host: b.example, pathPrefixes: [{prefix}]}}");
    let of = |rules: [String; 2]| {
        let fields = format!(
            "capabilities: {{http: {{allow: [{}, {{host: a.example, pathPrefixes: [/]}}, {}]}}}}",
            rules[0], rules[1]
        );
        let grants = grants_of(&fields);
        let rules = grants["http"]["allow"].as_array().unwrap().clone();
        rules.iter().map(|rule| rule["pathPrefixes"][0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of([rule("/1"), rule("/2")]), ["/", "/1", "/2"]);
    assert_eq!(of([rule("/2"), rule("/1")]), ["/", "/2", "/1"]);
}

#[test]
fn no_grant_is_a_default_of_another() {
    let alone = |fields: &str| grants_of(fields).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let none = serde_json::to_value(Grants::default()).unwrap();
    assert_eq!(grants_of("capabilities: {}"), none);
    for (fields, key) in [
        ("capabilities: {logging: {}}", "logging"),
        ("config: [{key: a, value: b}]", "config"),
        ("capabilities: {keyvalue: [{bucket: a, memory: {maxBytes: 1Ki}}]}", "keyvalue"),
        ("capabilities: {sockets: {lookup: [a.example]}}", "sockets"),
        ("capabilities: {http: {allow: [{host: a.example, pathPrefixes: [/]}]}}", "http"),
        ("withhold: [Exit]", "withheld"),
        ("determinism: {seed: 1}", "determinism"),
    ] {
        let mut want: Vec<_> = none.as_object().unwrap().keys().cloned().collect();
        want.push(key.to_owned());
        want.sort();
        assert_eq!(alone(fields), want, "{fields}");
    }
}

/// A Morph at the bounds of every list and text.
fn at_every_maximum(text: usize) -> String {
    let list = |count: usize, item: &dyn Fn(usize) -> Value| (0..count).map(item).collect::<Vec<_>>();
    let label = |index: usize| format!("{}-{index}", "x".repeat(text.min(59)));
    let host = |index: usize| format!("h{index}.{}.example", vec!["x".repeat(text.min(55)); 4].join("."));
    let addresses = list(8, &|i| json!(format!("2001:db8:{:x}::/48", i + 1)));
    let secret = |index: usize| json!({ "name": label(index), "key": label(index) });
    let ports = list(8, &|i| json!(50_000 + i));
    let prefix = |i: usize| json!(format!("/{i}{}", "p".repeat(text.min(126))));
    let rule = |i: usize| {
        json!({ "host": host(i), "ports": ports, "pathPrefixes": list(8, &prefix), "addresses": addresses,
            "methods": ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"],
            "credential": { "header": "h".repeat(text.min(64)), "prefix": "p".repeat(text.min(64)),
                "secretKeyRef": secret(i) } })
    };
    let connect = |i: usize| {
        let ports = list(8, &|port| json!(10_000 + port));
        json!({ "host": host(i), "ports": ports, "addresses": addresses })
    };
    let value = "v".repeat(text.min(4096));
    let spec = json!({
        "image": "r.test/hello:1",
        "args": list(64, &|_| json!(value)),
        "env": list(64, &|i| json!({ "name": format!("E{i}"), "value": value })),
        "config": list(64, &|i| json!({ "key": format!("k{i}"), "value": value })),
        "volumes": list(16, &|i| json!({ "name": label(i), "emptyDir": {} })),
        "withhold": ["Clocks"],
        "determinism": { "seed": 1, "clock": "2026-01-01T00:00:00Z", "clockStepMillis": 1 },
        "limits": { "memory": "4Gi", "cpuPerCallMillis": 1, "outputBytesPerSecond": "1Gi" },
        "capabilities": {
            "filesystem": list(16, &|i| json!({ "volume": label(i), "path": format!("/{}", label(i)),
                "subPath": "s".repeat(text.min(256)) })),
            "http": { "allow": list(32, &rule) },
            "sockets": {
                "connect": list(32, &connect),
                "listen": list(8, &|i| json!({ "port": i + 1 })),
                "lookup": list(32, &|i| json!(host(i))),
            },
            "keyvalue": list(8, &|i| json!({ "bucket": label(i), "memory": { "maxBytes": "1Gi" } })),
            "logging": {},
        },
    });
    spec.to_string()
}

#[test]
fn a_morph_at_every_maximum_fits_or_is_refused_as_too_large() {
    let world = || crate::morph::fixture::world(&[], &["wasi:cli/run@0.2.3"]);
    let judge = |text| validate(&seen(morph(&at_every_maximum(text)), world()));
    let refusal = judge(1 << 20).unwrap_err();
    assert_eq!(refusal.reason, Reason::GrantTooLarge, "{}", refusal.message);
    assert!(judge(8).is_ok(), "every list at its maximum, of short texts, fits");
}
