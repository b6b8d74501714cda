//! A host outside of the cluster, for Morphs that ask it.

use anyhow::Result;
use morph_e2e::{NODE_ADDRESS, Space, name_stands_for};
use morph_testkit::web::Web;
use serde_json::{Value, json};

/// A host outside of the cluster, whose certificate is in the ConfigMap `ca`.
pub(crate) struct Host {
    pub(crate) web: Web,
    pub(crate) name: String,
}

impl Host {
    /// Starts one with a name of the test's own.
    pub(crate) async fn start(space: &Space) -> Result<Self> {
        let name = format!("api.{}.example", space.name);
        let (web, certificate) = Web::start(NODE_ADDRESS.into(), &name).await?;
        name_stands_for(&name, NODE_ADDRESS.into())?;
        let ca = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "ca" }, "data": { "ca": certificate },
        });
        space.apply(&ca.to_string()).await?;
        Ok(Self { web, name })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", self.name, self.web.port())
    }

    /// What grants it, under `/v1`.
    pub(crate) fn grant(&self) -> Value {
        json!({
            "allow": [{
                "host": self.name, "ports": [self.web.port()], "pathPrefixes": ["/v1"],
                "addresses": [format!("{NODE_ADDRESS}/32")],
            }],
            "caBundle": { "configMapKeyRef": { "name": "ca", "key": "ca" } },
        })
    }
}
