//! Rows under a real containerd, each in its least form: that they run, say what is missing, and leave
//! nothing. Behind the feature `containerd`, as the shim's own tests are: it needs root and what `hack/up`
//! builds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use morph_bench::programs::{Chosen, Programs};
use morph_bench::report::{MORPH, Measure, Report, Side};
use morph_bench::rows::{Bench, Row};
use std::path::Path;

/// Rows with Morph and runc; the peer takes long to build.
fn bench() -> Bench {
    let own = std::env::current_exe().unwrap();
    let release = own.parent().and_then(Path::parent).unwrap();
    let chosen = Chosen {
        shim: Some(release.join("containerd-shim-morph-v1")),
        peer: Some("/nonexistent/peer".into()),
        wasmtime: Some("/nonexistent/wasmtime".into()),
        guests: Some(release.parent().unwrap().join("guests")),
    };
    Bench { programs: Programs::find(chosen).unwrap(), repetitions: 1, shrink: 50 }
}

async fn run(row: Row) -> Report {
    row.run(&bench()).await.unwrap()
}

fn side<'a>(measure: &'a Measure, name: &str) -> &'a Side {
    measure.sides.iter().find(|side| side.name == name).unwrap()
}

#[track_caller]
fn check_measured(report: &Report, side_name: &str) {
    for measure in &report.measures {
        let side = side(measure, side_name);
        assert!(side.figures.is_some(), "{}: {side:?}", measure.name);
    }
}

/// What nodes of this process have left on the machine.
fn left_behind() -> Vec<String> {
    let id = std::process::id();
    let mut left = Vec::new();
    for place in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/class/net"] {
        for name in [format!("morph-bench-{id}"), format!("mb{id}")] {
            let path = Path::new(place).join(name);
            left.extend(path.exists().then(|| path.display().to_string()));
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_start_is_measured_and_a_missing_peer_is_named() {
    let report = run(Row::P1).await;
    check_measured(&report, MORPH);
    check_measured(&report, "runc");
    check_measured(&report, "containerd alone");
    let why = side(&report.measures[0], "peer").unable.clone().unwrap();
    assert!(why.contains("/nonexistent/peer"), "{why}");
    assert_eq!(left_behind(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_a_network_answers_beside_the_plugins_own_time() {
    let report = run(Row::P2).await;
    check_measured(&report, MORPH);
    check_measured(&report, "cni alone");
    check_measured(&report, "containerd alone");
    assert_eq!(left_behind(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_comes_and_goes() {
    let report = run(Row::P10).await;
    check_measured(&report, MORPH);
    check_measured(&report, "containerd alone");
    let left = report.measures.iter().find(|measure| measure.name.contains("left over")).unwrap();
    assert_eq!(left.morph(), Some(0.0));
    assert_eq!(left_behind(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_seen_to_listen() {
    check_measured(&run(Row::P6).await, MORPH);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_between_parts_are_measured_beside_http() {
    let report = run(Row::P7).await;
    check_measured(&report, MORPH);
    let (calls, made) = report.measures.split_at(4);
    for measure in calls {
        let http = measure.ratio(side(measure, "loopback HTTP")).unwrap();
        assert!(http > 1.0, "{}: HTTP takes {http} times a call", measure.name);
    }
    let names: Vec<&str> = made.iter().map(|measure| measure.name.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["composing", "reading", "compiling"]);
    assert!(side(&made[2], "parts one by one").figures.is_some());
    let judged: usize = report.measures.iter().map(|measure| measure.targets.len()).sum();
    assert_eq!(judged, 6, "each measure but the one that goes before has a target");
}
