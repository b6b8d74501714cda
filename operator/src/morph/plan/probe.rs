//! Probes of a Server: its port accepts, or what the spec says instead.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use morph_crds::Probes;

/// How often a pod that runs is asked, in seconds.
const READINESS_PERIOD_SECONDS: i32 = 5;

/// The three probes of a container. Nobody is asked whether a Server has started unless the spec says so:
/// the node answers a Server's start once it listens. Such a probe kept pods from being Ready for a second or
/// two.
pub(super) struct Three {
    pub(super) startup: Option<Probe>,
    pub(super) readiness: Option<Probe>,
    pub(super) liveness: Option<Probe>,
}

pub(super) fn probes(asked: Option<&Probes>, port: u16) -> Three {
    let asked = asked.cloned().unwrap_or_default();
    let startup = asked.startup.map(|probe| self::probe(&probe, port));
    let readiness = asked.readiness.map(|probe| self::probe(&probe, port));
    Three {
        startup,
        readiness: readiness.or_else(|| Some(accepts(port))),
        liveness: asked.liveness.map(|probe| self::probe(&probe, port)),
    }
}

fn accepts(port: u16) -> Probe {
    Probe { tcp_socket: Some(tcp(port)), period_seconds: Some(READINESS_PERIOD_SECONDS), ..Probe::default() }
}

fn probe(probe: &morph_crds::Probe, port: u16) -> Probe {
    Probe {
        http_get: probe.http_get.as_ref().map(|get| HTTPGetAction {
            path: Some(get.path.clone()),
            port: IntOrString::Int(i32::from(port)),
            ..HTTPGetAction::default()
        }),
        tcp_socket: probe.tcp_socket.map(|_| tcp(port)),
        initial_delay_seconds: probe.initial_delay_seconds.filter(|seconds| *seconds > 0),
        period_seconds: probe.period_seconds,
        timeout_seconds: probe.timeout_seconds,
        success_threshold: probe.success_threshold,
        failure_threshold: probe.failure_threshold,
        ..Probe::default()
    }
}

fn tcp(port: u16) -> TCPSocketAction {
    TCPSocketAction { port: IntOrString::Int(i32::from(port)), host: None }
}

#[cfg(test)]
mod tests;
