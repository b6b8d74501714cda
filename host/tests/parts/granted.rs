//! Two parts that both have each capability, each by a narrower grant that is not the other's; and one that
//! has it alone. On the engine of WASI 0.2 and on that of 0.3.

use super::*;
use morph_grant::interfaces::Capability;
use morph_grant::{
    ConfigEntry, ConnectRule, HttpGrant, HttpLimits, KeyvalueGrant, Peer, Protocol, SocketsGrant,
};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Guests that do the same, the main component first: of WASI 0.2, and of 0.3 for what 0.3 has.
pub(super) const BOTH: [[&str; 2]; 2] =
    [["part-granted-main", "part-granted-plug"], ["part-p3-main", "part-p3-plug"]];

/// A grant of everything that names little: its configuration, a bucket of its own, and one of a name that
/// both have.
fn grants(whose: &str) -> Grants {
    let config = ConfigEntry { key: "whose".into(), value: Some(whose.into()), file: None };
    let bucket = |name: &str| KeyvalueGrant { bucket: name.into(), max_bytes: 1 << 20 };
    let limits =
        HttpLimits { concurrency: 8, timeout_millis: 5_000, request_bytes: 1 << 20, response_bytes: 1 << 20 };
    Grants {
        config: vec![config],
        keyvalue: vec![bucket(whose), bucket("same")],
        logging: true,
        sockets: Some(SocketsGrant::default()),
        http: Some(HttpGrant { allow: Vec::new(), ca_bundle: None, limits }),
        environment: true,
        ..Grants::default()
    }
}

pub(super) fn task(args: &[&str], whose: &str) -> Task {
    Task { grants: grants(whose), ..command(args) }
}

pub(super) fn plug(whose: &str) -> Plug {
    Plug { grants: grants(whose), ..super::plug() }
}

pub(super) fn composed([main, other]: [&str; 2], task: Task, plug: Plug) -> Ended {
    run_composed(composition(&[(MAIN, main), ("plug", other)], &[]), task, vec![plug])
}

/// What comes of it with these grants.
fn ended(guests: [&str; 2], words: &str) -> Ended {
    composed(guests, task(&words.split(' ').collect::<Vec<_>>(), "main"), plug("plug"))
}

#[test]
fn each_part_has_its_own_configuration() {
    for guests in BOTH {
        assert_eq!(says(&ended(guests, "self config")), "whose=main");
        assert_eq!(says(&ended(guests, "plug config")), "whose=plug");
    }
}

#[test]
fn each_part_has_its_own_environment() {
    for guests in BOTH {
        let of = |words: &[&str]| {
            let (mut task, mut plug) = (task(words, "main"), plug("plug"));
            task.env = vec![("WHOSE".into(), "main".into())];
            plug.env = vec![("WHOSE".into(), "plug".into())];
            says(&composed(guests, task, plug))
        };
        assert_eq!((of(&["self", "env"]), of(&["plug", "env"])), ("WHOSE=main".into(), "WHOSE=plug".into()));
    }
}

#[test]
fn each_part_has_its_own_buckets_under_the_same_name_as_well() {
    for guests in BOTH {
        let ended = |words: &str| ended(guests, words);
        assert_eq!(says(&ended("self keep main k v then self kept main k")), "v");
        assert_eq!(says(&ended("plug keep plug k v then plug kept plug k")), "v");
        assert_eq!(says(&ended("self keep same k v then plug kept same k")), "not there");
        assert_eq!(says(&ended("plug keep same k v then self kept same k")), "not there");
        for (part, who, other) in [(MAIN, "self", "plug"), ("plug", "plug", "main")] {
            let refused = ended(&format!("{who} kept {other} k"));
            assert!(
                refused.stdout.starts_with("error ") && refused.stdout.contains("NoSuchStore"),
                "{refused:?}"
            );
            let denied = format!("morph: denied by capabilities.keyvalue (bucket): part {part}: {other}\n");
            assert_eq!(refused.stderr, denied);
        }
    }
}

#[test]
fn a_log_line_has_the_name_of_the_part_that_logs() {
    for guests in BOTH {
        for (who, name) in [("self", "command"), ("plug", "plug")] {
            let ended = ended(guests, &format!("{who} log hello"));
            let line: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
            assert_eq!((&line["component"], &line["message"]), (&name.into(), &"hello".into()), "{ended:?}");
        }
    }
}

/// A server that says back what its first client says; its address, and its network as a grant names it.
pub(super) fn echo() -> (String, SocketsGrant) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut bytes) = (client.unwrap(), [0; 2]);
            client.read_exact(&mut bytes).unwrap();
            client.write_all(&bytes).unwrap();
        }
    });
    let peer = Peer::Cidr("127.0.0.1/32".into());
    let rule =
        ConnectRule { peer, ports: vec![address.port()], protocol: Protocol::Tcp, addresses: Vec::new() };
    (address.to_string(), SocketsGrant { connect: vec![rule], ..SocketsGrant::default() })
}

/// What of sockets the main component and the plug may, and what comes of it.
fn connected(guests: [&str; 2], may: [&SocketsGrant; 2], who: &str, address: &str) -> Ended {
    let (mut task, mut plug) = (task(&[who, "connect", address], "main"), plug("plug"));
    (task.grants.sockets, plug.grants.sockets) = (Some(may[0].clone()), Some(may[1].clone()));
    composed(guests, task, plug)
}

fn check_no_connection(refused: &Ended) {
    let words = ["error permission denied", "error ErrorCode::AccessDenied"];
    assert!(words.iter().any(|words| refused.stdout.starts_with(words)), "{refused:?}");
}

fn check_denied(refused: &Ended, part: &str, address: &str) {
    check_no_connection(refused);
    assert!(refused.stderr.contains(&format!("part {part}: TCP {address}")), "{refused:?}");
}

#[test]
fn each_part_reaches_its_own_peers_alone() {
    let ((mains, may_main), (plugs, may_plug)) = (echo(), echo());
    for guests in BOTH {
        let connect = |who, address| connected(guests, [&may_main, &may_plug], who, address);
        assert_eq!(says(&connect("self", &mains)), "hi");
        assert_eq!(says(&connect("plug", &plugs)), "hi");
        check_denied(&connect("self", &plugs), MAIN, &plugs);
        check_denied(&connect("plug", &mains), "plug", &mains);
    }
}

#[test]
fn a_part_that_may_reach_nobody_reaches_nobody_though_another_may() {
    let ((address, may), none) = (echo(), SocketsGrant::default());
    for guests in BOTH {
        assert_eq!(says(&connected(guests, [&may, &none], "self", &address)), "hi");
        check_no_connection(&connected(guests, [&may, &none], "plug", &address));
        assert_eq!(says(&connected(guests, [&none, &may], "plug", &address)), "hi");
        check_no_connection(&connected(guests, [&none, &may], "self", &address));
    }
}

/// These grants without a capability.
fn without(mut grants: Grants, capability: Capability) -> Grants {
    match capability {
        Capability::Http => grants.http = None,
        Capability::Sockets => grants.sockets = None,
        Capability::Keyvalue => grants.keyvalue.clear(),
        Capability::Config => grants.config.clear(),
        Capability::Logging => grants.logging = false,
        Capability::Filesystem | Capability::Environment => panic!("without a grant these are empty"),
    }
    grants
}

#[test]
fn what_one_part_is_granted_alone_is_not_there_for_the_other_which_is_named() {
    use Capability::{Config, Http, Keyvalue, Logging, Sockets};
    for guests in BOTH {
        for capability in [Http, Sockets, Keyvalue, Config, Logging] {
            let reason = format!("is not granted: no {}", capability.field());
            let (mut main, mut other) = (task(&["self", "config"], "main"), plug("plug"));
            main.grants = without(main.grants, capability);
            let main = composed(guests, main, plug("plug"));
            other.grants = without(other.grants, capability);
            let other = composed(guests, task(&["self", "config"], "main"), other);
            for (ended, part) in [(main, MAIN), (other, "plug")] {
                assert_eq!((ended.code, ended.stdout.as_str()), (code::IMPORT_DENIED, ""), "{ended:?}");
                let words = format!(" of part {part} {reason}");
                assert!(ended.message.contains(&words), "{capability:?}: {ended:?}");
            }
        }
    }
}
