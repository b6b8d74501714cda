//! Tests of `sockets`: what is decided at each use and at each look-up, with a DNS server on loopback.
#![allow(clippy::unwrap_used)]
use super::create::Socket;
use super::lookup::{Failure, Question};
use super::rules::HEARD_SECONDS_MAX;
use super::*;
use crate::egress::resolve::server::{Server, Zone};
use crate::stdio::Output;
use crate::{OnDenial, Run};
use morph_grant::{ConnectRule, ListenRule, Peer, SocketsGrant};
use std::net::SocketAddr;
use std::time::Duration;
use wasmtime_wasi::sockets::SocketAddrUse;

type Told = Arc<Mutex<Vec<(&'static str, String)>>>;

/// The sockets of a grant, and the denials that they tell.
fn sockets(grant: SocketsGrant, resolver: Resolver) -> (Arc<Sockets>, Told) {
    let mut task = Task::ungranted("test", Run::Command);
    task.grants.sockets = Some(grant);
    let told = Told::default();
    let noted = told.clone();
    let on: OnDenial = Arc::new(move |denial: &Denial| {
        assert_eq!(denial.capability, Capability::Sockets);
        noted.lock().unwrap().push((denial.rule, denial.detail.clone()));
    });
    let (_, stderr) = std::io::pipe().unwrap();
    let denials = Denials::new(Output::new(stderr.into(), crate::stdio::Rate::new(1 << 40)), Some(on), None);
    (Sockets::new(&task, resolver, denials, &Places::default()).unwrap(), told)
}

fn connect(peer: Peer, port: u16, protocol: Protocol) -> ConnectRule {
    ConnectRule { peer, ports: vec![port], protocol, addresses: Vec::new() }
}

fn grant(connect: Vec<ConnectRule>, listen: &[(u16, Protocol)]) -> SocketsGrant {
    let listen = listen.iter().map(|(port, protocol)| ListenRule { port: *port, protocol: *protocol });
    SocketsGrant { connect, listen: listen.collect(), lookup: Vec::new() }
}

fn cidr(text: &str) -> Peer {
    Peer::Cidr(text.into())
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn without_a_grant_there_are_no_sockets() {
    let (_, stderr) = std::io::pipe().unwrap();
    let denials = Denials::new(Output::new(stderr.into(), crate::stdio::Rate::new(1 << 40)), None, None);
    let task = Task::ungranted("test", Run::Command);
    assert!(Sockets::new(&task, Resolver::default(), denials, &Places::default()).is_none());
}

#[test]
fn each_use_of_a_socket_is_held_against_its_own_part_of_the_grant() {
    use SocketAddrUse::{TcpAccept, TcpBind, TcpConnect, TcpListen, UdpBind, UdpReceive, UdpSend};
    let rule = connect(cidr("10.0.0.0/8"), 80, Protocol::Tcp);
    let (sockets, told) = sockets(grant(vec![rule], &[(8080, Protocol::Tcp)]), Resolver::default());
    let socket = Socket::new(&sockets).unwrap();
    for (address, how, want) in [
        ("10.0.0.1:80", TcpConnect, true),
        ("10.0.0.1:81", TcpConnect, false),
        ("10.0.0.1:80", UdpSend, false),
        ("10.0.0.1:80", UdpReceive, false),
        ("0.0.0.0:0", TcpBind, true),
        ("0.0.0.0:0", UdpBind, false),
        ("0.0.0.0:0", TcpListen, false),
        ("0.0.0.0:8080", TcpBind, true),
        ("0.0.0.0:8080", TcpListen, true),
        ("0.0.0.0:8081", TcpBind, false),
        ("8.8.8.8:1", TcpAccept, true),
    ] {
        assert_eq!(socket.may(at(address), how, Instant::now()), want, "{address} {how:?}");
    }
    let want = [
        ("connect", "TCP 10.0.0.1:81: no rule of connect names it"),
        ("connect", "UDP 10.0.0.1:80: no rule of connect names it"),
        ("connect", "bind UDP 0.0.0.0:0: no rule of connect names it"),
        ("listen", "listen TCP 0.0.0.0:0: no rule of listen has the port"),
        ("listen", "bind TCP 0.0.0.0:8081: no rule of listen has the port"),
    ];
    assert_eq!(*told.lock().unwrap(), want.map(|(rule, detail)| (rule, detail.to_owned())));
}

#[test]
fn a_listener_for_datagrams_answers_whom_it_heard_and_for_a_minute() {
    use SocketAddrUse::{UdpBind, UdpReceive, UdpSend};
    let (sockets, _) = sockets(grant(Vec::new(), &[(53, Protocol::Udp)]), Resolver::default());
    let listener = Socket::new(&sockets).unwrap();
    let now = Instant::now();
    let peer = at("10.0.0.1:4000");
    assert!(listener.may(at("0.0.0.0:53"), UdpBind, now));
    assert!(!listener.may(peer, UdpSend, now));
    assert!(listener.may(peer, UdpReceive, now));
    assert!(listener.may(peer, UdpSend, now));
    assert!(!listener.may(at("10.0.0.1:4001"), UdpSend, now));
    assert!(!listener.may(peer, UdpSend, now + Duration::from_secs(HEARD_SECONDS_MAX + 1)));
}

#[test]
fn a_socket_beside_a_listener_hears_no_stranger_and_answers_none_that_the_listener_heard() {
    use SocketAddrUse::{UdpBind, UdpReceive, UdpSend};
    let rule = connect(cidr("10.0.0.1/32"), 53, Protocol::Udp);
    let (sockets, _) = sockets(grant(vec![rule], &[(5353, Protocol::Udp)]), Resolver::default());
    let [listener, client] = [(); 2].map(|()| Socket::new(&sockets).unwrap());
    let now = Instant::now();
    assert!(listener.may(at("0.0.0.0:5353"), UdpBind, now) && client.may(at("0.0.0.0:0"), UdpBind, now));
    let stranger = at("10.0.0.2:4000");
    assert!(listener.may(stranger, UdpReceive, now) && listener.may(stranger, UdpSend, now));
    assert!(!client.may(stranger, UdpReceive, now));
    assert!(!client.may(stranger, UdpSend, now));
    assert!(client.may(at("10.0.0.1:53"), UdpSend, now) && client.may(at("10.0.0.1:53"), UdpReceive, now));
}

#[test]
fn a_socket_that_asked_for_a_port_of_listen_and_got_another_is_no_listener() {
    use SocketAddrUse::{UdpBind, UdpReceive};
    let rule = connect(cidr("10.0.0.1/32"), 53, Protocol::Udp);
    let (sockets, _) = sockets(grant(vec![rule], &[(5353, Protocol::Udp)]), Resolver::default());
    let socket = Socket::new(&sockets).unwrap();
    let now = Instant::now();
    let stranger = at("10.0.0.2:4000");
    assert!(!socket.may(stranger, UdpReceive, now), "it has no port yet");
    assert!(socket.may(at("0.0.0.0:5353"), UdpBind, now));
    assert!(socket.may(at("0.0.0.0:0"), UdpBind, now), "the first was in use");
    assert!(!socket.may(stranger, UdpReceive, now));
}

#[test]
fn a_pod_has_so_many_sockets_and_a_dropped_one_makes_room() {
    let rule = connect(cidr("10.0.0.1/32"), 53, Protocol::Udp);
    let (sockets, told) = sockets(grant(vec![rule], &[]), Resolver::default());
    let mut held: Vec<Socket> = (0..SOCKETS_MAX).map(|_| Socket::new(&sockets).unwrap()).collect();
    assert!(told.lock().unwrap().is_empty());
    assert!(Socket::new(&sockets).is_none());
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].0 == "sockets" && told[0].1.contains("limit sockets"), "{told:?}");
    held.pop();
    assert!(Socket::new(&sockets).is_some());
}

#[test]
fn a_client_hears_whom_it_may_send_to_and_nobody_else() {
    use SocketAddrUse::{UdpReceive, UdpSend};
    let rule = connect(cidr("10.0.0.1/32"), 53, Protocol::Udp);
    let (sockets, told) = sockets(grant(vec![rule], &[]), Resolver::default());
    let socket = Socket::new(&sockets).unwrap();
    let now = Instant::now();
    assert!(socket.may(at("10.0.0.1:53"), UdpSend, now) && socket.may(at("10.0.0.1:53"), UdpReceive, now));
    for stranger in ["10.0.0.1:54", "10.0.0.2:53"] {
        assert!(!socket.may(at(stranger), UdpReceive, now), "{stranger}");
        assert!(!socket.may(at(stranger), UdpSend, now), "{stranger}");
    }
    assert_eq!(told.lock().unwrap().len(), 2, "what strangers send is no denial of the guest");
}

#[tokio::test]
async fn an_answer_opens_its_addresses_and_a_later_one_that_rebinds_opens_nothing() {
    let server = Server::start(Zone::default().with("db.example", &["93.184.216.34"]), "").await;
    let rule = connect(Peer::Host("db.example".into()), 5432, Protocol::Tcp);
    let (sockets, told) = sockets(grant(vec![rule], &[]), server.resolver());
    let socket = Socket::new(&sockets).unwrap();
    let now = Instant::now();
    let peer = at("93.184.216.34:5432");
    assert!(!socket.may(peer, SocketAddrUse::TcpConnect, now), "nobody looked it up yet");
    let Question::Name(name) = sockets.question("DB.example.", now).unwrap() else { unreachable!() };
    let found = sockets.resolver.resolve(&name).await.unwrap();
    assert_eq!(sockets.answer(name, &found, now).unwrap(), found);
    assert!(socket.may(peer, SocketAddrUse::TcpConnect, now));
    for (rebound, why) in [
        ("127.0.0.1", "loopback"),
        ("10.0.0.1", "private"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("fe80::1", "link-local"),
    ] {
        let address: IpAddr = rebound.parse().unwrap();
        assert_eq!(sockets.answer("db.example".into(), &[address], now), Err(Failure::Denied), "{rebound}");
        let last = told.lock().unwrap().last().unwrap().clone();
        assert!(last.0 == "address" && last.1.contains(why), "{rebound}: {last:?}");
        let peer = SocketAddr::new(address.to_canonical(), 5432);
        assert!(!socket.may(peer, SocketAddrUse::TcpConnect, now), "{rebound}");
    }
}

#[test]
fn a_name_that_no_rule_has_is_not_asked_for() {
    let rule = connect(Peer::Host("db.example".into()), 5432, Protocol::Tcp);
    let (sockets, told) = sockets(grant(vec![rule], &[]), Resolver::default());
    let now = Instant::now();
    for name in ["other.example", "a.db.example", "db.example.evil.test", "secret-words.evil.test"] {
        assert_eq!(sockets.question(name, now), Err(Failure::Denied), "{name}");
    }
    assert_eq!(told.lock().unwrap().len(), 4);
    for name in ["", "a..b", "a b", "2130706433", "0x7f.1", "127.1", "[::1]"] {
        assert_eq!(sockets.question(name, now), Err(Failure::Invalid), "{name}");
    }
    let address = sockets.question("10.0.0.1", now);
    assert_eq!(address, Ok(Question::Address("10.0.0.1".parse().unwrap())));
}

#[test]
fn so_many_names_are_looked_up_in_a_second() {
    let rule = connect(Peer::Host("*.db.example".into()), 5432, Protocol::Tcp);
    let (sockets, told) = sockets(grant(vec![rule], &[]), Resolver::default());
    let now = Instant::now();
    for number in 0..LOOKUPS_PER_SECOND_MAX {
        assert!(sockets.question(&format!("{number}.db.example"), now).is_ok(), "{number}");
    }
    assert_eq!(sockets.question("one-more.db.example", now), Err(Failure::Temporary));
    assert_eq!(told.lock().unwrap()[0].0, "lookups");
    assert!(sockets.question("later.db.example", now + Duration::from_millis(1_001)).is_ok());
}

#[test]
fn parts_of_a_composition_have_the_bounds_of_one_pod() {
    let rule = connect(Peer::Host("*.db.example".into()), 5432, Protocol::Tcp);
    let mut task = Task::ungranted("test", Run::Command);
    task.grants.sockets = Some(grant(vec![rule], &[]));
    let (_, stderr) = std::io::pipe().unwrap();
    let denials = Denials::new(Output::new(stderr.into(), crate::stdio::Rate::new(1 << 40)), None, None);
    let places = Places::default();
    let [main, plug] =
        [(); 2].map(|()| Sockets::new(&task, Resolver::default(), denials.clone(), &places).unwrap());
    let now = Instant::now();
    for number in 0..LOOKUPS_PER_SECOND_MAX {
        assert!(main.question(&format!("{number}.db.example"), now).is_ok(), "{number}");
    }
    assert_eq!(plug.question("one-more.db.example", now), Err(Failure::Temporary));
    let held: Vec<Socket> = (0..SOCKETS_MAX).map(|_| Socket::new(&main).unwrap()).collect();
    assert!(Socket::new(&plug).is_none());
    drop(held);
    assert!(Socket::new(&plug).is_some());
}
