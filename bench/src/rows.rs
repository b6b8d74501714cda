//! The rows: one file for each, and what they share.

mod p1;
mod p10;
mod p11;
mod p12;
mod p2;
mod p3;
mod p4;
mod p5;
mod p6;
mod p7;

pub use p4::serve_natively;

use crate::load::first_answer;
use crate::node::{Node, Up};
use crate::pod::{Image, Network, PORT, Pod, Runtime, Work};
use crate::programs::Programs;
use crate::report::Report;
use crate::rounds::{self, Outcome, Turn};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A row of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// Start of a pod in the node's network.
    #[value(name = "P1")]
    P1,
    /// Start of a pod with a network of its own, to its first answer.
    #[value(name = "P2")]
    P2,
    /// Memory of idle servers.
    #[value(name = "P3")]
    P3,
    /// Requests a second.
    #[value(name = "P4")]
    P4,
    /// First start of a component on a node.
    #[value(name = "P5")]
    P5,
    /// From the shim's Create to a listening worker.
    #[value(name = "P6")]
    P6,
    /// A call from one part of a composition to another.
    #[value(name = "P7")]
    P7,
    /// Many pods at once.
    #[value(name = "P10")]
    P10,
    /// What an idle server costs.
    #[value(name = "P11")]
    P11,
    /// A Deployment on a real cluster.
    #[value(name = "P12")]
    P12,
}

impl Row {
    /// Every row.
    pub const ALL: [Self; 10] = [
        Self::P1,
        Self::P2,
        Self::P3,
        Self::P4,
        Self::P5,
        Self::P6,
        Self::P7,
        Self::P10,
        Self::P11,
        Self::P12,
    ];

    /// Why it can't be run here, if so: what it needs and this program doesn't bring.
    pub async fn lacks(self) -> Option<String> {
        match self {
            Self::P12 => p12::lacks().await,
            _ => None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// What keeps Morph from being measured at all.
    pub async fn run(self, bench: &Bench) -> Result<Report> {
        match self {
            Self::P1 => p1::run(bench).await,
            Self::P2 => p2::run(bench).await,
            Self::P3 => p3::run(bench).await,
            Self::P4 => p4::run(bench).await,
            Self::P5 => p5::run(bench).await,
            Self::P6 => p6::run(bench).await,
            Self::P7 => p7::run(bench).await,
            Self::P10 => p10::run(bench).await,
            Self::P11 => p11::run(bench).await,
            Self::P12 => p12::run(bench).await,
        }
    }
}

/// How rows are run.
#[derive(Debug)]
pub struct Bench {
    /// What is measured.
    pub programs: Programs,
    /// Repetitions of each side.
    pub repetitions: u32,
    /// Every count of pods is divided by this; 1 for figures that count.
    pub shrink: usize,
}

impl Bench {
    /// So many pods, or fewer if only the row itself is tried.
    #[must_use]
    pub fn pods(&self, count: usize) -> usize {
        (count / self.shrink).max(1)
    }
}

/// A node with the images that rows need, and pods of it.
struct Stage {
    node: Node,
    native: &'static str,
    command: Image,
    server: Image,
    made: AtomicU64,
}

impl Stage {
    async fn new(bench: &Bench) -> Result<Self> {
        let node = Node::start(&bench.programs).await?;
        let native = node.static_server()?;
        let command = node.component("command", &bench.programs.guest("command")?)?;
        let server = node.component("greeting", &bench.programs.guest("greeting")?)?;
        Ok(Self { node, native, command, server, made: AtomicU64::new(0) })
    }

    /// A pod of its own name.
    fn pod(&self, runtime: Runtime, network: Network, work: Work) -> Pod<'_> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Pod {
            name: format!("{}-{number}", runtime.handler()),
            namespace: "bench".into(),
            runtime,
            network,
            work,
            component: if work.serves() { &self.server } else { &self.command },
            native: self.native,
        }
    }

    /// Lets Morph compile a component and waits for the code that stays: what is measured is no first start.
    async fn compiled(&self, work: Work) -> Result<()> {
        // No server may be in the node's network.
        let network = if work.serves() { Network::Bridge } else { Network::Node };
        let pod = self.pod(Runtime::Morph, network, work);
        let up = self.node.up(&pod).await?;
        let content = &pod.component.content;
        self.node.until("compiled", async || Ok(is_compiled(&self.node.server_logs(), content))).await?;
        self.node.down(&up).await
    }

    /// Makes a pod of each runtime that is able to and keeps it, so that none is measured in an empty
    /// namespace.
    async fn residents(&self, network: Network, work: Work) -> Vec<Result<Up>> {
        let mut residents = Vec::new();
        for runtime in Runtime::ALL_AND_NONE {
            residents.push(self.node.up(&self.pod(runtime, network, work)).await);
        }
        residents
    }
}

/// Whether a server's log tells of a component's optimized code.
fn is_compiled(log: &str, content: &str) -> bool {
    log.lines().any(|line| {
        let has = |wanted: &str| line.split_whitespace().any(|word| word == wanted);
        has(&format!("component={content}")) && has("engine=p2")
    })
}

/// Lets runtimes take turns.
async fn turns(
    bench: &Bench,
    runtimes: &[Runtime],
    mut measure: impl AsyncFnMut(Runtime, Turn) -> Result<Vec<f64>>,
) -> Result<Vec<(&'static str, Outcome)>> {
    let measure = async |turn: Turn| measure(runtimes[turn.side], turn).await;
    let outcomes = rounds::run(runtimes.len(), bench.repetitions, measure).await?;
    Ok(runtimes.iter().map(|runtime| runtime.name()).zip(outcomes).collect())
}

/// How long a server may take to its first answer, in seconds: a peer may compile a large component
/// meanwhile.
const ANSWER_SECONDS_MAX: u64 = 60;

/// Waits until a pod's server answers.
async fn listening(node: &Node, up: &Up) -> Result<()> {
    let server = SocketAddr::new(node.cri.address(&up.pod).await?, PORT);
    first_answer(server, Instant::now(), ANSWER_SECONDS_MAX).await.map(drop).with_context(|| node.logs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimized_code_is_a_line_of_its_component_and_engine() {
        let log = "INFO compiled key=k component=sha256:a engine=p2-baseline ms=1\n\
                   INFO optimized for its next start key=l component=sha256:b engine=p2 ms=9\n";
        assert!(is_compiled(log, "sha256:b"));
        assert!(!is_compiled(log, "sha256:a"));
    }
}
