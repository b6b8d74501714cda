//! P4: HTTP. Every side answers the same load, asked over loopback within its own network: one instance for
//! each request in all Wasm hosts, Morph with kept instances, and a native server to show what HTTP itself
//! takes.

use super::{Bench, Stage, listening};
use crate::load::{Load, first_answer};
use crate::node::Up;
use crate::pod::{Network, PORT, Runtime, Work};
use crate::process::cpu_micros;
use crate::report::{Asked, MORPH, Report};
use crate::rounds::{self, Outcome};
use crate::target::Target;
use crate::unit::Unit::{CpuMicros, PerSecond};
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 32;

/// How long a turn asks, in seconds: processor time is counted in hundredths of a second.
const LOAD_SECONDS: u64 = 5;

/// Morph where instances are kept.
const POOLED: &str = "morph, pooled";
/// `wasmtime serve`.
const SERVE: &str = "wasmtime serve";
/// Processor time of a request with kept instances over the native server's, at most: its work is at least
/// 70 % of what is done.
const POOLED_SHARE: f64 = 1.0 / 0.7;

/// The native server.
const HYPER: &str = "hyper";

/// Connections that the native server holds.
const NATIVE_CONNECTIONS_MAX: usize = 1024;

/// A server on this machine, however it is run.
struct Server {
    address: SocketAddr,
    network: Option<PathBuf>,
    pids: BTreeSet<i32>,
    process: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let stage = Stage::new(bench).await?;
    stage.compiled(Work::Serve).await?;
    let mut servers = Vec::new();
    for runtime in Runtime::ALL {
        servers.push((runtime.name(), in_pod(&stage, runtime, Work::Serve).await));
    }
    servers.push((POOLED, in_pod(&stage, Runtime::Morph, Work::ServePooled).await));
    servers.push((SERVE, wasmtime_serve(bench, &stage).await));
    servers.push((HYPER, native().await));
    let outcomes = rounds::run(servers.len(), bench.repetitions, async |turn| match &servers[turn.side].1 {
        Ok(server) => ask(server).await,
        Err(error) => anyhow::bail!("{error:#}"),
    })
    .await?;
    let names: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
    drop(servers);
    stage.node.end().await?;
    let sides: Vec<_> = names.into_iter().zip(outcomes).collect();
    let targets = vec![Target::times_more("peer", 2.0), Target::times_more(SERVE, 1.1)];
    let asked = [
        Asked::new("requests answered, an instance for each", PerSecond, targets),
        Asked::new("the server's processor time for a request", CpuMicros, Vec::new()),
    ];
    let work = format!("HTTP, {CONNECTIONS} connections, {LOAD_SECONDS} s a turn");
    Ok(Report::new("P4", work.clone(), &asked, &sides).and(pooled(work, sides)))
}

/// Morph with kept instances beside the native server.
fn pooled(work: String, sides: Vec<(&str, Outcome)>) -> Report {
    let renamed = sides.into_iter().filter_map(|(name, outcome)| match name {
        POOLED => Some((MORPH, outcome)),
        HYPER => Some((HYPER, outcome)),
        _ => None,
    });
    let sides: Vec<_> = renamed.collect();
    let asked = [
        Asked::new("requests answered, instances kept", PerSecond, Vec::new()),
        Asked::new(
            "the server's processor time for a request, instances kept",
            CpuMicros,
            vec![Target::share_of(HYPER, POOLED_SHARE)],
        ),
    ];
    Report::new("P4", work, &asked, &sides)
}

async fn ask(server: &Server) -> Result<Vec<f64>> {
    let (from, before) = (server.network.clone(), cpu_micros(&server.pids)?);
    let load = Load { server: server.address, from, connections: CONNECTIONS, seconds: LOAD_SECONDS };
    let found = load.run().await?;
    let cpu = cpu_micros(&server.pids)? - before;
    Ok(vec![found.answers as f64 / found.seconds, cpu / found.answers as f64])
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn in_pod(stage: &Stage, runtime: Runtime, work: Work) -> Result<Server> {
    let up: Up = stage.node.up(&stage.pod(runtime, Network::Bridge, work)).await?;
    listening(&stage.node, &up).await?;
    let pid = stage.node.pid(&up.container).await?;
    let network = Some(PathBuf::from(format!("/proc/{pid}/ns/net")));
    Ok(Server { address: loopback(PORT), network, pids: BTreeSet::from([pid]), process: None })
}

/// A server that is a process of the node's own.
async fn process(mut command: Command, address: SocketAddr) -> Result<Server> {
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pids = BTreeSet::from([i32::try_from(process.id())?]);
    let server = Server { address, network: None, pids, process: Some(process) };
    first_answer(address, Instant::now(), super::ANSWER_SECONDS_MAX).await?;
    Ok(server)
}

/// A port that nobody has now.
fn free_port() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(loopback(0))?.local_addr()?)
}

async fn wasmtime_serve(bench: &Bench, stage: &Stage) -> Result<Server> {
    let component = stage.node.path("greeting.wasm");
    std::fs::write(&component, bench.programs.guest("greeting")?)?;
    let address = free_port()?;
    let mut command = Command::new(bench.programs.wasmtime()?);
    // The Rust standard library of the guest imports a little of wasi:cli.
    command.args(["serve", "-Scli", "--addr", &address.to_string()]).arg(component);
    process(command, address).await.context(SERVE)
}

async fn native() -> Result<Server> {
    let address = free_port()?;
    // Not by its path: whoever builds while this runs has put another program there.
    let mut command = Command::new("/proc/self/exe");
    command.args(["serve-natively", &address.to_string()]);
    process(command, address).await.context(HYPER)
}

/// Answers every request with a line, until the process is ended.
///
/// # Errors
/// An address that can't be listened at.
pub async fn serve_natively(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| address.to_string())?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if connections.len() >= NATIVE_CONNECTIONS_MAX {
            connections.join_next().await;
        }
        connections.spawn(async move {
            let answer =
                async |_| Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from("Hello!\n"))));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            // A client that goes away is none of the server's business.
            drop(served.await);
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_native_server_answers() {
        let address = free_port().unwrap();
        let served = tokio::spawn(serve_natively(address));
        first_answer(address, Instant::now(), 10).await.unwrap();
        served.abort();
    }
}
