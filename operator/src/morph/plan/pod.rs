//! The pod template: one container, nothing that the Pod Security Standard *restricted* would refuse, the
//! component by its manifest's digest, and the grant.

use super::files::{self, Files};
use super::{env, grant, names, plug, probe, volume};
use crate::morph::RUNTIME_CLASS;
use crate::morph::validate::Valid;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, LocalObjectReference, PodSecurityContext, PodSpec,
    PodTemplateSpec, ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use morph_crds::{PullPolicy, ResourceAmounts, RunType, Template};
use morph_grant::CONTAINER;
use std::collections::BTreeMap;

/// User, group and file-system group of all pods: not root, and the same everywhere, so that a volume that
/// one pod wrote is the next one's.
pub(crate) const USER: i64 = 65_532;

/// Name of a Server's port, in container and Service.
pub(crate) const PORT: &str = "http";

pub(super) fn template(valid: &Valid) -> PodTemplateSpec {
    let asked = valid.spec.template.clone().unwrap_or_default();
    let mut labels = asked.labels.clone();
    labels.extend(names::labels(&valid.identity));
    let mut annotations = asked.annotations.clone();
    annotations.insert(morph_grant::ANNOTATION.to_owned(), valid.envelope.clone());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(valid, asked)),
    }
}

fn pod(valid: &Valid, asked: Template) -> PodSpec {
    let own_account = valid.identity.name.clone();
    let secrets = asked.image_pull_secrets.iter();
    let secrets = secrets.map(|secret| LocalObjectReference { name: secret.name.clone() }).collect();
    PodSpec {
        runtime_class_name: Some(RUNTIME_CLASS.to_owned()),
        service_account_name: Some(asked.service_account_name.clone().unwrap_or(own_account)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some(if valid.found.runs == RunType::Server { "Always" } else { "Never" }.to_owned()),
        termination_grace_period_seconds: Some(grant::grace_period_seconds(&valid.spec)),
        security_context: Some(pod_security()),
        containers: vec![container(valid, &asked)],
        volumes: some(volumes(valid, &asked)),
        image_pull_secrets: some(secrets),
        node_selector: (!asked.node_selector.is_empty()).then_some(asked.node_selector),
        affinity: asked.affinity,
        tolerations: some(asked.tolerations),
        topology_spread_constraints: some(asked.topology_spread_constraints),
        priority_class_name: asked.priority_class_name,
        ..PodSpec::default()
    }
}

pub(crate) fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn container(valid: &Valid, asked: &Template) -> Container {
    let server = valid.found.runs == RunType::Server;
    let port = valid.spec.http.clone().unwrap_or_default().port;
    let probes = server.then(|| probe::probes(asked.probes.as_ref(), port));
    let (startup_probe, readiness_probe, liveness_probe) =
        probes.map_or((None, None, None), |three| (three.startup, three.readiness, three.liveness));
    let ports = server.then(|| {
        vec![ContainerPort {
            name: Some(PORT.to_owned()),
            container_port: i32::from(port),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]
    });
    Container {
        name: CONTAINER.to_owned(),
        image: Some(valid.found.image.to_string()),
        image_pull_policy: Some(pull_policy(asked).to_owned()),
        // CRI wants a command; the shim takes what it runs from the grant.
        command: Some(vec!["/".to_owned()]),
        env: env::env(&valid.spec),
        env_from: env::env_from(&valid.spec),
        ports,
        resources: valid.spec.resources.as_ref().map(resources),
        volume_mounts: some(mounts(valid)),
        startup_probe,
        readiness_probe,
        liveness_probe,
        security_context: Some(container_security()),
        ..Container::default()
    }
}

pub(crate) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

/// By name: the volumes that a grant names, the files that the host alone reads, and plugs' images.
fn volumes(valid: &Valid, asked: &Template) -> Vec<Volume> {
    let spec = &valid.spec;
    let granted = grant::granted_volumes(spec).into_iter().map(|(volume, _)| volume::volume(volume));
    let plugs = valid.found.plugs.iter().map(|plug| plug::volume(plug, pull_policy(asked)));
    let mut volumes: Vec<_> = granted.chain(files::volume(&Files::of(spec))).chain(plugs).collect();
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    volumes
}

/// By volume: those of the grant, plugs' images, and no other.
fn mounts(valid: &Valid) -> Vec<VolumeMount> {
    let mount = |mount: &morph_grant::Mount| VolumeMount {
        name: mount.volume.clone(),
        mount_path: mount.destination.clone(),
        // The API server stores no false here, and what isn't stored would look like a difference for ever.
        read_only: mount.read_only.then_some(true),
        ..VolumeMount::default()
    };
    let granted = valid.document.mounts.iter().map(mount);
    let mut mounts: Vec<_> = granted.chain(valid.found.plugs.iter().map(plug::mount)).collect();
    mounts.sort_by(|a, b| a.name.cmp(&b.name));
    mounts
}

fn pull_policy(asked: &Template) -> &'static str {
    match asked.image_pull_policy.unwrap_or_default() {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    }
}

fn resources(asked: &morph_crds::Resources) -> ResourceRequirements {
    ResourceRequirements {
        requests: asked.requests.as_ref().and_then(amounts),
        limits: asked.limits.as_ref().and_then(amounts),
        claims: None,
    }
}

fn amounts(asked: &ResourceAmounts) -> Option<BTreeMap<String, Quantity>> {
    let all =
        [("cpu", &asked.cpu), ("memory", &asked.memory), ("ephemeral-storage", &asked.ephemeral_storage)];
    let amounts: BTreeMap<_, _> = all
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), amount.as_ref()?.into())))
        .collect();
    (!amounts.is_empty()).then_some(amounts)
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests;
