//! Sockets of real guests of 0.2 and 0.3 in a network of the test's own, with servers and DNS: what is
//! granted is reached, and nothing else; a name that isn't granted is not even asked for.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_grant::{ConnectRule, ListenRule, Peer, Protocol, SocketsGrant};
use morph_host::{Outcome, Stdio, Stopper, code};
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread::JoinHandle;
use support::world::{Dns, echo_tcp, echo_udp, in_network};
use support::{Ended, command, guest, run, start_with};

const GUESTS: [&str; 2] = ["sockets", "sockets-p3"];
const PUBLIC: &str = "93.184.216.34";
const PRIVATE: &str = "10.96.0.9";
const METADATA: &str = "169.254.169.254";
const ADDRESSES: [&str; 3] = ["93.184.216.34/32", "10.96.0.9/32", "169.254.169.254/32"];

/// Servers at ports 5432 (TCP and UDP) and 80 (TCP) of each address.
fn servers() {
    for address in [PUBLIC, PRIVATE, METADATA, "127.0.0.1"] {
        for port in [80, 5432] {
            echo_tcp(&format!("{address}:{port}"));
        }
        echo_udp(&format!("{address}:5432"));
    }
}

fn connect(peer: Peer, protocol: Protocol, addresses: &[&str]) -> SocketsGrant {
    let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
    let rule = ConnectRule { peer, ports: vec![5432], protocol, addresses };
    SocketsGrant { connect: vec![rule], ..SocketsGrant::default() }
}

fn host(name: &str) -> Peer {
    Peer::Host(name.into())
}

fn cidr(network: &str) -> Peer {
    Peer::Cidr(network.into())
}

fn listen(port: u16, protocol: Protocol) -> SocketsGrant {
    SocketsGrant { listen: vec![ListenRule { port, protocol }], ..SocketsGrant::default() }
}

fn ended(name: &str, grant: &SocketsGrant, args: &str) -> Ended {
    let mut task = command(&args.split(' ').collect::<Vec<_>>());
    task.grants.sockets = Some(grant.clone());
    run(guest(name), task)
}

/// What both guests say with this grant; `a or b` where the two versions differ.
fn check(grant: &SocketsGrant, args: &str, want: &[&str]) {
    for name in GUESTS {
        let ended = ended(name, grant, args);
        let lines: Vec<&str> = ended.stdout.lines().map(str::trim_end).collect();
        let fits = |(line, want): (&&str, &&str)| want.split(" or ").any(|want| want == *line);
        let all = lines.len() == want.len() && lines.iter().zip(want).all(fits);
        assert!(ended.code == 0 && all, "{name} {args}: want {want:?}: {ended:?}");
    }
}

#[test]
fn without_a_grant_the_imports_are_refused_by_name() {
    for name in GUESTS {
        let ended = run(guest(name), command(&["lookup", "db.example"]));
        assert_eq!((ended.code, ended.stdout.as_str()), (code::IMPORT_DENIED, ""), "{name}: {ended:?}");
        assert!(ended.message.contains("wasi:sockets/"), "{name}: {}", ended.message);
        assert!(ended.message.contains("no capabilities.sockets"), "{name}: {}", ended.message);
    }
}

#[test]
fn a_granted_network_is_reached_at_its_port_by_its_protocol() {
    in_network(&ADDRESSES, || {
        servers();
        let grant = connect(cidr("93.184.216.0/24"), Protocol::Tcp, &[]);
        check(&grant, "tcp 93.184.216.34:5432 hi", &["ok echo hi"]);
        check(&grant, "tcp 93.184.216.34:80 hi", &["access-denied"]);
        check(&grant, "tcp 10.96.0.9:5432 hi", &["access-denied"]);
        check(
            &grant,
            "udp 93.184.216.34:5432 hi then udp-bind 0.0.0.0:0",
            &["access-denied", "access-denied"],
        );
        let datagrams = connect(cidr("93.184.216.0/24"), Protocol::Udp, &[]);
        check(&datagrams, "udp 93.184.216.34:5432 hi", &["ok echo hi"]);
        check(&datagrams, "udp-to 93.184.216.34:5432 hi", &["ok echo hi"]);
        check(&datagrams, "udp-to 10.96.0.9:5432 hi then udp 10.96.0.9:5432 x", &["access-denied"; 2]);
        check(&datagrams, "tcp 93.184.216.34:5432 hi", &["access-denied"]);
    });
}

#[test]
fn every_network_is_not_the_special_ones() {
    in_network(&ADDRESSES, || {
        servers();
        let all = connect(cidr("0.0.0.0/0"), Protocol::Tcp, &[]);
        check(&all, "tcp 93.184.216.34:5432 hi", &["ok echo hi"]);
        for special in [PRIVATE, METADATA, "127.0.0.1"] {
            check(&all, &format!("tcp {special}:5432 hi"), &["access-denied"]);
        }
        let private = connect(cidr("10.96.0.0/16"), Protocol::Tcp, &[]);
        check(&private, "tcp 10.96.0.9:5432 hi", &["ok echo hi"]);
        let ended = ended("sockets", &all, "tcp 169.254.169.254:5432 hi");
        let want = "denied by capabilities.sockets (address): TCP 169.254.169.254:5432: a metadata address";
        assert!(ended.stderr.contains(want), "{}", ended.stderr);
    });
}

#[test]
fn a_name_is_matched_looked_up_and_connected_to() {
    in_network(&ADDRESSES, || {
        servers();
        let dns = Dns::start();
        dns.name("db.example", &[&[PUBLIC]]);
        let grant = connect(host("db.example"), Protocol::Tcp, &[]);
        check(&grant, "tcp-name db.example:5432 hi", &["ok echo hi"]);
        assert_eq!(dns.asked(), ["db.example"]);
        check(&grant, "lookup DB.Example. then lookup 10.0.0.1", &["ok 93.184.216.34", "ok 10.0.0.1"]);
        check(&grant, "tcp 93.184.216.34:5432 hi", &["access-denied"]);
        check(&grant, "tcp-name db.example:80 hi", &["access-denied"]);
        check(
            &grant,
            "lookup db.example then tcp 93.184.216.34:5432 hi",
            &["ok 93.184.216.34", "ok echo hi"],
        );
        check(&grant, "lookup none.db.example then lookup a..b", &["access-denied", "invalid-argument"]);
        let lookup = SocketsGrant { lookup: vec!["*.acme.example".into()], ..SocketsGrant::default() };
        dns.name("a.acme.example", &[&[PRIVATE, PUBLIC]]);
        let want = ["ok 10.96.0.9 93.184.216.34", "name-unresolvable", "access-denied"];
        check(
            &lookup,
            "lookup a.acme.example then lookup b.acme.example then tcp 93.184.216.34:80 hi",
            &want,
        );
    });
}

#[test]
fn a_name_that_is_not_granted_sends_no_query() {
    in_network(&ADDRESSES, || {
        let dns = Dns::start();
        dns.name("evil.example", &[&[PUBLIC]]);
        let grant = connect(host("db.example"), Protocol::Tcp, &[]);
        check(&grant, "lookup evil.example then lookup secret.evil.example", &["access-denied"; 2]);
        check(&grant, "lookup localhost then lookup xdb.example", &["access-denied"; 2]);
        assert_eq!(dns.asked(), [""; 0]);
    });
}

#[test]
fn a_name_that_moves_to_a_special_address_is_not_followed_there() {
    in_network(&ADDRESSES, || {
        servers();
        let dns = Dns::start();
        let grant = connect(host("db.example"), Protocol::Tcp, &[]);
        for special in [PRIVATE, METADATA, "127.0.0.1", "::1", "::ffff:169.254.169.254", "0.0.0.0"] {
            dns.name("db.example", &[&[special]]);
            check(&grant, "tcp-name db.example:5432 hi", &["access-denied"]);
        }
        for name in GUESTS {
            dns.name("db.example", &[&[PUBLIC], &[METADATA]]);
            let twice = "tcp-name db.example:5432 hi then tcp-name db.example:5432 hi";
            let args = &format!("{twice} then tcp 169.254.169.254:5432 x");
            let ended = ended(name, &grant, args);
            assert_eq!(
                ended.stdout, "ok echo hi\naccess-denied\naccess-denied\n",
                "{name}: {}",
                ended.stderr
            );
            assert!(
                ended.stderr.contains("db.example is 169.254.169.254: a metadata address"),
                "{}",
                ended.stderr
            );
        }
        dns.name("db.example", &[&[METADATA, PUBLIC]]);
        check(&grant, "lookup db.example", &["ok 93.184.216.34"]);
    });
}

#[test]
fn a_service_of_the_cluster_is_reached_where_its_rule_says_so() {
    in_network(&ADDRESSES, || {
        servers();
        let dns = Dns::start();
        dns.name("db.demo.svc.cluster.example", &[&[PRIVATE]]);
        let granted = connect(host("db.demo.svc"), Protocol::Tcp, &["10.96.0.0/12"]);
        check(&granted, "tcp-name db.demo.svc:5432 hi", &["ok echo hi"]);
        let narrow = connect(host("db.demo.svc"), Protocol::Tcp, &[]);
        check(&narrow, "tcp-name db.demo.svc:5432 hi", &["access-denied"]);
    });
}

#[test]
fn the_standard_library_connects_by_name_and_sends_datagrams() {
    in_network(&ADDRESSES, || {
        servers();
        let dns = Dns::start();
        dns.name("db.example", &[&[PUBLIC]]);
        let mut grant = connect(host("db.example"), Protocol::Tcp, &[]);
        grant.connect.extend(connect(host("db.example"), Protocol::Udp, &[]).connect);
        let args =
            "std-tcp db.example:5432 hi then std-udp db.example:5432 hi then std-tcp 10.96.0.9:5432 hi";
        let ended = ended("sockets", &grant, args);
        assert_eq!(ended.stdout, "ok echo hi\nok echo hi\nPermissionDenied\n", "{}", ended.stderr);
    });
}

/// A guest that listens: what it says after that is still to be read.
struct Listener {
    stdout: BufReader<PipeReader>,
    stderr: PipeReader,
    outcome: JoinHandle<Outcome>,
    _stopper: Stopper,
}

impl Listener {
    fn start(name: &str, grant: &SocketsGrant, args: &str) -> Self {
        let mut task = command(&args.split(' ').collect::<Vec<_>>());
        task.grants.sockets = Some(grant.clone());
        let (stdin, _) = std::io::pipe().unwrap();
        let (stdout, stdout_end) = std::io::pipe().unwrap();
        let (stderr, stderr_end) = std::io::pipe().unwrap();
        let stdio = Stdio { stdin: stdin.into(), stdout: stdout_end.into(), stderr: stderr_end.into() };
        let (outcome, stopper, _) = start_with(guest(name), task, stdio);
        let mut listener = Self { stdout: BufReader::new(stdout), stderr, outcome, _stopper: stopper };
        let mut line = String::new();
        listener.stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n", "{name} {args}: {}", listener.errors());
        listener
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        text
    }

    /// The rest of what it says.
    fn ended(mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        assert_eq!(self.outcome.join().unwrap().code, 0);
        text
    }
}

/// Says something to a listener, and hears what it says.
fn say(address: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_granted_port_is_listened_on_and_no_other() {
    in_network(&[], || {
        let grant = listen(8080, Protocol::Tcp);
        for (name, word) in [("sockets", "listen"), ("sockets", "std-listen"), ("sockets-p3", "listen")] {
            let listener = Listener::start(name, &grant, &format!("{word} 0.0.0.0:8080"));
            assert_eq!(say("127.0.0.1:8080", "hi"), "hi", "{name} {word}");
            assert_eq!(listener.ended(), "ok hi\n", "{name} {word}");
        }
        check(&grant, "bind 0.0.0.0:8081 then bind 127.0.0.1:80 then bind 0.0.0.0:0", &["access-denied"; 3]);
        let want = ["access-denied", "invalid-state or access-denied"];
        check(&grant, "listen 0.0.0.0:8081 then listen-anywhere x", &want);
        check(&grant, "udp-bind 0.0.0.0:8080", &["access-denied"]);
        check(&grant, "tcp 127.0.0.1:8080 hi", &["access-denied"]);
    });
}

#[test]
fn a_client_listens_on_nothing() {
    in_network(&ADDRESSES, || {
        servers();
        let grant = connect(cidr("93.184.216.0/24"), Protocol::Tcp, &[]);
        let args = "bind 0.0.0.0:0 then listen-anywhere x then listen 0.0.0.0:0 then listen 0.0.0.0:9000";
        check(&grant, args, &["ok", "invalid-state or access-denied", "access-denied", "access-denied"]);
        check(&grant, "tcp-from 93.184.216.34:5432 hi 0.0.0.0:0", &["ok echo hi"]);
        check(&grant, "tcp-from 93.184.216.34:5432 hi 0.0.0.0:9000", &["access-denied"]);
    });
}

#[test]
fn datagrams_of_strangers_reach_a_listener_alone() {
    in_network(&[], || {
        for name in GUESTS {
            let listener = Listener::start(name, &listen(9053, Protocol::Udp), "udp-listen 0.0.0.0:9053");
            let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
            stranger.send_to(b"hi", "127.0.0.1:9053").unwrap();
            assert_eq!(listener.ended(), "ok hi\n", "{name}");
        }
    });
}

#[test]
fn a_socket_beside_a_listener_hears_no_stranger() {
    in_network(&[], || {
        let mut grant = connect(cidr("127.0.0.1/32"), Protocol::Udp, &[]);
        grant.listen.push(ListenRule { port: 9053, protocol: Protocol::Udp });
        for name in GUESTS {
            let client = Listener::start(name, &grant, "udp-listen 127.0.0.1:0");
            let port = udp_port();
            let [stranger, friend] =
                ["127.0.0.1:9999", "127.0.0.1:5432"].map(UdpSocket::bind).map(Result::unwrap);
            stranger.send_to(b"strange", ("127.0.0.1", port)).unwrap();
            friend.send_to(b"granted", ("127.0.0.1", port)).unwrap();
            assert_eq!(client.ended(), "ok granted\n", "{name}");
        }
    });
}

/// The port of the only UDP socket in this network.
fn udp_port() -> u16 {
    let table = std::fs::read_to_string("/proc/thread-self/net/udp").unwrap();
    let ports: Vec<&str> =
        table.lines().skip(1).map(|line| &line.split_whitespace().nth(1).unwrap()[9..]).collect();
    assert_eq!(ports.len(), 1, "{table}");
    u16::from_str_radix(ports[0], 16).unwrap()
}

#[test]
fn a_guest_has_so_many_sockets_and_hears_of_the_limit() {
    in_network(&[], || {
        let grant = connect(cidr("93.184.216.0/24"), Protocol::Tcp, &[]);
        let most = morph_host::SOCKETS_MAX;
        check(&grant, &format!("hold {most} then hold {most}"), &[format!("ok {most}").as_str(); 2]);
        for (name, word) in GUESTS.into_iter().zip(["new-socket-limit", "other"]) {
            let ended = ended(name, &grant, "hold 10000");
            assert_eq!(ended.stdout.trim_end(), format!("{word} after {most}"), "{name}: {ended:?}");
            assert!(ended.stderr.contains("limit sockets"), "{name}: {}", ended.stderr);
        }
    });
}
