//! The row of the local cluster in its least form: that it runs, measures and leaves nothing. Behind the
//! feature `cluster`, as the tests of `e2e` are.
#![allow(clippy::unwrap_used)]

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use morph_bench::programs::{Chosen, Programs};
use morph_bench::rows::{Bench, Row};
use morph_e2e::{Cluster, Node};
use std::path::Path;

/// With the shim that the cluster runs.
fn bench() -> Bench {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).map(Path::to_owned).unwrap();
    let chosen = Chosen {
        shim: Some(Node::state().unwrap().join("bin/containerd-shim-morph-v1")),
        guests: Some(target.join("guests")),
        ..Chosen::default()
    };
    Bench { programs: Programs::find(chosen).unwrap(), repetitions: 1, shrink: 25 }
}

/// Namespaces of benchmarks.
async fn namespaces() -> Vec<String> {
    let all: Api<Namespace> = Api::all(Cluster::connect().await.unwrap().client);
    let names = all.list(&ListParams::default()).await.unwrap().items;
    let names = names.into_iter().filter_map(|namespace| namespace.metadata.name);
    names.filter(|name| name.starts_with("e2e-bench-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_come_and_go_on_a_cluster() {
    let report = Row::P12.run(&bench()).await.unwrap();
    assert_eq!(report.measures.len(), 6);
    for measure in &report.measures {
        for side in measure.sides.iter().filter(|side| side.name != "peer") {
            assert!(side.figures.is_some(), "{}: {side:?}", measure.name);
        }
        let peer = measure.sides.iter().find(|side| side.name == "peer").unwrap();
        let why = peer.unable.as_deref().unwrap_or_default();
        assert!(peer.figures.is_some() || why.contains("MORPH_PEER_SHIM"), "{peer:?}");
    }
    assert_eq!(namespaces().await, Vec::<String>::new());
}
