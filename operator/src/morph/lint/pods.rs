//! What holds of every pod template: *restricted*, pinned, and no more than its grant says.

use super::super::plan::{names, pod};
use super::super::{Identity, RUNTIME_CLASS, Resolution, Seen};
use super::{failed, plugs};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use morph_crds::MORPH_LABEL;
use morph_grant::{Document, EnvelopeError};
use std::collections::BTreeSet;

pub(super) fn problems(
    identity: &Identity,
    seen: &Seen,
    template: &PodTemplateSpec,
    restart: &str,
    ended: bool,
) -> Vec<String> {
    let meta = template.metadata.clone().unwrap_or_default();
    let spec = template.spec.clone().unwrap_or_default();
    let labels = meta.labels.unwrap_or_default();
    let labelled = names::labels(identity).iter().all(|(key, value)| labels.get(key) == Some(value));
    let mut problems = failed(&[
        (labelled, "its pods lack the Morph's labels"),
        (labels.get(MORPH_LABEL) == Some(&identity.name), "its pods are not selected"),
        (spec.restart_policy.as_deref() == Some(restart), "its pods have another restart policy"),
    ]);
    problems.extend(pod_problems(&spec));
    let [container] = spec.containers.as_slice() else {
        problems.push("its pods have not exactly one container".to_owned());
        return problems;
    };
    problems.extend(container_problems(container));
    let annotation = meta.annotations.unwrap_or_default().remove(morph_grant::ANNOTATION);
    match morph_grant::open(&annotation.unwrap_or_default(), &seen.trusted) {
        Ok(document) => problems.extend(grant_problems(identity, seen, &spec, container, &document)),
        // Its key may have left the nodes: no pod of it starts any more.
        Err(EnvelopeError::UnknownKey { .. }) if ended => {}
        Err(error) => problems.push(format!("its pods have no grant: {error}")),
    }
    problems
}

fn pod_problems(spec: &PodSpec) -> Vec<String> {
    let security = spec.security_context.clone().unwrap_or_default();
    let confined = security.seccomp_profile.is_some_and(|profile| profile.type_ == "RuntimeDefault");
    let no = |flag: Option<bool>| flag != Some(true);
    let shares = [spec.host_network, spec.host_pid, spec.host_ipc, spec.share_process_namespace];
    let volumes = spec.volumes.iter().flatten();
    failed(&[
        (spec.runtime_class_name.as_deref() == Some(RUNTIME_CLASS), "its pods have another RuntimeClass"),
        (spec.automount_service_account_token == Some(false), "its pods mount a token"),
        (spec.enable_service_links == Some(false), "its pods get variables of other Services"),
        (shares.into_iter().all(no), "its pods share namespaces of the node or among containers"),
        (
            spec.init_containers.is_none() && spec.ephemeral_containers.is_none(),
            "its pods have more containers",
        ),
        (volumes.clone().all(|volume| volume.host_path.is_none()), "its pods mount the node's files"),
        (security.run_as_non_root == Some(true), "its pods may run as root"),
        (security.run_as_user == Some(pod::USER), "its pods have no numeric user"),
        (security.run_as_group == Some(pod::USER), "its pods have no numeric group"),
        (security.fs_group == Some(pod::USER), "its pods have no group for files"),
        (security.sysctls.is_none(), "its pods set kernel parameters"),
        (confined, "its pods are without a seccomp profile"),
    ])
}

fn container_problems(container: &Container) -> Vec<String> {
    let security = container.security_context.clone().unwrap_or_default();
    let capabilities = security.capabilities.unwrap_or_default();
    let dropped = capabilities.drop.as_deref() == Some(&["ALL".to_owned()]) && capabilities.add.is_none();
    let literal = container.env.iter().flatten().any(|var| var.value.is_some());
    let host_port = container.ports.iter().flatten().any(|port| port.host_port.is_some());
    failed(&[
        (security.allow_privilege_escalation == Some(false), "its container may gain privileges"),
        (security.privileged != Some(true), "its container is privileged"),
        (security.read_only_root_filesystem == Some(true), "its container may write its root"),
        (dropped, "its container keeps capabilities"),
        (container.command.as_ref().is_some_and(|command| !command.is_empty()), "CRI wants a command"),
        (container.args.is_none(), "its container has args; they belong into the grant"),
        (!literal, "its container has literal env; it belongs into the grant"),
        (!host_port, "its container takes a port of the node"),
    ])
}

fn grant_problems(
    identity: &Identity,
    seen: &Seen,
    spec: &PodSpec,
    container: &Container,
    document: &Document,
) -> Vec<String> {
    let subject = &document.subject;
    let whose = (&subject.cluster, &subject.namespace, &subject.name, &subject.uid);
    let ours = (&seen.cluster, &identity.namespace, &identity.name, &identity.uid);
    let (pinned, content) = match &seen.resolution {
        Resolution::Resolved(component) => (Some(component.image.to_string()), Some(&component.content)),
        _ => (None, None),
    };
    let main = document.main();
    let digest = main.map(|main| main.manifest.to_string()).unwrap_or_default();
    let image = container.image.clone().unwrap_or_default();
    let granted: BTreeSet<_> = document
        .mounts
        .iter()
        .map(|m| (m.volume.clone(), m.destination.clone(), m.read_only))
        .chain(plugs::mounts(document))
        .collect();
    let mounted: BTreeSet<_> = container
        .volume_mounts
        .iter()
        .flatten()
        .map(|m| (m.name.clone(), m.mount_path.clone(), m.read_only == Some(true)))
        .collect();
    let declared: BTreeSet<_> = spec.volumes.iter().flatten().map(|volume| volume.name.clone()).collect();
    let needed: BTreeSet<_> = granted.iter().map(|(volume, ..)| volume.clone()).collect();
    let referred: Vec<_> = container.env.iter().flatten().map(|var| var.name.clone()).collect();
    let mut problems = failed(&[
        (whose == ours, "its grant is for another Morph"),
        (pinned.as_ref() == Some(&image), "its image is not the one that was resolved"),
        (image.ends_with(&format!("@{digest}")), "its grant is for another image"),
        (main.map(|main| &main.content) == content, "its grant is for other bytes"),
        (granted == mounted, "its mounts are not those of its grant"),
        (declared == needed, "its pods have volumes that no grant names"),
        (referred == plugs::references(document), "its env is not what its grant names"),
    ]);
    problems.extend(plugs::problems(seen, spec, container, document));
    problems
}
