//! A peer's Deployment, made out of the one that the operator has made for a Morph: pods of the same shape,
//! with another program in them. It decides and asks nobody.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::collections::BTreeMap;

/// Label of a peer's pods: Morph's own is the operator's alone.
pub(super) const LABEL: &str = "app";

/// What a peer's pods have of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program<'a> {
    /// The image.
    pub(super) image: &'a str,
    /// The command in it.
    pub(super) command: &'a [&'a str],
    /// The RuntimeClass; the node's default without one.
    pub(super) runtime_class: Option<&'a str>,
}

/// The Deployment of this name with one replica. Probes, resources, grace period, security context, strategy
/// are Morph's; the grant, which is of no use to others, and the account, which goes with the Morph, are not.
///
/// # Errors
/// A Deployment whose pods don't have one container.
pub(super) fn deployment(morphs: &Deployment, name: &str, program: Program<'_>) -> Result<Deployment> {
    let mut spec = morphs.spec.clone().context("a Deployment without a spec")?;
    let mut pod = spec.template.spec.take().context("a Deployment without pods")?;
    let [container] = pod.containers.as_mut_slice() else {
        bail!("a Morph's pods have one container, these have {}", pod.containers.len());
    };
    container.image = Some(program.image.to_owned());
    container.command = Some(program.command.iter().map(ToString::to_string).collect());
    pod.runtime_class_name = program.runtime_class.map(ToOwned::to_owned);
    pod.service_account_name = None;
    // The old name of the same field: the API server fills both.
    pod.service_account = None;
    let labels = Some(BTreeMap::from([(LABEL.to_owned(), name.to_owned())]));
    spec.template.metadata = Some(ObjectMeta { labels: labels.clone(), ..ObjectMeta::default() });
    spec.template.spec = Some(pod);
    spec.selector = LabelSelector { match_labels: labels, ..LabelSelector::default() };
    spec.replicas = Some(1);
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Ok(Deployment { metadata, spec: Some(spec), status: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    const PROGRAM: Program<'_> = Program {
        image: "registry.example/static@sha256:00",
        command: &["/static", "serve"],
        runtime_class: None,
    };

    /// As the API server holds it.
    fn morphs() -> Deployment {
        let probe = |seconds: i32| json!({ "periodSeconds": seconds, "tcpSocket": { "port": 8080 } });
        let container = json!({
            "name": "morph", "image": "registry.example/hello@sha256:11", "command": ["/"],
            "imagePullPolicy": "IfNotPresent",
            "ports": [{ "name": "http", "containerPort": 8080 }],
            "resources": { "requests": { "cpu": "5m" } },
            "startupProbe": probe(1), "readinessProbe": probe(5),
            "securityContext": { "readOnlyRootFilesystem": true },
        });
        serde_json::from_value(json!({
            "metadata": { "name": "hello", "uid": "u", "resourceVersion": "7", "ownerReferences": [] },
            "spec": {
                "replicas": 3, "revisionHistoryLimit": 0, "strategy": { "type": "RollingUpdate" },
                "selector": { "matchLabels": { "hayride.dev/morph": "hello" } },
                "template": {
                    "metadata": {
                        "labels": { "hayride.dev/morph": "hello" },
                        "annotations": { "hayride.dev/grant": "signed" },
                    },
                    "spec": {
                        "containers": [container],
                        "runtimeClassName": "morph", "terminationGracePeriodSeconds": 30,
                        "serviceAccountName": "hello", "serviceAccount": "hello",
                        "automountServiceAccountToken": false, "enableServiceLinks": false,
                        "securityContext": { "runAsNonRoot": true, "runAsUser": 65532 },
                    },
                },
            },
            "status": { "replicas": 3 },
        }))
        .unwrap()
    }

    fn made(program: Program<'_>) -> Value {
        serde_json::to_value(deployment(&morphs(), "runc-1", program).unwrap()).unwrap()
    }

    /// Takes a field out of an object.
    fn take(object: &mut Value, field: &str) -> Option<Value> {
        object.as_object_mut().unwrap().remove(field)
    }

    #[test]
    fn a_peers_pods_are_morphs_but_for_program_runtime_and_account() {
        let (mut peers, mut morphs) = (made(PROGRAM), serde_json::to_value(morphs()).unwrap());
        for whole in [&mut peers, &mut morphs] {
            let pod = &mut whole["spec"]["template"]["spec"];
            for field in ["runtimeClassName", "serviceAccountName", "serviceAccount"] {
                take(pod, field);
            }
            for field in ["image", "command"] {
                assert!(take(&mut pod["containers"][0], field).is_some(), "{field}");
            }
        }
        assert_eq!(peers["spec"]["template"]["spec"], morphs["spec"]["template"]["spec"]);
        for field in ["strategy", "revisionHistoryLimit"] {
            assert_eq!(peers["spec"][field], morphs["spec"][field]);
        }
    }

    #[test]
    fn a_peers_pods_run_its_program() {
        let pod = &made(PROGRAM)["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["image"], PROGRAM.image);
        assert_eq!(pod["containers"][0]["command"], json!(PROGRAM.command));
        for field in ["runtimeClassName", "serviceAccountName", "serviceAccount"] {
            assert_eq!(pod[field], Value::Null, "{field}");
        }
        let peer = made(Program { runtime_class: Some("peer"), ..PROGRAM });
        assert_eq!(peer["spec"]["template"]["spec"]["runtimeClassName"], "peer");
    }

    #[test]
    fn a_peer_has_neither_morphs_grant_nor_its_labels() {
        let made = made(PROGRAM);
        let text = made.to_string();
        assert!(!text.contains("hayride.dev") && !text.contains("signed"), "{text}");
        assert_eq!(made["spec"]["template"]["metadata"]["labels"], json!({ "app": "runc-1" }));
        assert_eq!(made["spec"]["selector"]["matchLabels"], json!({ "app": "runc-1" }));
    }

    #[test]
    fn a_peers_deployment_is_a_new_one_of_one_replica() {
        let made = made(PROGRAM);
        assert_eq!(made["metadata"], json!({ "name": "runc-1" }));
        assert_eq!((&made["spec"]["replicas"], &made["status"]), (&json!(1), &Value::Null));
    }

    #[test]
    fn pods_of_another_shape_are_refused() {
        let mut two = morphs();
        let pod = two.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
        pod.containers.push(pod.containers[0].clone());
        let error = deployment(&two, "runc-1", PROGRAM).unwrap_err();
        assert!(error.to_string().contains("these have 2"), "{error}");
        assert!(deployment(&Deployment::default(), "runc-1", PROGRAM).is_err());
    }
}
