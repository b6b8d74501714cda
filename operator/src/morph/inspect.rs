//! An image that the operator's own registry client can't read is looked at by a node: a pod in the Morph's
//! namespace, with the Morph's own pull secrets, whose container ends with what its image is. Pure: what to
//! do next, from the pod as it is. What the pod tells is believed as a registry's claim is: the shim checks
//! all of it again.

use super::plan::{names, pod};
use super::{Component, Failure, GENERATION_ANNOTATION, Identity, Known, MORPH_UID_LABEL, RUNTIME_CLASS};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, LocalObjectReference, Pod, PodSpec};
use morph_crds::{Morph, Part, Reason};
use morph_grant::{INSPECT_ANNOTATION, INSPECT_CONTAINER, Inspection, InspectionError};
use morph_oci::Reference;
use std::sync::Arc;

/// How long a pod may take to pull and to tell, in seconds; then it is made anew.
const DEADLINE_SECONDS: i64 = 300;

/// The shim's exit code of an image that can't be run: `code::BAD_COMPONENT` of `host/`.
const BAD_COMPONENT: i32 = 127;

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make this pod; it is under way then.
    Make(Box<Pod>, Failure),
    /// Nothing: it is under way.
    Wait(Failure),
    /// It has come to nothing that may pass: away with it, and once more.
    Remake(Failure),
    /// This is the component.
    Found(Component),
    /// It has come to nothing.
    Failed(Failure),
}

/// Whether a node may succeed where the operator did not: it has credentials that the operator hasn't.
#[must_use]
pub fn may_help(morph: &Morph, failure: &Failure) -> bool {
    let reasons = [Reason::RegistryDenied, Reason::RegistryForbidden, Reason::ImageNotFound];
    may_ask(morph) && reasons.contains(&failure.reason)
}

/// Whether a node has credentials of the Morph's own.
#[must_use]
pub fn may_ask(morph: &Morph) -> bool {
    let template = morph.spec.template.as_ref();
    template.is_some_and(|t| !t.image_pull_secrets.is_empty() || t.service_account_name.is_some())
}

/// Whether a pod is one that looks at an image for this Morph.
#[must_use]
pub fn is_of(morph: &Morph, pod: &Pod) -> bool {
    let identity = Identity::of(morph);
    let owned = pod.metadata.owner_references.iter().flatten().any(|owner| owner.uid == identity.uid);
    owned && pod.metadata.annotations.iter().flatten().any(|(key, _)| key == INSPECT_ANNOTATION)
}

/// The field that names a part's image.
#[must_use]
pub fn field(part: &Part<'_>) -> String {
    format!("{}.image", part.at())
}

/// The pod's name: another for each part, and for each spec that another image may stand for.
#[must_use]
pub fn name(morph: &Morph, part: &Part<'_>) -> String {
    let of_plug = part.index.map_or_else(String::new, |_| format!("-{}", part.name));
    format!("{}-inspect-{}{of_plug}", Identity::of(morph).name, names::spec_hash(&morph.spec))
}

/// What a pod that looks at an image for this Morph says of the generation that asks for it.
#[must_use]
pub fn generation(morph: &Morph) -> String {
    morph.metadata.generation.unwrap_or_default().to_string()
}

/// Whether a pod that looks at an image for this Morph was made for an earlier generation of it. What it
/// tells is of this one as well: its name is of all that another image may stand for.
#[must_use]
pub fn is_behind(morph: &Morph, pod: &Pod) -> bool {
    let said = pod.metadata.annotations.as_ref().and_then(|all| all.get(GENERATION_ANNOTATION));
    let of = said.and_then(|text| text.parse::<i64>().ok());
    let is_earlier = of.zip(morph.metadata.generation).is_some_and(|(of, now)| of < now);
    is_earlier && is_of(morph, pod) && pod.metadata.deletion_timestamp.is_none()
}

/// What to do about a part's image, from the operator's own failure and the pod as it is.
#[must_use]
pub fn step(morph: &Morph, part: &Part<'_>, failure: &Failure, found: Option<&Pod>) -> Step {
    let Some(found) = found else {
        return Step::Make(Box::new(inspector(morph, part)), under_way(failure));
    };
    if !is_of(morph, found) {
        let pod = name(morph, part);
        let message = format!("Pod {pod} exists and is not this Morph's; delete it");
        return Step::Failed(Failure { reason: Reason::NameTaken, message, transient: true });
    }
    if found.metadata.deletion_timestamp.is_some() {
        return Step::Wait(under_way(failure));
    }
    let status = found.status.as_ref();
    let container = status.and_then(|status| status.container_statuses.as_ref()?.first());
    match status.and_then(|status| status.phase.as_deref()) {
        Some("Succeeded") => told(part, container),
        Some("Failed") => ended(part, failure, container),
        _ if is_not_pulled(container) => Step::Wait(not_pulled(failure)),
        _ => Step::Wait(under_way(failure)),
    }
}

fn message_of(container: Option<&ContainerStatus>) -> Option<(i32, &str)> {
    let ended = container?.state.as_ref()?.terminated.as_ref()?;
    Some((ended.exit_code, ended.message.as_deref().unwrap_or_default()))
}

fn told(part: &Part<'_>, container: Option<&ContainerStatus>) -> Step {
    let text = message_of(container).map_or("", |(_, text)| text);
    let (reference, field) = (part.image.parse::<Reference>(), field(part));
    match (Inspection::parse(text), reference) {
        (Ok(told), Ok(reference)) => {
            if reference.digest().is_some_and(|digest| *digest != told.manifest) {
                let message = format!(
                    "{field}: it is an index, of which the nodes run {}; name that digest, or a tag",
                    told.manifest
                );
                return Step::Failed(Failure { reason: Reason::ArtifactInvalid, message, transient: false });
            }
            Step::Found(Component {
                image: reference.pinned(told.manifest.clone()),
                content: told.content.clone(),
                known: Known::Read(Arc::new(told.world())),
            })
        }
        (Err(error), _) => Step::Failed(untold(&field, &error)),
        (_, Err(error)) => Step::Failed(Failure {
            reason: Reason::ReferenceInvalid,
            message: format!("{field}: {error}"),
            transient: false,
        }),
    }
}

fn untold(field: &str, error: &InspectionError) -> Failure {
    Failure { reason: Reason::ArtifactInvalid, message: format!("{field}: {error}"), transient: false }
}

/// The words of the termination message came over a registry's bytes: they don't go into a status.
fn ended(part: &Part<'_>, failure: &Failure, container: Option<&ContainerStatus>) -> Step {
    match message_of(container) {
        Some((BAD_COMPONENT, _)) => Step::Failed(Failure {
            reason: Reason::NotAComponent,
            message: format!(
                "{}: a node pulled it and found no component that it can tell of; \
                 see the inspection pod's termination message",
                field(part)
            ),
            transient: false,
        }),
        _ => Step::Remake(under_way(failure)),
    }
}

fn is_not_pulled(container: Option<&ContainerStatus>) -> bool {
    let waiting = container.and_then(|container| container.state.as_ref()?.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    reason.is_some_and(|reason| matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName"))
}

fn not_pulled(failure: &Failure) -> Failure {
    let message = format!(
        "{}; nor can a node pull it with spec.template.imagePullSecrets: \
         see the Events of the inspection pod",
        failure.message
    );
    Failure { message, transient: true, ..failure.clone() }
}

fn under_way(failure: &Failure) -> Failure {
    let message = format!("{}; a node is asked, with the pull secrets of the Morph", failure.message);
    Failure { reason: Reason::Pending, message, transient: true }
}

/// The pod. It has no label that a Service or a ReplicaSet would find it by.
fn inspector(morph: &Morph, part: &Part<'_>) -> Pod {
    let identity = Identity::of(morph);
    let asked = morph.spec.template.clone().unwrap_or_default();
    let secrets = asked.image_pull_secrets.iter();
    let secrets: Vec<_> = secrets.map(|one| LocalObjectReference { name: one.name.clone() }).collect();
    let mut metadata = names::metadata(&identity, &name(morph, part));
    metadata.labels = Some([(MORPH_UID_LABEL.to_owned(), identity.uid.clone())].into());
    let said = [(INSPECT_ANNOTATION, "true".to_owned()), (GENERATION_ANNOTATION, generation(morph))];
    metadata.annotations = Some(said.map(|(name, value)| (name.to_owned(), value)).into());
    let container = Container {
        name: INSPECT_CONTAINER.to_owned(),
        image: Some(part.image.to_owned()),
        image_pull_policy: Some("Always".to_owned()),
        command: Some(vec!["/".to_owned()]),
        security_context: Some(pod::container_security()),
        ..Container::default()
    };
    Pod {
        metadata,
        spec: Some(PodSpec {
            runtime_class_name: Some(RUNTIME_CLASS.to_owned()),
            service_account_name: asked.service_account_name.clone(),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            restart_policy: Some("Never".to_owned()),
            active_deadline_seconds: Some(DEADLINE_SECONDS),
            termination_grace_period_seconds: Some(0),
            security_context: Some(pod::pod_security()),
            containers: vec![container],
            image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
            node_selector: (!asked.node_selector.is_empty()).then_some(asked.node_selector),
            tolerations: (!asked.tolerations.is_empty()).then_some(asked.tolerations),
            ..PodSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests;
