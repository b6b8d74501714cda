//! What happens to a Morph or to what belongs to it leads to a pass; a stop finishes the passes that run.

use crate::server::FakeServer;
use crate::store::Key;
use crate::world::{NAMESPACE, World, server_component};
use morph_operator::controller;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    api: FakeServer,
    task: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Running {
    fn start(world: World) -> Self {
        let stop = CancellationToken::new();
        let (api, token) = (world.api, stop.clone());
        let (server, reconciler) = (api.server(), Arc::new(world.operator));
        let task = tokio::spawn(async move { controller::run(&server, reconciler, 4, token).await });
        Self { api, task, stop }
    }

    /// Waits until the store is as wanted.
    async fn until(&self, what: &str, holds: impl Fn(&FakeServer) -> bool) {
        let wait = async {
            while !holds(&self.api) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

fn has(api: &FakeServer, resource: &str) -> bool {
    !api.with(|store| store.all(resource)).is_empty()
}

#[tokio::test]
async fn events_lead_to_passes_until_it_is_told_to_stop() {
    let world = World::new(&server_component(""));
    let running = Running::start(world);
    let morph = json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph", "metadata": { "name": "late", "uid": "u" },
        "spec": { "image": crate::world::IMAGE, "replicas": 1 },
    });
    running.api.with(|store| store.create(&crate::world::morph_key("late"), morph));
    running.until("a new Morph gets its Deployment", |api| has(api, "deployments")).await;
    let key = Key::new("apps", "deployments", NAMESPACE, "late");
    running.api.with(|store| store.remove(&key));
    running.until("a child that is deleted comes back", |api| has(api, "deployments")).await;
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn morphs_that_were_there_before_are_looked_at() {
    let world = World::new(&server_component(""));
    for name in ["one", "two", "three"] {
        world.create(name, json!({}));
    }
    let running = Running::start(world);
    running.until("each has its Service", |api| api.with(|store| store.all("services")).len() == 3).await;
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running.task).await.unwrap().unwrap().unwrap();
}
