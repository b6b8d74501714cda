//! The table of rights is what the operator uses: no call leaves it (the server here refuses such), and each
//! line of it is used in the course of a life.

use crate::server::OWN_NAMESPACE;
use crate::store::Key;
use crate::world::{NAMESPACE, World, command_component, server_component};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use morph_operator::leader::Leader;
use morph_operator::metrics::Metrics;
use morph_operator::morph::MORPH_UID_LABEL;
use morph_operator::morph::sweep::sweep;
use morph_operator::{ceiling, controller, rbac};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Two renewals of the lease, then the watches.
async fn lead_and_watch(world: World) -> crate::server::FakeServer {
    let api = world.api;
    let stop = CancellationToken::new();
    let (elected, mut leads) = watch::channel(false);
    let leases = Api::namespaced(api.client(), OWN_NAMESPACE);
    let leader = Leader::new(leases, "a".to_owned(), elected, Arc::new(Metrics::default()));
    let leader = tokio::spawn(leader.run(stop.clone()));
    leads.wait_for(|leads| *leads).await.unwrap();
    let (server, token) = (api.server(), stop.clone());
    let reconciler = Arc::new(world.operator);
    let watching = tokio::spawn(async move { controller::run(&server, reconciler, 2, token).await });
    tokio::time::sleep(Duration::from_secs(10)).await;
    stop.cancel();
    leader.await.unwrap().unwrap();
    watching.await.unwrap().unwrap();
    api
}

/// A policy comes, changes and goes.
async fn bind(world: &World) {
    let policy = Key::new("hayride.dev", "morphpolicies", "", "strict");
    let spec = json!({ "images": { "prefixes": ["r.example/acme"] } });
    world.api.with(|store| store.create(&policy, json!({ "metadata": {}, "spec": spec })));
    ceiling::keep(&world.api.server()).await.unwrap();
    world.api.with(|store| store.edit(&policy, |policy| policy["spec"]["enforcement"] = json!("Warn")));
    ceiling::keep(&world.api.server()).await.unwrap();
    world.api.with(|store| store.remove(&policy));
    ceiling::keep(&world.api.server()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_right_is_used_and_no_other_is_wanted() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({}));
    world.converge("weather").await;
    world.registry.push("r.example/acme/weather:2", &command_component());
    for spec in [
        json!({ "image": "r.example/acme/weather:2" }),
        json!({ "run": { "schedule": "@daily" } }),
        json!({ "run": {}, "template": { "serviceAccountName": "own" } }),
    ] {
        world.edit("weather", |morph| {
            morph["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        });
        world.converge("weather").await;
    }
    let private =
        json!({ "image": "r.example/acme/private:1", "template": { "imagePullSecrets": [{ "name": "p" }] } });
    world.create("private", private);
    world.pass("private").await.unwrap();
    world.api.with(|store| {
        for (group, resource) in
            [("apps", "replicasets"), ("", "pods"), ("networking.k8s.io", "networkpolicies")]
        {
            let orphan = json!({ "metadata": { "labels": { (MORPH_UID_LABEL): "dead" } } });
            store.create(&Key::new(group, resource, NAMESPACE, "orphan"), orphan);
        }
    });
    sweep(&world.api.server()).await.unwrap();
    bind(&world).await;
    crate::keys::publish_once(&world.api).await;
    crate::denials::report_once(&world.api).await;
    let namespaces: Api<Namespace> = Api::all(world.api.client());
    namespaces.get("kube-system").await.unwrap();
    let api = lead_and_watch(world).await;

    let wanted: BTreeSet<(String, String, String)> = rbac::TABLE
        .iter()
        .flat_map(|right| right.verbs.iter().map(move |verb| (right.group, right.resource, *verb)))
        .filter(|(_, resource, verb)| !rbac::NEVER_CALLED.contains(&(resource, verb)))
        .map(|(group, resource, verb)| (group.to_owned(), resource.to_owned(), verb.to_owned()))
        .collect();
    let used = api.used();
    let idle: Vec<_> = wanted.difference(&used).collect();
    assert!(idle.is_empty(), "rights that nothing uses: {idle:?}");
    assert_eq!(used, wanted);
}
