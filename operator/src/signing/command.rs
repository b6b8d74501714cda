//! `morph-operator keys ensure` and `keys rotate`: what the chart's hook runs, with rights of its own for the
//! time of an install. The operator itself never reads or writes the Secret through the API.

use super::SECRET;
use super::choice::{KeyName, rotate};
use crate::denials::{server_name, tls};
use crate::morph::FIELD_MANAGER;
use crate::settings::KeysAction;
use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use morph_grant::SigningKey;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The Secret was made.
    Made,
    /// Something was added to it, or taken away.
    Changed,
    /// All is as it should be.
    Nothing,
    /// The last key isn't old enough for another. What was missing besides is there now.
    TooSoon {
        /// Seconds until it is.
        seconds: u64,
    },
}

/// Carries it out in this namespace, at this time in seconds since 1970.
///
/// # Errors
/// The API server refuses or doesn't answer; or somebody else changes the Secret at the same time.
pub async fn run(client: Client, namespace: &str, action: KeysAction, now: u64) -> anyhow::Result<Done> {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let what = || format!("get Secret {namespace}/{SECRET}");
    let Some(found) = api.get_opt(SECRET).await.with_context(what)? else {
        let secret = Secret {
            metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
            type_: Some("Opaque".to_owned()),
            data: Some(lacking(&BTreeMap::new(), namespace, now)?),
            ..Secret::default()
        };
        let what = || format!("create Secret {namespace}/{SECRET}");
        api.create(&PostParams::default(), &secret).await.with_context(what)?;
        return Ok(Done::Made);
    };
    let data = found.data.unwrap_or_default();
    let mut added = lacking(&data, namespace, now)?;
    let names: BTreeSet<KeyName> = data.keys().filter_map(|name| KeyName::parse(name)).collect();
    let (mut removed, mut too_soon) = (BTreeSet::new(), None);
    // One that had no key has just got one.
    if action == KeysAction::Rotate && !names.is_empty() {
        match rotate(&names, now) {
            Err(seconds) => too_soon = Some(Done::TooSoon { seconds }),
            Ok(dropped) => {
                removed = dropped;
                let (name, key) = new_key(now)?;
                added.insert(name, key);
            }
        }
    }
    let changes = !(added.is_empty() && removed.is_empty());
    if changes {
        change(&api, found.metadata.resource_version, &added, &removed).await?;
    }
    Ok(too_soon.unwrap_or(if changes { Done::Changed } else { Done::Nothing }))
}

/// What a Secret must have and this one lacks: a key, and a certificate with its key.
fn lacking(
    data: &BTreeMap<String, ByteString>,
    namespace: &str,
    now: u64,
) -> anyhow::Result<BTreeMap<String, ByteString>> {
    let mut added = BTreeMap::new();
    if !data.keys().any(|name| KeyName::parse(name).is_some()) {
        let (name, key) = new_key(now)?;
        added.insert(name, key);
    }
    if !data.contains_key(tls::CERTIFICATE_FILE) || !data.contains_key(tls::KEY_FILE) {
        let (certificate, key) = tls::make(&server_name(namespace))?;
        added.insert(tls::CERTIFICATE_FILE.to_owned(), ByteString(certificate.into_bytes()));
        added.insert(tls::KEY_FILE.to_owned(), ByteString(key.into_bytes()));
    }
    Ok(added)
}

fn new_key(now: u64) -> anyhow::Result<(String, ByteString)> {
    let key = SigningKey::generate(&mut rand::rng());
    let name = KeyName { made: now, id: key.public().id() };
    Ok((name.to_string(), ByteString(key.to_pem()?.as_bytes().to_vec())))
}

/// A merge patch of the state that was read: another's change in between makes it fail.
async fn change(
    api: &Api<Secret>,
    resource_version: Option<String>,
    added: &BTreeMap<String, ByteString>,
    removed: &BTreeSet<KeyName>,
) -> anyhow::Result<()> {
    let mut data = serde_json::Map::new();
    for (name, value) in added {
        data.insert(name.clone(), serde_json::to_value(value)?);
    }
    for name in removed {
        data.insert(name.to_string(), serde_json::Value::Null);
    }
    let patch = json!({ "metadata": { "resourceVersion": resource_version }, "data": data });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(SECRET, &params, &Patch::Merge(&patch))
        .await
        .with_context(|| format!("patch Secret {SECRET}"))?;
    Ok(())
}
