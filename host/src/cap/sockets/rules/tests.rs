//! Tests of `rules`.
#![allow(clippy::unwrap_used)]
use super::*;

fn connect(peer: Peer, ports: &[u16], protocol: Protocol, addresses: &[&str]) -> ConnectRule {
    let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
    ConnectRule { peer, ports: ports.to_vec(), protocol, addresses }
}

fn cidr(text: &str) -> Peer {
    Peer::Cidr(text.into())
}

fn host(text: &str) -> Peer {
    Peer::Host(text.into())
}

fn rules(connect: Vec<ConnectRule>) -> Rules {
    let node = ["198.51.99.7".parse().unwrap(), "10.1.1.1".parse().unwrap()];
    Rules::new(&SocketsGrant { connect, ..SocketsGrant::default() }, &node)
}

fn listening(port: u16, protocol: Protocol) -> Rules {
    let listen = vec![ListenRule { port, protocol }];
    Rules::new(&SocketsGrant { listen, ..SocketsGrant::default() }, &[])
}

fn name(text: &str) -> Host {
    Host::Name(text.into())
}

fn none() -> Recent<(IpAddr, Host)> {
    Recent::new(ANSWERS_KEPT_MAX)
}

/// What was looked up just now.
fn answers(list: &[(&str, &str)]) -> Recent<(IpAddr, Host)> {
    let mut answers = none();
    for (host, address) in list {
        answers.note((address.parse().unwrap(), name(host)), Instant::now());
    }
    answers
}

fn reach(rules: &Rules, peer: &str, answers: &Recent<(IpAddr, Host)>) -> Result<(), Refused> {
    rules.may_reach(Protocol::Tcp, peer.parse().unwrap(), answers, Instant::now())
}

#[test]
fn a_network_is_reached_at_its_ports_by_its_protocol() {
    let rules = rules(vec![connect(cidr("93.184.216.0/24"), &[80, 5432], Protocol::Tcp, &[])]);
    assert_eq!(reach(&rules, "93.184.216.34:80", &none()), Ok(()));
    assert_eq!(reach(&rules, "93.184.216.34:5432", &none()), Ok(()));
    for other in ["93.184.216.34:81", "93.184.217.34:80", "[2606:2800::1]:80"] {
        assert_eq!(reach(&rules, other, &none()), Err(Refused::Unnamed), "{other}");
    }
    let udp = rules.may_reach(Protocol::Udp, "93.184.216.34:80".parse().unwrap(), &none(), Instant::now());
    assert_eq!(udp, Err(Refused::Unnamed));
}

#[test]
fn everything_is_not_what_is_special() {
    let all = [cidr("0.0.0.0/0"), cidr("::/0")].map(|all| connect(all, &[80], Protocol::Tcp, &[]));
    let rules = rules(all.into());
    for public in ["93.184.216.34:80", "[2606:2800:220:1::1]:80"] {
        assert_eq!(reach(&rules, public, &none()), Ok(()), "{public}");
    }
    for special in [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "172.16.0.1:80",
        "192.168.1.1:80",
        "169.254.169.254:80",
        "100.64.0.1:80",
        "198.51.99.7:80",
        "10.1.1.1:80",
        "224.0.0.1:80",
        "[::1]:80",
        "[fe80::1]:80",
        "[fd00::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
    ] {
        let refused = reach(&rules, special, &none());
        assert!(matches!(refused, Err(Refused::Address(_) | Refused::Unnamed)), "{special}: {refused:?}");
    }
}

#[test]
fn a_special_network_is_reached_when_it_is_named_in_so_many_words() {
    let rules = rules(vec![
        connect(cidr("10.2.0.0/16"), &[80], Protocol::Tcp, &[]),
        connect(cidr("127.0.0.0/8"), &[80], Protocol::Tcp, &[]),
        connect(host("169.254.169.254"), &[80], Protocol::Tcp, &[]),
    ]);
    for granted in ["10.2.3.4:80", "127.0.0.1:80", "169.254.169.254:80"] {
        assert_eq!(reach(&rules, granted, &none()), Ok(()), "{granted}");
    }
    assert_eq!(reach(&rules, "10.3.0.1:80", &none()), Err(Refused::Unnamed));
}

#[test]
fn a_name_is_reached_at_the_addresses_that_it_was_found_at() {
    let rules = rules(vec![connect(host("db.example"), &[5432], Protocol::Tcp, &[])]);
    assert_eq!(reach(&rules, "93.184.216.34:5432", &none()), Err(Refused::Unnamed));
    let known = answers(&[("db.example", "93.184.216.34")]);
    assert_eq!(reach(&rules, "93.184.216.34:5432", &known), Ok(()));
    assert_eq!(reach(&rules, "93.184.216.34:80", &known), Err(Refused::Unnamed));
    assert_eq!(reach(&rules, "93.184.216.35:5432", &known), Err(Refused::Unnamed));
    let of_another = answers(&[("other.example", "93.184.216.34")]);
    assert_eq!(reach(&rules, "93.184.216.34:5432", &of_another), Err(Refused::Unnamed));
}

#[test]
fn an_answer_is_good_for_a_while_alone() {
    let rules = rules(vec![connect(host("db.example"), &[5432], Protocol::Tcp, &[])]);
    let known = answers(&[("db.example", "93.184.216.34")]);
    let at = |seconds| {
        let now = Instant::now() + Duration::from_secs(seconds);
        rules.may_reach(Protocol::Tcp, "93.184.216.34:5432".parse().unwrap(), &known, now)
    };
    assert_eq!(at(ANSWER_SECONDS_MAX - 5), Ok(()));
    assert_eq!(at(ANSWER_SECONDS_MAX + 5), Err(Refused::Unnamed));
}

#[test]
fn a_name_that_is_found_at_a_special_address_is_not_reached_there() {
    let narrow = rules(vec![connect(host("db.example"), &[5432], Protocol::Tcp, &[])]);
    let known = answers(&[("db.example", "10.2.0.9"), ("db.example", "10.1.1.1")]);
    let refused = reach(&narrow, "10.2.0.9:5432", &known);
    assert_eq!(refused, Err(Refused::Address(Why::Special("private"))));
    let granted = rules(vec![connect(host("db.example"), &[5432], Protocol::Tcp, &["10.2.0.0/16"])]);
    assert_eq!(reach(&granted, "10.2.0.9:5432", &known), Ok(()));
    assert!(matches!(reach(&granted, "10.1.1.1:5432", &known), Err(Refused::Address(_))));
}

#[test]
fn one_rule_that_allows_is_enough() {
    let rules = rules(vec![
        connect(cidr("0.0.0.0/0"), &[80], Protocol::Tcp, &[]),
        connect(cidr("10.0.0.0/8"), &[80], Protocol::Tcp, &[]),
        connect(cidr("0.0.0.0/0"), &[80], Protocol::Tcp, &[]),
    ]);
    assert_eq!(reach(&rules, "10.5.5.5:80", &none()), Ok(()));
}

#[test]
fn a_rule_that_cannot_be_read_grants_nothing() {
    let unread = ["10.0.0.0/99", "everything"].map(|text| connect(cidr(text), &[80], Protocol::Tcp, &[]));
    let rules = rules(unread.into_iter().chain([connect(host("*"), &[80], Protocol::Tcp, &[])]).collect());
    assert!(!rules.has(Protocol::Tcp));
    assert!(!rules.may_look_up(&name("db.example")));
}

#[test]
fn names_are_those_of_lookup_and_of_connect() {
    let grant = SocketsGrant {
        connect: vec![connect(host("db.example"), &[1], Protocol::Tcp, &[])],
        listen: Vec::new(),
        lookup: vec!["*.acme.example".into()],
    };
    let rules = Rules::new(&grant, &[]);
    for granted in ["db.example", "a.acme.example", "a.b.acme.example"] {
        assert!(rules.may_look_up(&name(granted)), "{granted}");
    }
    for other in ["example", "xdb.example", "acme.example", "a.db.example", "metadata.internal"] {
        assert!(!rules.may_look_up(&name(other)), "{other}");
    }
}

#[test]
fn a_guest_sees_the_addresses_that_it_may_reach_or_all_if_it_may_only_look() {
    let grant = SocketsGrant {
        connect: vec![connect(host("db.example"), &[1], Protocol::Tcp, &["10.2.0.0/16"])],
        listen: Vec::new(),
        lookup: vec!["look.example".into()],
    };
    let rules = Rules::new(&grant, &[]);
    let found: Vec<IpAddr> =
        ["127.0.0.1", "93.184.216.34", "10.2.0.1"].map(|address| address.parse().unwrap()).into();
    assert_eq!(rules.shown(&name("look.example"), &found).unwrap(), found);
    assert_eq!(rules.shown(&name("db.example"), &found).unwrap(), found[1..]);
    let refused = rules.shown(&name("db.example"), &found[..1]).unwrap_err();
    assert_eq!(refused, Refused::Address(Why::Special("loopback")));
}

#[test]
fn a_port_of_the_pod_is_one_of_listen() {
    let rules = listening(8080, Protocol::Tcp);
    let local = |port| SocketAddr::from(([0, 0, 0, 0], port));
    assert_eq!(rules.may_bind(Protocol::Tcp, local(8080)), Ok(()));
    assert_eq!(rules.may_listen(Protocol::Tcp, local(8080)), Ok(()));
    assert_eq!(rules.may_listen(Protocol::Tcp, local(8081)), Err(Refused::Port));
    assert_eq!(rules.may_bind(Protocol::Udp, local(8080)), Err(Refused::Port));
    assert_eq!(rules.may_bind(Protocol::Tcp, local(0)), Err(Refused::Unnamed));
    assert_eq!(rules.may_listen(Protocol::Tcp, local(0)), Err(Refused::Port));
}

#[test]
fn a_client_has_a_port_of_the_systems_choice_and_waits_for_nobody() {
    let rules = rules(vec![connect(cidr("10.0.0.0/8"), &[80], Protocol::Tcp, &[])]);
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    assert_eq!(rules.may_bind(Protocol::Tcp, any), Ok(()));
    assert_eq!(rules.may_listen(Protocol::Tcp, any), Err(Refused::Port));
    assert_eq!(rules.may_bind(Protocol::Udp, any), Err(Refused::Unnamed));
    assert!(rules.has(Protocol::Tcp) && !rules.has(Protocol::Udp));
}

#[test]
fn each_refusal_has_a_word_that_stays() {
    let words = [Refused::Unnamed, Refused::Address(Why::Node), Refused::Port].map(Refused::rule);
    assert_eq!(words, ["connect", "address", "listen"]);
}
