//! Servers of WASI 0.3 that are compositions: they answer requests, several at once, each part with its own
//! rights, also where plugs stand between a part and the host or behind another Server.

use super::asking::{Http, TOKEN, credential};
use super::granted::{echo, plug};
use super::*;
use crate::support::http::{block_on, get, get_http2, serve, server as serving};
use crate::support::{Running, guest};
use morph_grant::HttpScheme;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

/// Requests that are worked on at once: no more than each part may have.
const AT_ONCE: usize = 6;

const WITH_PLUG: [(&str, &str); 2] = [(MAIN, "part-p3-server"), ("plug", "part-p3-plug")];

/// A composition that serves; plugs by name.
fn served(
    parts: &[(&str, &str)],
    links: &[(&str, &str, &str)],
    task: Task,
    plugs: Vec<Plug>,
) -> (Running, SocketAddr) {
    served_of(composition(parts, links), task, plugs)
}

fn served_of((program, plan): (Program, Plan), mut task: Task, plugs: Vec<Plug>) -> (Running, SocketAddr) {
    task.plugs = plugs;
    task.labels = plan.labels().collect();
    serve(program, task)
}

/// A Server's task whose main component has these grants.
fn task(grants: Grants) -> Task {
    Task { grants, ..serving(0, 10) }
}

/// A Server whose main component may do nothing that needs a rule, and its plug, which may do this.
fn with_plug(plug: Plug) -> (Running, SocketAddr) {
    served(&WITH_PLUG, &[], task(super::granted::plug("main").grants), vec![plug])
}

/// Ends well, and has said nothing of anything that went wrong.
fn ended_well(running: Running) {
    let ended = running.stopped();
    assert_eq!((ended.code, ended.message.as_str(), ended.stderr.as_str()), (0, "", ""), "{ended:?}");
}

fn ask(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = block_on(get(address, path));
    (answer.status, answer.text)
}

#[test]
fn each_part_of_a_server_does_its_own() {
    let (peer, may) = echo();
    let mut plug = plug("plug");
    plug.grants.sockets = Some(may);
    let (running, address) = with_plug(plug);
    assert_eq!(ask(address, "/plug/config"), (200, "whose=plug".into()));
    assert_eq!(ask(address, "/plug/keep,plug,k,v"), (200, String::new()));
    assert_eq!(ask(address, "/plug/kept,plug,k"), (200, "v".into()), "buckets outlive an instance");
    assert_eq!(ask(address, &format!("/plug/connect,{peer}")), (200, "hi".into()));
    ended_well(running);
}

#[test]
fn each_part_of_a_server_asks_by_its_own_rules_by_whichever_interface() {
    let http = Http::new();
    let (mut main, mut plug) = (plug("main").grants, plug("plug"));
    http.allow(&mut main, "/main/", None);
    http.allow(&mut plug.grants, "/plug/", Some(credential()));
    let task = Task { files: Some(http.files.path().to_owned()), ..task(main) };
    let (running, address) = served(&WITH_PLUG, &[], task, vec![plug]);
    let token = Some(format!("Bearer {TOKEN}"));
    for (way, own, others, sent) in [
        ("/client/", "/main/", "/plug/", None),
        ("/outgoing-handler/", "/main/", "/plug/", None),
        ("/plug/fetch,", "/plug/", "/main/", token),
    ] {
        assert_eq!(ask(address, &format!("{way}{}", http.url(own))), (200, "200".into()), "{way}");
        assert_eq!(http.credential(), sent, "{way}");
        let (status, text) = ask(address, &format!("{way}{}", http.url(others)));
        assert!(status == 502 && text.contains("HttpRequestDenied"), "{way}: {status} {text}");
    }
    assert!(http.server.take_asked().is_empty());
    assert_eq!(running.stopped().code, 0);
}

/// A server of plain HTTP that answers nobody before so many have asked.
fn crowd(count: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        for client in listener.incoming().take(count) {
            let (mut client, mut head) = (client.unwrap(), Vec::new());
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            all.push(client);
        }
        for mut client in all {
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    port
}

#[test]
fn several_requests_are_worked_on_at_once() {
    let port = crowd(AT_ONCE);
    let (http, mut plug) = (Http::new(), plug("plug"));
    http.allow(&mut plug.grants, "/plug/", None);
    let allowed = plug.grants.http.as_mut().unwrap();
    allowed.ca_bundle = None;
    (allowed.allow[0].ports, allowed.allow[0].scheme) = (vec![port], HttpScheme::Http);
    let (running, address) = with_plug(plug);
    let path = format!("/plug/fetch,http://127.0.0.1:{port}/plug/");
    for answer in block_on(get_http2(address, &[path.as_str(); AT_ONCE])) {
        assert_eq!((answer.status, answer.text.as_str()), (200, "200"));
    }
    ended_well(running);
}

#[test]
fn an_instance_of_a_plug_works_on_several_calls_at_once() {
    let (running, address) = with_plug(plug("plug"));
    assert_eq!(ask(address, "/twice/meet,2"), (200, "met met".into()));
    ended_well(running);
}

#[test]
fn a_trap_names_its_part_and_touches_no_other_request() {
    for (path, part) in [("/plug/trap", "plug"), ("/plug/wait,trap", "plug"), ("/trap/", MAIN)] {
        let (running, address) = with_plug(plug("plug"));
        let answers = block_on(get_http2(address, &[path, "/twice/meet,2", "/plug/wait"]));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [500, 200, 200], "{path}");
        assert_eq!(ask(address, "/plug/config"), (200, "whose=plug".into()));
        let ended = running.stopped();
        let trapped = format!("morph: the guest trapped in part {part}: wasm `unreachable`");
        assert_eq!(ended.stderr.matches(&trapped).count(), 1, "{path}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches("trapped").count(), 1, "{path}: {}", ended.stderr);
        assert_eq!(ended.code, 0);
    }
}

const CLIENT: &str = "wasi:http/client";
const OUTGOING_HANDLER: &str = "wasi:http/outgoing-handler";

#[test]
fn plugs_between_a_server_and_the_host_are_asked_in_the_hosts_place_in_both_generations() {
    let parts = [
        (MAIN, "part-p3-server"),
        ("between", "part-p3-between"),
        ("between-0-2", "part-between-http"),
        ("plug", "part-p3-plug"),
    ];
    let links = [
        (MAIN, CLIENT, "between"),
        (MAIN, OUTGOING_HANDLER, "between-0-2"),
        ("between", CLIENT, "host"),
        ("between-0-2", OUTGOING_HANDLER, "host"),
        ("plug", CLIENT, "host"),
    ];
    let http = Http::new();
    let may = |name: &str| {
        let mut one = Plug { name: name.into(), ..plug(name) };
        http.allow(&mut one.grants, "/", Some(credential()));
        one
    };
    // The main component has no grant at all.
    let task = Task { files: Some(http.files.path().to_owned()), ..serving(0, 10) };
    let plugs = vec![may("between"), may("between-0-2"), plug("plug")];
    let (running, address) = served(&parts, &links, task, plugs);
    for way in ["client", "outgoing-handler"] {
        assert_eq!(ask(address, &format!("/{way}/{}", http.url("/shown/"))), (200, "200".into()), "{way}");
        let asked = http.server.take_asked();
        let [asked] = &asked[..] else { panic!("{way}: {asked:?}") };
        assert!(asked.line.contains("/shown/?by=between "), "{way}: {asked:?}");
        assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"), "{way}");
        let (status, text) = ask(address, &format!("/{way}/{}", http.url("/hidden/")));
        assert!(status == 502 && text.contains("HttpRequestDenied"), "{way}: {status} {text}");
        assert!(http.server.take_asked().is_empty(), "{way}");
    }
    ended_well(running);
    let (_, plan) = composition(&parts, &links);
    let own = plan.labels().filter(|label| label.part == 0).map(|label| label.interface.to_string());
    let ways: Vec<_> =
        own.filter(|own| own.starts_with(CLIENT) || own.starts_with(OUTGOING_HANDLER)).collect();
    assert!(ways.is_empty(), "there is a way round: {ways:?}");
}

#[test]
fn a_server_stands_before_another_one() {
    let behind = Plug { name: "behind".into(), ..super::plug() };
    let parts = [(MAIN, "part-p3-before"), ("behind", "hello-p3")];
    let (running, address) = served(&parts, &[], serving(0, 10), vec![behind]);
    let answers = block_on(get_http2(address, &["/a", "/sleep/1", "/trap", "/hidden/"]));
    let (want, _) = serve(guest("hello-p3"), serving(0, 10));
    assert_eq!((answers[0].status, answers[1].status), (200, 200));
    let alone = block_on(get(want.address.unwrap(), "/a"));
    assert_eq!(answers[0].text, alone.text);
    assert_eq!((answers[2].status, answers[3].status), (500, 500));
    assert_eq!(want.stopped().code, 0);
    let ended = running.stopped();
    assert!(ended.stderr.contains("morph: the guest trapped in part behind: "), "{}", ended.stderr);
    assert!(ended.stdout.contains("asked /a\n") && !ended.stdout.contains("/hidden/"), "{ended:?}");
}

#[test]
fn a_server_in_rust_has_a_plug_in_python_that_needs_no_grant() {
    let parts = [(MAIN, "weather"), ("clock", "weather-clock"), ("source", "python-plug")];
    assert!(inspect(&guest_bytes("python-plug")).unwrap().imports.is_empty());
    // By the compiler that is soon done: an interpreter is large.
    let whole = composition_on(&parts, &[], EngineKind::baseline);
    let plugs = ["clock", "source"].map(|name| Plug { name: name.into(), ..super::plug() });
    let (running, address) = served_of(whole, with_memory(serving(0, 10), 256), plugs.into());
    let (status, text) = ask(address, "/porto");
    assert!(status == 200 && text.contains("\nporto: sun, as Python guesses\n"), "{status} {text}");
    let (status, text) = ask(address, "/nowhere");
    assert!(status == 502 && text.contains("there is no such place"), "{status} {text}");
    ended_well(running);
}
