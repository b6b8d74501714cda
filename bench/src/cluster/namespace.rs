//! A namespace that goes with its owner, also after an error or an interruption.

use anyhow::Result;
use morph_e2e::{Cluster, Space, kubectl};

pub(super) struct Namespace {
    pub(super) space: Space,
    is_gone: bool,
}

impl Namespace {
    pub(super) async fn create(cluster: &Cluster) -> Result<Self> {
        Ok(Self { space: cluster.space("bench", &[]).await?, is_gone: false })
    }

    /// Deletes it and waits until it is gone.
    pub(super) async fn delete(mut self) -> Result<()> {
        self.space.delete().await?;
        self.is_gone = true;
        Ok(())
    }
}

impl Drop for Namespace {
    /// Nobody waits for it here.
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        let name = &self.space.name;
        if let Err(error) = kubectl(&["delete", "namespace", name, "--wait=false", "--ignore-not-found"]) {
            eprintln!("namespace {name} stays: {error:#}");
        }
    }
}
