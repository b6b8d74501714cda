//! When a Server counts as started, ready and alive.

use super::*;
use morph_crds::{HttpGet, TcpSocket};

fn asked(path: &str) -> morph_crds::Probe {
    morph_crds::Probe { http_get: Some(HttpGet { path: path.into() }), ..morph_crds::Probe::default() }
}

fn port_of(probe: Option<&Probe>) -> Option<&IntOrString> {
    let probe = probe?;
    probe.tcp_socket.as_ref().map(|tcp| &tcp.port).or(probe.http_get.as_ref().map(|get| &get.port))
}

#[test]
fn a_port_that_accepts_is_ready() {
    let three = probes(None, 81);
    assert_eq!(three.startup, None, "a task that has started listens");
    assert_eq!(port_of(three.readiness.as_ref()), Some(&IntOrString::Int(81)));
    assert_eq!(three.liveness, None, "a busy guest must not be killed for being busy");
}

#[test]
fn each_probe_is_replaced_alone_and_asks_the_servers_port() {
    let only = |which: fn(&mut Probes, morph_crds::Probe)| {
        let mut given = Probes::default();
        which(&mut given, asked("/x"));
        probes(Some(&given), 81)
    };
    let path = |probe: &Option<Probe>| probe.as_ref()?.http_get.as_ref()?.path.clone();
    let x = Some("/x".to_owned());
    let startup = only(|probes, probe| probes.startup = Some(probe));
    assert_eq!((path(&startup.startup), path(&startup.readiness)), (x.clone(), None));
    let readiness = only(|probes, probe| probes.readiness = Some(probe));
    assert_eq!((path(&readiness.startup), path(&readiness.readiness)), (None, x.clone()));
    let liveness = only(|probes, probe| probes.liveness = Some(probe));
    assert_eq!((path(&liveness.readiness), path(&liveness.liveness)), (None, x));
    assert_eq!(port_of(liveness.liveness.as_ref()), Some(&IntOrString::Int(81)));
}

#[test]
fn numbers_arrive_and_those_not_given_are_left_to_kubernetes() {
    let given = morph_crds::Probe {
        tcp_socket: Some(TcpSocket {}),
        initial_delay_seconds: Some(0),
        period_seconds: Some(2),
        timeout_seconds: Some(3),
        success_threshold: Some(4),
        failure_threshold: Some(5),
        ..morph_crds::Probe::default()
    };
    let probe = probe(&given, 81);
    assert_eq!(probe.initial_delay_seconds, None, "the API server stores no 0 here");
    assert_eq!((probe.period_seconds, probe.timeout_seconds), (Some(2), Some(3)));
    assert_eq!((probe.success_threshold, probe.failure_threshold), (Some(4), Some(5)));
    let bare = self::probe(&asked("/"), 81);
    assert_eq!((bare.period_seconds, bare.failure_threshold, bare.tcp_socket), (None, None, None));
}
