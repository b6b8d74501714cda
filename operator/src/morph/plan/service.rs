//! The Service of a Server.

use super::{names, pod};
use crate::morph::validate::Valid;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(super) fn service(valid: &Valid) -> Service {
    let name = &valid.identity.name;
    let port = valid.spec.http.clone().unwrap_or_default().port;
    Service {
        metadata: names::metadata(&valid.identity, name),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(names::selector_labels(name)),
            ports: Some(vec![ServicePort {
                name: Some(pod::PORT.to_owned()),
                port: i32::from(port),
                // By name: pods of two ports answer while a change of the port rolls out.
                target_port: Some(IntOrString::String(pod::PORT.to_owned())),
                protocol: Some("TCP".to_owned()),
                app_protocol: None,
                node_port: None,
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Where a Server answers inside the cluster.
pub(crate) fn url(namespace: &str, name: &str, port: u16) -> String {
    format!("http://{name}.{namespace}.svc:{port}")
}
