//! The cluster that `KUBECONFIG` names, and namespaces in it that last as long as a test.

use crate::Space;
use anyhow::{Context as _, Result, bail};
use kube::Client;
use std::process::Command;

/// A connection to the local cluster.
#[derive(Clone)]
pub struct Cluster {
    /// As its administrator.
    pub client: Client,
}

impl Cluster {
    /// Connects with the kubeconfig of `hack/env`.
    ///
    /// # Errors
    /// When there is none, or it can't be used.
    pub async fn connect() -> Result<Self> {
        if std::env::var_os("KUBECONFIG").is_none() {
            bail!("KUBECONFIG is not set; run hack/up, then eval \"$(hack/env)\"");
        }
        let client = Client::try_default().await.context("connecting to the cluster of KUBECONFIG")?;
        Ok(Self { client })
    }

    /// Runs `body` in a namespace of its own. The namespace is gone afterwards, however the body ended; when
    /// it ended badly, what stood in the namespace is printed first.
    ///
    /// # Errors
    /// The body's, or the namespace's.
    pub async fn run(hint: &str, body: impl AsyncFnOnce(&Space) -> Result<()>) -> Result<()> {
        Self::run_labelled(hint, &[], body).await
    }

    /// [`Cluster::run`] with labels on the namespace.
    ///
    /// # Errors
    /// The body's, or the namespace's.
    pub async fn run_labelled(
        hint: &str,
        labels: &[(&str, &str)],
        body: impl AsyncFnOnce(&Space) -> Result<()>,
    ) -> Result<()> {
        let space = Self::connect().await?.space(hint, labels).await?;
        let result = body(&space).await;
        if result.is_err() {
            space.describe();
        }
        let deleted = space.delete().await;
        result.and(deleted)
    }

    /// A namespace whose name starts with `e2e-` and the hint.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn space(&self, hint: &str, labels: &[(&str, &str)]) -> Result<Space> {
        Space::create(self.clone(), hint, labels).await
    }
}

/// Runs kubectl as the administrator and gives its standard output.
///
/// # Errors
/// When it can't be run or ends badly; the error has what it wrote to standard error.
pub fn kubectl(args: &[&str]) -> Result<String> {
    let output = Command::new("kubectl").args(args).output().context("kubectl")?;
    if !output.status.success() {
        bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
