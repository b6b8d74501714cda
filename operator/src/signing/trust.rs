//! Publishes the public halves of the keys to the nodes, with the place where nodes' agents find the
//! operator, and says what grants are signed with: with no key before it is published.

use super::choice::{public_name, published, signs, trusted};
use super::{CONFIG_MAP, directory};
use crate::clock;
use crate::denials::{PORT_NAME, SERVICE, server_name, tls};
use crate::morph::server::{CallError, Server, within};
use crate::node::relay::{OPERATOR_FILE, Operator};
use crate::sweeper::lead_or_stop;
use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Resource as _;
use morph_grant::{KeyId, PublicKey, SigningKey, TrustedKeys};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two looks at the mounted keys and at what is published, in milliseconds. A new key is on its
/// way to the nodes within it; the overlap of keys allows for minutes.
pub const LOOK_MS: u64 = 10_000;

/// What grants are signed with, and whose are taken.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The key that signs.
    pub signer: Arc<SigningKey>,
    /// All keys that nodes trust.
    pub trusted: Arc<TrustedKeys>,
}

impl PartialEq for Signing {
    fn eq(&self, other: &Self) -> bool {
        self.signer.public() == other.signer.public() && self.trusted == other.trusted
    }
}

/// Ids of the keys that live grants name, as a sweep has just found them; nothing before the first.
pub type Live = Option<BTreeSet<KeyId>>;

/// Publishes keys.
pub struct Trust {
    server: Server,
    keys: PathBuf,
    namespace: String,
    node_namespace: String,
}

impl Trust {
    /// Publishes the keys in this directory, for an operator in this namespace, to agents in that one.
    #[must_use]
    pub fn new(server: Server, keys: PathBuf, namespace: String, node_namespace: String) -> Self {
        Self { server, keys, namespace, node_namespace }
    }

    /// Publishes while this replica leads, and says what signs. Old keys leave after a sweep has found that
    /// nobody uses them.
    ///
    /// # Errors
    /// None: what fails is said, and tried again; the last keys go on until then.
    pub async fn run(
        self,
        signing: watch::Sender<Option<Signing>>,
        mut live: watch::Receiver<Live>,
        leading: watch::Receiver<bool>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        if !lead_or_stop(leading, &stop).await {
            return Ok(());
        }
        let mut found: Live = None;
        loop {
            match self.publish(found.as_ref()).await {
                Ok(now) => {
                    let changed = signing.send_if_modified(|before| {
                        let changes = before.as_ref() != Some(&now);
                        *before = Some(now.clone());
                        changes
                    });
                    if changed {
                        let key = now.signer.public().id();
                        tracing::info!(%key, trusted = now.trusted.len(), "grants are signed");
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "keys can't be published; the last ones go on"
                    );
                }
            }
            found = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                // What a sweep found is used once, while it is fresh.
                Ok(()) = live.changed() => live.borrow_and_update().clone(),
                () = tokio::time::sleep(Duration::from_millis(LOOK_MS)) => None,
            };
        }
    }

    /// Makes the published set right, and says what signs now.
    ///
    /// # Errors
    /// The keys can't be read, or the API server doesn't answer: nothing has changed then.
    pub async fn publish(&self, live: Option<&BTreeSet<KeyId>>) -> anyhow::Result<Signing> {
        let keys = directory::read(&self.keys)?;
        let own: Vec<PublicKey> = keys.values().map(|key| key.public()).collect();
        let api = self.server.namespaced::<ConfigMap>(&self.node_namespace);
        let what = format!("get ConfigMap {}/{CONFIG_MAP}", self.node_namespace);
        let found = within(what, api.get_opt(CONFIG_MAP)).await?;
        let found = found.and_then(|map| map.data).unwrap_or_default();
        // What is no key isn't kept.
        let before: Vec<_> = found.iter().filter_map(|(name, text)| published(name, text).ok()).collect();
        let trusted = trusted(&own, &before, live);
        let wanted = self.data(&trusted).await?;
        if wanted != found {
            self.write(&wanted).await?;
            tracing::info!(keys = trusted.len(), "keys are published to the nodes");
        }
        let signer =
            signs(keys.keys(), clock::unix_seconds()?).and_then(|name| keys.get(name)).context("no key")?;
        let trusted = trusted.into_values().collect();
        Ok(Signing { signer: Arc::clone(signer), trusted: Arc::new(trusted) })
    }

    /// What shall be published.
    async fn data(&self, trusted: &BTreeMap<KeyId, PublicKey>) -> anyhow::Result<BTreeMap<String, String>> {
        let mut data = BTreeMap::new();
        for (id, key) in trusted {
            data.insert(public_name(id), key.to_pem()?);
        }
        let path = self.keys.join(tls::CERTIFICATE_FILE);
        let what = || format!("read {}; `morph-operator keys ensure` makes it", path.display());
        let certificate = std::fs::read_to_string(&path).with_context(what)?;
        data.insert(tls::CERTIFICATE_FILE.to_owned(), certificate);
        // Without its Service, agents report no denials; keys are what matters.
        if let Some(address) = self.address().await? {
            let operator = Operator { address, server_name: server_name(&self.namespace) };
            data.insert(OPERATOR_FILE.to_owned(), serde_json::to_string(&operator)?);
        }
        Ok(data)
    }

    /// Where the operator's own Service takes denials.
    async fn address(&self) -> Result<Option<SocketAddr>, CallError> {
        let api = self.server.namespaced::<Service>(&self.namespace);
        let service =
            within(format!("get Service {}/{SERVICE}", self.namespace), api.get_opt(SERVICE)).await?;
        Ok(service.as_ref().and_then(address_of))
    }

    async fn write(&self, data: &BTreeMap<String, String>) -> Result<(), CallError> {
        let map = json!({
            "apiVersion": ConfigMap::api_version(&()), "kind": ConfigMap::kind(&()),
            "metadata": { "name": CONFIG_MAP, "namespace": self.node_namespace }, "data": data,
        });
        self.server.apply::<ConfigMap>(&self.node_namespace, CONFIG_MAP, &map).await.map(drop)
    }
}

fn address_of(service: &Service) -> Option<SocketAddr> {
    let spec = service.spec.as_ref()?;
    let port = spec.ports.iter().flatten().find(|port| port.name.as_deref() == Some(PORT_NAME))?.port;
    let address: IpAddr = spec.cluster_ip.as_ref()?.parse().ok()?;
    Some(SocketAddr::new(address, u16::try_from(port).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::Value;

    fn address(spec: Value) -> Option<String> {
        address_of(&serde_json::from_value(json!({ "spec": spec })).unwrap()).map(|found| found.to_string())
    }

    #[test]
    fn a_service_says_where_denials_are_taken() {
        let ports = json!([{ "name": "metrics", "port": 8080 }, { "name": "denials", "port": 8443 }]);
        let at = |ip: Value| address(json!({ "clusterIP": ip, "ports": ports }));
        assert_eq!(at(json!("10.96.0.7")).as_deref(), Some("10.96.0.7:8443"));
        assert_eq!(at(json!("fd00::7")).as_deref(), Some("[fd00::7]:8443"));
        for none in [json!("None"), json!(""), json!(null)] {
            assert_eq!(at(none), None);
        }
        assert_eq!(address(json!({ "clusterIP": "10.96.0.7", "ports": [{ "port": 8080 }] })), None);
    }
}
