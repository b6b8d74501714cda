//! Tests of `egress::resolve`, against a real server.
#![allow(clippy::unwrap_used)]
use super::server::{Entry, Server, Zone};
use super::*;

const SEARCH: &str = "demo.svc.cluster.test svc.cluster.test cluster.test";

fn shown(found: Result<Vec<IpAddr>, Error>) -> String {
    match found {
        Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

async fn resolved(zone: Zone, name: &str) -> String {
    let server = Server::start(zone, SEARCH).await;
    shown(server.resolver().resolve(name).await)
}

#[tokio::test]
async fn both_kinds_of_address_are_found_and_forged_answers_are_not_heard() {
    let zone = Zone::default().with("a.example", &["1.2.3.4", "1.2.3.5", "2a00::1"]);
    assert_eq!(resolved(zone, "a.example").await, "2a00::1 1.2.3.4 1.2.3.5");
}

#[tokio::test]
async fn an_outside_name_is_never_looked_for_in_the_cluster() {
    let zone = Zone::default().with("api.weather.example.svc.cluster.test", &["10.0.0.1"]);
    let server = Server::start(zone, SEARCH).await;
    assert_eq!(shown(server.resolver().resolve("api.weather.example").await), "the name has no address");
    let asked = server.take_asked();
    assert!(asked.iter().all(|name| name.starts_with("api.weather.example")), "{asked:?}");
    assert!(!asked.iter().any(|name| name.contains("cluster")), "{asked:?}");
}

#[tokio::test]
async fn the_name_of_a_service_gets_the_clusters_domain() {
    let zone =
        Zone::default().with("db.demo.svc.cluster.test", &["10.96.0.9"]).with("db.demo.svc", &["6.6.6.6"]);
    assert_eq!(resolved(zone, "db.demo.svc").await, "10.96.0.9");
    let server = Server::start(Zone::default(), "lan.example").await;
    let text = shown(server.resolver().resolve("db.demo.svc").await);
    assert_eq!(text, "resolv.conf names no domain of a cluster (a search entry svc.DOMAIN)");
    assert!(server.take_asked().is_empty());
}

#[tokio::test]
async fn aliases_in_the_answer_are_followed_to_an_end() {
    let alias = |to: &str| Entry::Alias(to.into());
    let zone = Zone::default()
        .with_entry("a.example", alias("b.example"))
        .with_entry("b.example", alias("c.example"));
    assert_eq!(resolved(zone.clone().with("c.example", &["1.2.3.4"]), "a.example").await, "1.2.3.4");
    assert_eq!(resolved(zone.clone(), "a.example").await, "the name has no address");
    let circle = zone.with_entry("c.example", alias("a.example"));
    let text = resolved(circle, "a.example").await;
    assert_eq!(text, "DNS answered nonsense: more aliases than are followed");
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp_and_one_that_is_too_long_is_refused() {
    let addresses: Vec<String> = (0..=ADDRESSES_MAX).map(|number| format!("2a00::{number:x}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let fits = Zone::default().with("a.example", &addresses[1..]);
    assert_eq!(resolved(fits, "a.example").await.split(' ').count(), ADDRESSES_MAX);
    let text = resolved(Zone::default().with("a.example", &addresses), "a.example").await;
    assert_eq!(text, "DNS answered nonsense: more addresses than are looked at");
}

#[tokio::test]
async fn what_does_not_exist_and_what_fails_are_told_apart() {
    assert_eq!(resolved(Zone::default(), "a.example").await, "the name has no address");
    assert_eq!(
        resolved(Zone::default().with("a.example", &[]), "a.example").await,
        "the name has no address"
    );
    let fails = Zone::default().with_entry("a.example", Entry::Fails);
    assert_eq!(resolved(fails, "a.example").await, "the DNS server refuses to say (code 2)");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_waited_for_with_an_end() {
    let silent = Zone::default().with_entry("a.example", Entry::Silent);
    assert_eq!(resolved(silent, "a.example").await, "no DNS server answered in time");
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_cant_be() {
    let server = Server::start(Zone::default().with("a.example", &["1.2.3.4"]), SEARCH).await;
    let conf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(conf.path(), "nameserver 127.0.0.77\nnameserver 127.0.0.1\n").unwrap();
    let resolver = Resolver::new(conf.path(), server.port);
    assert_eq!(shown(resolver.resolve("a.example").await), "1.2.3.4");
}

#[tokio::test]
async fn the_file_is_read_at_each_look_up() {
    let server = Server::start(Zone::default().with("a.example", &["1.2.3.4"]), SEARCH).await;
    let conf = tempfile::NamedTempFile::new().unwrap();
    let resolver = Resolver::new(conf.path(), server.port);
    assert_eq!(shown(resolver.resolve("a.example").await), "resolv.conf names no nameserver");
    std::fs::write(conf.path(), "nameserver 127.0.0.1\n").unwrap();
    assert_eq!(shown(resolver.resolve("a.example").await), "1.2.3.4");
    drop(conf);
    assert!(shown(resolver.resolve("a.example").await).starts_with("resolv.conf can't be read"));
}

#[test]
fn resolv_conf_is_read_as_far_as_it_is_needed() {
    let text = "# a comment\nnameserver 10.96.0.10\nnameserver fd00::a\nnameserver nonsense\n\
                ; nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nsearch old.example\n\
                search Demo.svc.X svc.X.\noptions ndots:5\n";
    let conf = Conf::parse(text);
    let servers: Vec<IpAddr> = ["10.96.0.10", "fd00::a", "2.2.2.2"].map(|text| text.parse().unwrap()).into();
    assert_eq!(conf, Conf { servers, search: vec!["demo.svc.x".into(), "svc.x.".into()] });
    assert_eq!(conf.absolute("a.b.svc").unwrap(), "a.b.svc.x");
    assert_eq!(conf.absolute("a.b.svc.other").unwrap(), "a.b.svc.other");
}
