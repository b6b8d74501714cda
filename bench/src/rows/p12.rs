//! P12: a Deployment on a real cluster: to its first Ready pod, to many, and to none. Morph's is made and
//! scaled by the operator, from a Morph; what begins with the Deployment's own change stands beside it.

use super::{Bench, turns};
use crate::cluster::{self, Cluster};
use crate::pod::Runtime;
use crate::report::{Asked, Report};
use crate::target::Target;
use crate::unit::Unit::Millis;
use anyhow::Result;

const PODS: usize = 50;

/// Shares of runc's time: 0.25 of 0.46 s, 5 of 8.6 s and 5 of 9.0 s, measured on one machine.
const SHARES: [f64; 3] = [0.54, 0.58, 0.56];

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let pods = bench.pods(PODS);
    let cluster = Cluster::start(&bench.programs).await?;
    let sides = turns(bench, &Runtime::ALL, async |runtime, turn| {
        cluster.cycle(runtime, &format!("{}-{}", runtime.name(), turn.round), pods).await
    })
    .await?;
    cluster.end().await?;
    let target = |index: usize| vec![Target::share_of("runc", SHARES[index])];
    let asked = [
        Asked::new("created, to 1 pod Ready", Millis, target(0)),
        Asked::new("from none to all pods Ready", Millis, target(1)),
        Asked::new("from all pods to none left", Millis, target(2)),
        Asked::new("of it from the Deployment's creation: to 1 pod Ready", Millis, Vec::new()),
        Asked::new("of it from the Deployment's change: to all pods Ready", Millis, Vec::new()),
        Asked::new("of it from the Deployment's change: to none left", Millis, Vec::new()),
    ];
    let work = format!("a Deployment on a real cluster: 1 pod, then {pods}; Morph's through its operator");
    Ok(Report::new("P12", work, &asked, &sides))
}

/// Why there is no cluster for it, if so.
pub(super) async fn lacks() -> Option<String> {
    cluster::connect().await.err().map(|error| format!("{error:#}"))
}
