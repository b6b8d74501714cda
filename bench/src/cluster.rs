//! A real cluster on which Deployments come, are scaled and go: the operator's for a Morph, and those of
//! peers, made out of it. The cluster is that of `hack/up --bare`; everything is in one namespace.

mod namespace;
mod pods;
mod template;
mod watch;

use crate::pod::Runtime;
use crate::programs::Programs;
use anyhow::{Context, Result, anyhow, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use morph_crds::{MORPH_LABEL, Morph};
use morph_e2e::{Node, Space, push_image, until};
use morph_testkit::layout;
use namespace::Namespace;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use template::Program;
use watch::{Seen, Watch};

/// What a reader does who has no cluster.
const HINT: &str = "this row runs on the cluster of hack/up --bare: run that, then eval \"$(hack/env)\"";

/// How long the API server may take to answer at all, in seconds.
const ANSWER_SECONDS_MAX: u64 = 10;

/// How long a Deployment and its pods may take to be gone, in seconds: a grace period and some more.
const GONE_SECONDS_MAX: u64 = 120;

/// Name of the Morph whose Deployment the peers' are made from.
const PATTERN: &str = "pattern";

/// The cluster, and what the sides run on it.
pub struct Cluster {
    namespace: Namespace,
    component: morph_e2e::Pushed,
    native: String,
    pattern: Deployment,
}

/// A change that was asked for.
struct Change {
    begun: Instant,
    seen: Seen,
}

impl Change {
    /// From the request to the end.
    fn whole(&self) -> Duration {
        self.seen.pods - self.begun
    }

    /// From the Deployment's own change to the end.
    fn deployments(&self) -> Duration {
        self.seen.pods - self.seen.deployment
    }
}

/// Connects, or says what there must be to connect to.
///
/// # Errors
/// No cluster, or one without Morph.
pub async fn connect() -> Result<morph_e2e::Cluster> {
    let cluster = morph_e2e::Cluster::connect().await.context(HINT)?;
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    let found = tokio::time::timeout(limit, has_class(&cluster, Runtime::Morph)).await;
    let found = found.unwrap_or_else(|_| Err(anyhow!("no answer in {ANSWER_SECONDS_MAX} s")));
    ensure!(found.context(HINT)?, "{HINT}; the cluster of KUBECONFIG has no RuntimeClass morph");
    Ok(cluster)
}

/// Whether there is a RuntimeClass for a runtime.
async fn has_class(cluster: &morph_e2e::Cluster, runtime: Runtime) -> Result<bool> {
    let classes: Api<RuntimeClass> = Api::all(cluster.client.clone());
    Ok(classes.get_opt(runtime.name()).await.context("asking for a RuntimeClass")?.is_some())
}

impl Cluster {
    /// Makes the namespace, pushes what the sides run, and lets the operator make a Deployment.
    ///
    /// # Errors
    /// No cluster, another shim than the one that is measured, or a Morph that isn't Ready.
    pub async fn start(programs: &Programs) -> Result<Self> {
        let cluster = connect().await?;
        same_shim(&programs.shim)?;
        let namespace = Namespace::create(&cluster).await?;
        let space = &namespace.space;
        let component = space.push("greeting", "1", programs.guest("greeting")?).await?;
        let native = static_server(space).await?;
        space.morph(PATTERN, &spec(&component.image)).await?;
        space.ready(PATTERN).await?;
        let pattern = space.api::<Deployment>().get(PATTERN).await?;
        remove(space, Runtime::Morph, PATTERN).await?;
        Ok(Self { namespace, component, native, pattern })
    }

    /// Deletes the namespace and waits until it is gone.
    ///
    /// # Errors
    /// One that stays.
    pub async fn end(self) -> Result<()> {
        self.namespace.delete().await
    }

    /// A Deployment of this name comes, goes to 0, to `pods`, to 0, and is removed. Answers milliseconds: to
    /// 1 Ready, to all Ready, to none left, from the request; then the same from the Deployment's own change.
    ///
    /// # Errors
    /// A runtime that the cluster doesn't have, or pods that don't come or go.
    pub async fn cycle(&self, runtime: Runtime, name: &str, pods: usize) -> Result<Vec<f64>> {
        let space = &self.namespace.space;
        if runtime == Runtime::Peer && !has_class(&space.cluster, runtime).await? {
            bail!("the cluster has no RuntimeClass peer; MORPH_PEER_SHIM=PROGRAM hack/up --bare adds it");
        }
        let measured = self.measure(runtime, name, pods).await.inspect_err(|_| space.describe());
        match (measured, remove(space, runtime, name).await) {
            (Ok(figures), Ok(())) => Ok(figures),
            (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
            (Err(error), Err(stays)) => Err(error.context(format!("and it stays: {stays:#}"))),
        }
    }

    async fn measure(&self, runtime: Runtime, name: &str, pods: usize) -> Result<Vec<f64>> {
        let space = &self.namespace.space;
        let scale = |replicas| scale(space, runtime, name, replicas);
        let one = self.change(runtime, name, 1, self.create(runtime, name)).await.context("to 1")?;
        self.change(runtime, name, 0, scale(0)).await.context("from 1 to 0")?;
        let up = self.change(runtime, name, pods, scale(pods)).await.context("from 0 up")?;
        let down = self.change(runtime, name, 0, scale(0)).await.context("down to 0")?;
        let changes = [one, up, down];
        let times = changes.iter().map(Change::whole).chain(changes.iter().map(Change::deployments));
        Ok(times.map(|time| time.as_secs_f64() * 1e3).collect())
    }

    /// Asks for something and sees it happen.
    async fn change(
        &self,
        runtime: Runtime,
        name: &str,
        replicas: usize,
        ask: impl Future<Output = Result<()>>,
    ) -> Result<Change> {
        let watch = Watch::open(&self.namespace.space, name, &label(runtime, name)).await?;
        let begun = Instant::now();
        let ((), seen) = tokio::try_join!(ask, watch.until(replicas))?;
        Ok(Change { begun, seen })
    }

    /// Creates a Morph, or a peer's Deployment, with one replica.
    async fn create(&self, runtime: Runtime, name: &str) -> Result<()> {
        let space = &self.namespace.space;
        let (image, command): (_, &[&str]) = match runtime {
            Runtime::Morph => return space.morph(name, &spec(&self.component.image)).await,
            Runtime::Peer => (&self.component.pinned, &["/"]),
            Runtime::Runc => (&self.native, &["/static-server", "serve"]),
            Runtime::Null => bail!("the cluster has no runtime that runs nothing"),
        };
        let runtime_class = (runtime == Runtime::Peer).then_some(runtime.name());
        let program = Program { image, command, runtime_class };
        let deployment = template::deployment(&self.pattern, name, program)?;
        space.api::<Deployment>().create(&PostParams::default(), &deployment).await?;
        Ok(())
    }
}

/// A Morph without a lame-duck time, which runc's server doesn't have either, and with requests so small that
/// every pod finds its place on one node.
fn spec(image: &str) -> serde_json::Value {
    json!({
        "image": image,
        "replicas": 1,
        "http": { "lameDuckSeconds": 0 },
        "resources": { "requests": { "cpu": "5m", "memory": "8Mi" } },
    })
}

/// Pushes what runc runs.
async fn static_server(space: &Space) -> Result<String> {
    let directory = tempfile::tempdir()?;
    Programs::static_server(directory.path())?;
    let image = layout::native(directory.path(), &["/static-server"])?;
    let path = format!("{}/static-server", space.name);
    push_image(&path, [&image.layer, &image.config], image.manifest_bytes()).await
}

async fn scale(space: &Space, runtime: Runtime, name: &str, replicas: usize) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let params = PatchParams::default();
    match runtime {
        Runtime::Morph => space.api::<Morph>().patch_scale(name, &params, &patch).await?,
        Runtime::Peer | Runtime::Runc | Runtime::Null => {
            space.api::<Deployment>().patch_scale(name, &params, &patch).await?
        }
    };
    Ok(())
}

/// Deletes it, if it is there, and waits until its Deployment and pods are gone.
async fn remove(space: &Space, runtime: Runtime, name: &str) -> Result<()> {
    let (params, deployments, pods) =
        (DeleteParams::default(), space.api::<Deployment>(), space.api::<Pod>());
    let deleted = match runtime {
        Runtime::Morph => space.api::<Morph>().delete(name, &params).await.map(drop),
        Runtime::Peer | Runtime::Runc | Runtime::Null => deployments.delete(name, &params).await.map(drop),
    };
    match deleted {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => other.with_context(|| format!("deleting {name}"))?,
    }
    let of_label = ListParams::default().labels(&label(runtime, name));
    until(GONE_SECONDS_MAX, &format!("{name} gone"), async || {
        let (deployment, pods) = (deployments.get_opt(name).await?, pods.list(&of_label).await?.items.len());
        Ok(if deployment.is_none() && pods == 0 { Ok(()) } else { Err(format!("{pods} pods")) })
    })
    .await
}

/// The label of a side's pods.
fn label(runtime: Runtime, name: &str) -> String {
    let key = match runtime {
        Runtime::Morph => MORPH_LABEL,
        Runtime::Peer | Runtime::Runc | Runtime::Null => template::LABEL,
    };
    format!("{key}={name}")
}

/// Wants the cluster to run the shim that the record names.
fn same_shim(shim: &Path) -> Result<()> {
    let installed = Node::state()?.join("bin/containerd-shim-morph-v1");
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    let is_same = read(shim)? == read(&installed)?;
    let (shim, installed) = (shim.display(), installed.display());
    ensure!(is_same, "the cluster's shim, {installed}, is another than {shim}; run hack/up --bare again");
    Ok(())
}
