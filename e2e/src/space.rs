//! A namespace of one test: objects applied to it, Morphs watched in it, requests to its Services.

use crate::{Cluster, Pushed, kubectl, until};
use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use morph_crds::{ConditionType, MORPH_LABEL, Morph, Reason};
use serde::de::Deserialize as _;
use std::time::Duration;

/// How long a Morph may take to be Ready, in seconds: a first start compiles, and two cores are shared with
/// everything else that the tests do.
const READY_SECONDS: u64 = 90;

/// How long an address may take to reach the node's tables, in seconds: kube-proxy is told of it, and
/// writes it when its turn comes.
const ADDRESS_SECONDS: u64 = 30;

/// How long a namespace may take to be gone, in seconds: pods in it may use up their grace period.
const GONE_SECONDS: u64 = 120;

/// A namespace of one test.
pub struct Space {
    /// The cluster.
    pub cluster: Cluster,
    /// The namespace's name.
    pub name: String,
}

impl Space {
    pub(crate) async fn create(cluster: Cluster, hint: &str, labels: &[(&str, &str)]) -> Result<Self> {
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("e2e-{hint}-")),
                labels: Some(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let made = namespaces.create(&PostParams::default(), &namespace).await?;
        let space = Self { cluster, name: made.metadata.name.context("a namespace without a name")? };
        space.account_ready().await?;
        Ok(space)
    }

    /// Pods are refused until the namespace has its service account.
    async fn account_ready(&self) -> Result<()> {
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = self.api();
        until(30, "service account default", async || Ok(accounts.get_opt("default").await?.ok_or("none")))
            .await?;
        Ok(())
    }

    /// Deletes the namespace and waits until it is gone.
    ///
    /// # Errors
    /// When it stays.
    pub async fn delete(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.cluster.client.clone());
        namespaces.delete(&self.name, &Default::default()).await?;
        until(GONE_SECONDS, &format!("namespace {} gone", self.name), async || {
            Ok(match namespaces.get_opt(&self.name).await? {
                None => Ok(()),
                Some(namespace) => Err(namespace.status),
            })
        })
        .await
    }

    /// Prints what stands in the namespace, for a reader of a failed test.
    pub fn describe(&self) {
        for args in [
            ["get", "morphs,deployments,jobs,pods,events", "-o", "wide"].as_slice(),
            &["get", "morphs", "-o", "yaml"],
            &["describe", "pods"],
            &["logs", "-l", MORPH_LABEL, "--tail=20", "--prefix"],
        ] {
            match self.kubectl(args) {
                Ok(text) => eprintln!("--- kubectl {}\n{text}", args.join(" ")),
                Err(error) => eprintln!("--- {error:#}"),
            }
        }
    }

    /// An API of this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        <K as kube::Resource>::DynamicType: Default,
    {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// kubectl in this namespace.
    ///
    /// # Errors
    /// As [`kubectl`].
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let mut all = vec!["--namespace", self.name.as_str()];
        all.extend(args);
        kubectl(&all)
    }

    /// Applies each document of `yaml`, as kubectl's server-side apply would.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.apply_as(&self.cluster.client.clone(), yaml).await
    }

    /// [`Space::apply`] with somebody's own client.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn apply_as(&self, client: &kube::Client, yaml: &str) -> Result<()> {
        for document in serde_norway::Deserializer::from_str(yaml) {
            let object = serde_json::Value::deserialize(document).context("the test's own YAML")?;
            let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
            let (group, version) = match text("apiVersion").split_once('/') {
                Some((group, version)) => (group.to_owned(), version.to_owned()),
                None => (String::new(), text("apiVersion")),
            };
            let resource = ApiResource::from_gvk(&GroupVersionKind { group, version, kind: text("kind") });
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let all_namespaces =
                matches!(text("kind").as_str(), "PersistentVolume" | "Namespace" | "ClusterRole");
            let api: Api<DynamicObject> = if all_namespaces {
                Api::all_with(client.clone(), &resource)
            } else {
                Api::namespaced_with(client.clone(), &self.name, &resource)
            };
            let params = PatchParams::apply("e2e").force().validation_strict();
            api.patch(name, &params, &Patch::Apply(&object)).await?;
        }
        Ok(())
    }

    /// Applies a Morph with this spec (YAML or JSON of the spec alone).
    ///
    /// # Errors
    /// What the API server said.
    pub async fn morph(&self, name: &str, spec: &serde_json::Value) -> Result<()> {
        let object = serde_json::json!({
            "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph", "metadata": { "name": name }, "spec": spec,
        });
        self.apply(&object.to_string()).await
    }

    /// The Morph as it is now.
    ///
    /// # Errors
    /// When it isn't there.
    pub async fn get(&self, name: &str) -> Result<Morph> {
        Ok(self.api::<Morph>().get(name).await?)
    }

    /// Waits until a condition of the Morph, for its newest generation, is so.
    ///
    /// # Errors
    /// When it isn't in time; the error has the whole status.
    pub async fn condition(
        &self,
        name: &str,
        condition: ConditionType,
        status: &str,
        reason: Option<Reason>,
    ) -> Result<Morph> {
        let what = format!("{name}: {condition}={status} {}", reason.map_or("", Reason::as_str));
        until(READY_SECONDS, &what, async || {
            let morph = self.get(name).await?;
            let generation = morph.metadata.generation;
            let conditions = morph.status.iter().flat_map(|s| &s.conditions);
            let is_so = conditions.into_iter().any(|c| {
                c.type_ == condition.as_str()
                    && c.status == status
                    && c.observed_generation == generation
                    && reason.is_none_or(|reason| c.reason == reason.as_str())
            });
            Ok(if is_so { Ok(morph) } else { Err(morph.status) })
        })
        .await
    }

    /// Waits until the Morph is Ready at its newest generation.
    ///
    /// # Errors
    /// When it isn't in time.
    pub async fn ready(&self, name: &str) -> Result<Morph> {
        self.condition(name, ConditionType::Ready, "True", None).await
    }

    /// The Morph's pods.
    ///
    /// # Errors
    /// The API server's.
    pub async fn pods(&self, name: &str) -> Result<Vec<Pod>> {
        let params = ListParams::default().labels(&format!("{MORPH_LABEL}={name}"));
        Ok(self.api::<Pod>().list(&params).await?.items)
    }

    /// Waits until exactly `count` pods of the Morph exist, none of them being deleted.
    ///
    /// # Errors
    /// When it isn't so in time.
    pub async fn pod_count(&self, name: &str, count: usize) -> Result<Vec<Pod>> {
        until(READY_SECONDS, &format!("{name}: {count} pods"), async || {
            let pods = self.pods(name).await?;
            let settled = pods.len() == count && pods.iter().all(|p| p.metadata.deletion_timestamp.is_none());
            Ok(if settled { Ok(pods) } else { Err(pods.len()) })
        })
        .await
    }

    /// The URL of a Morph's Service by its cluster address.
    ///
    /// # Errors
    /// When there is no Service, or it has no address or port.
    pub async fn url(&self, name: &str) -> Result<String> {
        let spec = self.api::<Service>().get(name).await?.spec.context("a Service without a spec")?;
        let port = spec.ports.into_iter().flatten().next().context("a Service without a port")?.port;
        Ok(format!("http://{}:{port}", spec.cluster_ip.context("a Service without an address")?))
    }

    /// GETs a path of a Morph through its Service's address: status and body. While no connection is taken,
    /// as the node's tables don't have the Morph's pods yet, it is tried again. What fails after that isn't.
    ///
    /// # Errors
    /// When no connection is taken in time, or there is no answer.
    pub async fn fetch(&self, name: &str, path: &str) -> Result<(u16, String)> {
        let url = format!("{}{path}", self.url(name).await?);
        until(ADDRESS_SECONDS, &format!("{name} takes a connection"), async || match fetch(&url).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if error.downcast_ref().is_some_and(reqwest::Error::is_connect) => {
                Ok(Err(format!("{error:#}")))
            }
            Err(error) => Err(error),
        })
        .await
    }

    /// GETs until the answer has status 200, for the time that addresses take to reach the node's tables.
    ///
    /// # Errors
    /// When none has in time.
    pub async fn answer(&self, name: &str, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.url(name).await?);
        until(ADDRESS_SECONDS, &format!("{name} answers {path}"), async || {
            Ok(match fetch(&url).await {
                Ok((200, text)) => Ok(text),
                Ok(other) => Err(format!("{other:?}")),
                Err(error) => Err(format!("{error:#}")),
            })
        })
        .await
    }

    /// Makes a component of this namespace's own in the registry: `<namespace>/<name>:<tag>`.
    ///
    /// # Errors
    /// When it can't be pushed.
    pub async fn push(&self, name: &str, tag: &str, component: Vec<u8>) -> Result<Pushed> {
        Pushed::push(&self.name, name, tag, component).await
    }

    /// Pushes the guest of this name as `<namespace>/<guest>:1`.
    ///
    /// # Errors
    /// When it isn't built or can't be pushed.
    pub async fn push_guest(&self, name: &str) -> Result<Pushed> {
        self.push(name, "1", crate::guest(name)?).await
    }
}

/// GETs a URL: status and body.
///
/// # Errors
/// When there is no answer, or more than a MiB of it.
pub async fn fetch(url: &str) -> Result<(u16, String)> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(15))
        .build()?;
    let response = client.get(url).send().await.with_context(|| url.to_owned())?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    if text.len() > 1 << 20 {
        bail!("{url}: an answer of {} bytes", text.len());
    }
    Ok((status, text))
}
