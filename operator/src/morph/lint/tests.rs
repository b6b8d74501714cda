//! Each rule, broken once: the lint says so, and says no more.

#![allow(clippy::unwrap_used, clippy::panic)]

mod lost;
mod plugs;

use super::*;
use crate::morph::fixture::{applied, command, key, morph, planned, seen, server, signer};
use crate::morph::{ChildState, Children, Deletion, JobEnd, Resolution};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, Service};
use k8s_openapi::api::networking::v1::NetworkPolicySpec;

const SPEC: &str = "image: r.test/hello:1
env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
volumes: [{name: v, emptyDir: {}}]
capabilities: {filesystem: [{volume: v, path: /v}]}
";

/// Breaks the plan of a Server and checks that exactly this is found.
fn check(wrong: impl FnOnce(&mut Plan), problems: &[&str]) {
    let seen = seen(morph(SPEC), server());
    let mut plan = planned(&seen);
    wrong(&mut plan);
    check_broken(&plan, &seen, problems);
}

fn check_broken(plan: &Plan, seen: &Seen, problems: &[&str]) {
    let broken = lint(plan, seen).err().unwrap_or_default();
    let found: Vec<_> = broken.iter().map(|broken| broken.problem.as_str()).collect();
    assert_eq!(found, problems);
}

fn deployment(plan: &mut Plan) -> &mut Deployment {
    let found = plan.apply.iter_mut().find_map(|object| match object {
        Object::Deployment(deployment) => Some(deployment),
        _ => None,
    });
    found.unwrap()
}

fn service(plan: &mut Plan) -> &mut Service {
    let found = plan.apply.iter_mut().find_map(|object| match object {
        Object::Service(service) => Some(service),
        _ => None,
    });
    found.unwrap()
}

fn pod(plan: &mut Plan) -> &mut PodSpec {
    deployment(plan).spec.as_mut().unwrap().template.spec.as_mut().unwrap()
}

fn container(plan: &mut Plan) -> &mut Container {
    &mut pod(plan).containers[0]
}

#[test]
fn what_leaves_the_morph_is_found() {
    check(|p| deployment(p).metadata.namespace = Some("other".into()), &["is in another namespace"]);
    check(|p| deployment(p).metadata.name = None, &["has no name that fits"]);
    check(|p| deployment(p).metadata.name = Some("x".repeat(64)), &["has no name that fits"]);
    check(|p| deployment(p).metadata.owner_references = None, &["is not owned by its Morph alone"]);
    check(
        |p| deployment(p).metadata.owner_references.as_mut().unwrap()[0].uid = "other".into(),
        &["is not owned by its Morph alone"],
    );
    check(
        |p| {
            deployment(p).metadata.labels.as_mut().unwrap().insert("team".into(), "a".into());
        },
        &["has other labels than a child has"],
    );
}

const NETWORK: &str = "image: r.test/hello:1
capabilities:
  http: {allow: [{host: a.example, pathPrefixes: [/]}, {host: db.demo.svc, pathPrefixes: [/]}]}
";

fn check_policy(spec: &str, wrong: impl FnOnce(&mut NetworkPolicySpec), problems: &[&str]) {
    let seen = seen(morph(spec), server());
    let mut plan = planned(&seen);
    let policy = plan.apply.iter_mut().find_map(|object| match object {
        Object::NetworkPolicy(policy) => policy.spec.as_mut(),
        _ => None,
    });
    wrong(policy.unwrap());
    check_broken(&plan, &seen, problems);
}

#[test]
fn a_network_policy_that_opens_what_it_does_not_name_is_found() {
    check_policy(NETWORK, |_| (), &[]);
    check_policy(NETWORK, |p| p.pod_selector = None, &["is about other pods than the Morph's"]);
    check_policy(NETWORK, |p| p.policy_types = None, &["leaves a direction open"]);
    check_policy(NETWORK, |p| p.ingress.as_mut().unwrap()[0].ports = None, &["lets in on every port"]);
    check_policy(NETWORK, |p| p.egress.as_mut().unwrap()[0].to = None, &["lets out to everybody"]);
    let no_except = |p: &mut NetworkPolicySpec| {
        let peers = p.egress.as_mut().unwrap().iter_mut().flat_map(|rule| rule.to.as_mut().unwrap());
        peers.filter_map(|peer| peer.ip_block.as_mut()).for_each(|block| block.except = None);
    };
    check_policy(NETWORK, no_except, &["lets out to everybody"]);
    let no_ports = |p: &mut NetworkPolicySpec| {
        p.egress.as_mut().unwrap().iter_mut().for_each(|rule| rule.ports = None);
    };
    check_policy(NETWORK, no_ports, &["lets out to addresses on every port"]);
    let out = |p: &mut NetworkPolicySpec| p.egress = Some(vec![Default::default()]);
    let problems = ["lets out though nothing of the network is granted", "lets out to everybody"];
    check_policy(SPEC, out, &problems);
}

#[test]
fn the_whole_internet_that_is_granted_in_so_many_words_is_no_finding() {
    let connect = "{cidr: 0.0.0.0/0, ports: [5432]}, {cidr: \"2000::/3\", ports: [5432]}";
    check_policy(
        &format!("image: r.test/hello:1\ncapabilities: {{sockets: {{connect: [{connect}]}}}}\n"),
        |_| (),
        &[],
    );
}

#[test]
fn a_workload_without_or_before_its_network_policy_is_found() {
    let problem = ["is applied without or before its NetworkPolicy"];
    let is_policy = |object: &Object| object.kind() == ChildKind::NetworkPolicy;
    check(|plan| plan.apply.retain(|object| !is_policy(object)), &problem);
    check(
        |plan| {
            let at = plan.apply.iter().position(is_policy).unwrap();
            let policy = plan.apply.remove(at);
            plan.apply.push(policy);
        },
        &problem,
    );
}

#[test]
fn what_selects_or_exposes_too_much_is_found() {
    check(
        |p| deployment(p).spec.as_mut().unwrap().selector.match_labels = None,
        &["selects by other labels than the Morph's"],
    );
    check(
        |p| service(p).spec.as_mut().unwrap().selector = None,
        &["selects by other labels than the Morph's"],
    );
    check(
        |p| service(p).spec.as_mut().unwrap().type_ = Some("NodePort".into()),
        &["can be reached from outside the cluster"],
    );
}

#[test]
fn what_keeps_old_grants_or_other_replicas_is_found() {
    check(
        |p| deployment(p).spec.as_mut().unwrap().revision_history_limit = None,
        &["keeps old ReplicaSets, and with them old grants"],
    );
    check(
        |p| deployment(p).spec.as_mut().unwrap().replicas = Some(9),
        &["has other replicas than the Morph"],
    );
}

#[test]
fn pods_that_restricted_would_refuse_are_found() {
    check(
        |p| pod(p).host_network = Some(true),
        &["its pods share namespaces of the node or among containers"],
    );
    check(
        |p| pod(p).security_context.as_mut().unwrap().run_as_non_root = None,
        &["its pods may run as root"],
    );
    check(
        |p| pod(p).security_context.as_mut().unwrap().run_as_user = Some(0),
        &["its pods have no numeric user"],
    );
    check(
        |p| pod(p).security_context.as_mut().unwrap().seccomp_profile = None,
        &["its pods are without a seccomp profile"],
    );
    check(
        |p| container(p).security_context.as_mut().unwrap().allow_privilege_escalation = None,
        &["its container may gain privileges"],
    );
    check(
        |p| container(p).security_context.as_mut().unwrap().capabilities = None,
        &["its container keeps capabilities"],
    );
    check(
        |p| container(p).security_context.as_mut().unwrap().read_only_root_filesystem = None,
        &["its container may write its root"],
    );
    check(
        |p| container(p).ports.as_mut().unwrap()[0].host_port = Some(80),
        &["its container takes a port of the node"],
    );
}

#[test]
fn pods_that_get_more_than_they_need_are_found() {
    check(|p| pod(p).automount_service_account_token = None, &["its pods mount a token"]);
    check(|p| pod(p).enable_service_links = None, &["its pods get variables of other Services"]);
    check(|p| pod(p).runtime_class_name = None, &["its pods have another RuntimeClass"]);
    check(|p| pod(p).init_containers = Some(vec![]), &["its pods have more containers"]);
    check(
        |p| {
            let again = container(p).clone();
            pod(p).containers.push(again);
        },
        &["its pods have not exactly one container"],
    );
    check(
        |p| pod(p).volumes.as_mut().unwrap()[0].host_path = Some(Default::default()),
        &["its pods mount the node's files"],
    );
}

#[test]
fn pods_that_differ_from_their_grant_are_found() {
    check(
        |p| container(p).image = Some("r.test/hello:1".into()),
        &["its image is not the one that was resolved", "its grant is for another image"],
    );
    check(|p| container(p).volume_mounts = None, &["its mounts are not those of its grant"]);
    check(
        |p| container(p).volume_mounts.as_mut().unwrap()[0].read_only = None,
        &["its mounts are not those of its grant"],
    );
    check(|p| pod(p).volumes = None, &["its pods have volumes that no grant names"]);
    check(|p| container(p).env = None, &["its env is not what its grant names"]);
    check(|p| container(p).args = Some(vec![]), &["its container has args; they belong into the grant"]);
    let literal = EnvVar { name: "A".into(), value: Some("b".into()), value_from: None };
    check(
        |p| container(p).env = Some(vec![literal]),
        &["its container has literal env; it belongs into the grant"],
    );
}

#[test]
fn a_grant_for_another_morph_or_other_bytes_is_found() {
    let seen = seen(morph(SPEC), server());
    let plan = planned(&seen);
    check_broken(
        &plan,
        &Seen { cluster: "other".into(), ..seen.clone() },
        &["its grant is for another Morph"],
    );
    let mut other = seen.clone();
    if let Resolution::Resolved(component) = &mut other.resolution {
        component.content = morph_grant::Digest::of(b"other");
    }
    check_broken(&plan, &other, &["its grant is for other bytes"]);
    check_broken(
        &plan,
        &Seen { resolution: Resolution::Unknown, ..seen },
        &["its image is not the one that was resolved", "its grant is for other bytes"],
    );
}

#[test]
fn a_pod_without_a_grant_is_found() {
    check(
        |p| {
            let template = &mut deployment(p).spec.as_mut().unwrap().template;
            template.metadata.as_mut().unwrap().annotations = None;
        },
        &["its pods have no grant: annotation hayride.dev/grant is not a grant envelope"],
    );
}

#[test]
fn a_job_that_forgets_itself_or_overtakes_another_is_found() {
    let seen = seen(morph("image: r.test/hello:1\n"), command());
    let mut plan = planned(&seen);
    let children = applied(&plan, &Children::default());
    for object in &mut plan.apply {
        if let Object::Job(job) = object {
            job.spec.as_mut().unwrap().ttl_seconds_after_finished = Some(1);
        }
    }
    check_broken(&plan, &seen, &["loses the proof that it ran"]);

    let again = Seen { children, ..crate::morph::fixture::seen(morph("image: r.test/hello:2\n"), command()) };
    let hasty = planned(&Seen { children: Children::default(), ..again.clone() });
    check_broken(&hasty, &again, &["another run's Job is still there"]);
}

#[test]
fn a_grant_by_a_key_that_is_gone_is_found_unless_its_job_has_ended() {
    let seen = seen(morph("image: r.test/hello:1\n"), command());
    let plan = planned(&seen);
    let children = applied(&plan, &Children::default());
    let later = seen.signed_by(&[key(2)]).with(children);
    let problem = format!(
        "its pods have no grant: annotation hayride.dev/grant is signed by key {}, which is not trusted here",
        signer().public().id()
    );
    check_broken(&plan, &later, &[problem.as_str()]);
    let mut ended = later.clone();
    let job = ended.children.0.iter_mut().find(|child| child.kind == ChildKind::Job).unwrap();
    let ChildState::Job { end, .. } = &mut job.state else { panic!() };
    *end = Some(JobEnd::Succeeded);
    check_broken(&plan, &ended, &[]);
    let owner = |seen: &mut Seen| seen.children.0.iter_mut().for_each(|child| child.owner = None);
    owner(&mut ended);
    check_broken(&plan, &ended, &[problem.as_str()]);
}

#[test]
fn a_deletion_of_what_is_not_ours_is_found() {
    let seen = seen(morph("image: r.test/hello:1\n"), server());
    let children = applied(&planned(&seen), &Children::default());
    let child = children.0.iter().find(|child| child.kind == ChildKind::Deployment).unwrap().clone();
    let deletion = |child: &Child| Deletion {
        kind: child.kind,
        name: child.name.clone(),
        uid: child.uid.clone(),
        resource_version: child.resource_version.clone(),
        wait_for_pods: false,
    };
    let plan = Plan { delete: vec![deletion(&child)], apply: vec![] };
    check_broken(&plan, &seen.clone().with(children.clone()), &[]);
    check_broken(&plan, &seen, &["is deleted and was not seen"]);
    let mut strange = children.clone();
    strange.0.iter_mut().for_each(|child| child.owner = None);
    check_broken(&plan, &seen.clone().with(strange), &["is deleted and is not ours"]);
    let both = Plan { apply: planned(&seen).apply, ..plan };
    check_broken(&both, &seen.with(children), &["is applied and deleted"]);
}
