//! What a cluster's NetworkPolicies have to know of it. Plain data; nothing here decides.

use morph_oci::IpNet;
use std::collections::BTreeMap;

/// Namespace of a cluster's DNS, unless the settings say another.
pub const DNS_NAMESPACE: &str = "kube-system";

/// Label of its pods.
pub const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");

/// Port on which its pods answer.
pub const DNS_PORT: u16 = 53;

/// That each Morph gets a NetworkPolicy, and what it has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Where names are looked up.
    pub dns: Dns,
}

/// Where names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The namespace of its pods.
    pub namespace: String,
    /// Their labels.
    pub labels: BTreeMap<String, String>,
    /// Networks in which it answers as well: a cache on the node, for one.
    pub addresses: Vec<IpNet>,
    /// The port, UDP and TCP.
    pub port: u16,
}

impl Default for Fence {
    fn default() -> Self {
        let (key, value) = DNS_LABEL;
        let labels = [(key.to_owned(), value.to_owned())].into();
        let namespace = DNS_NAMESPACE.to_owned();
        Self { dns: Dns { namespace, labels, addresses: Vec::new(), port: DNS_PORT } }
    }
}
