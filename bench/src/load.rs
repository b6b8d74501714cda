//! HTTP requests over connections that stay open: as many as the server answers, for a time. Small, since
//! it shares the processors with what it measures.

mod answer;

use answer::{Answer, read};
use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The request. Every side is asked the same.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n\r\n";

/// Most bytes of an answer's head and body together: servers here answer a line.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Pause between two attempts to reach a server that isn't there yet, in microseconds.
const ATTEMPT_MICROS: u64 = 500;

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server.
    pub server: SocketAddr,
    /// The network namespace that it is asked from; this process's own if `None`.
    pub from: Option<PathBuf>,
    /// Connections.
    pub connections: usize,
    /// How long, in seconds.
    pub seconds: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answered {
    /// Answers with status 200.
    pub answers: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Load {
    /// Runs it on a thread of its own, which alone enters the server's network.
    ///
    /// # Errors
    /// A server that doesn't answer, or with another status than 200.
    pub async fn run(self) -> Result<Answered> {
        let thread = std::thread::spawn(move || self.run_here());
        let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
        joined.map_err(|_| anyhow::anyhow!("the load's thread panicked"))?
    }

    fn run_here(self) -> Result<Answered> {
        if let Some(from) = &self.from {
            let namespace = File::open(from).with_context(|| from.display().to_string())?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.ask())
    }

    async fn ask(&self) -> Result<Answered> {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(self.seconds);
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            connections.spawn(ask_until(self.server, end));
        }
        let mut answers = 0;
        while let Some(asked) = connections.join_next().await {
            answers += asked??;
        }
        Ok(Answered { answers, seconds: begun.elapsed().as_secs_f64() })
    }
}

/// One connection's requests, one after the other.
async fn ask_until(server: SocketAddr, end: Instant) -> Result<u64> {
    let mut stream = connect(server).await?;
    let mut buffer = Vec::with_capacity(4096);
    let mut answers = 0;
    while Instant::now() < end {
        let status = ask_once(&mut stream, &mut buffer).await?;
        ensure!(status == 200, "{server} answered {status}");
        answers += 1;
    }
    Ok(answers)
}

async fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(server).await.with_context(|| format!("connecting to {server}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn ask_once(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16> {
    stream.write_all(REQUEST).await?;
    buffer.clear();
    loop {
        ensure!(stream.read_buf(buffer).await? > 0, "the connection ended within an answer");
        match read(buffer) {
            Answer::Whole { status } => return Ok(status),
            Answer::Partial if buffer.len() < ANSWER_BYTES_MAX => {}
            Answer::Partial => bail!("an answer of more than {ANSWER_BYTES_MAX} bytes"),
            Answer::Nonsense(why) => bail!("no answer of HTTP/1.1: {why}"),
        }
    }
}

/// Waits for a server's first answer with status 200; answers how long it took from `begun`.
///
/// # Errors
/// None within `seconds`; the last attempt's reason.
pub async fn first_answer(server: SocketAddr, begun: Instant, seconds: u64) -> Result<Duration> {
    let end = begun + Duration::from_secs(seconds);
    loop {
        let attempt = async {
            let mut stream = connect(server).await?;
            ask_once(&mut stream, &mut Vec::new()).await
        };
        let reason = match tokio::time::timeout(Duration::from_secs(seconds), attempt).await {
            Ok(Ok(200)) => return Ok(begun.elapsed()),
            Ok(Ok(status)) => anyhow::anyhow!("{server} answered {status}"),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("{server} takes connections and doesn't answer"),
        };
        if Instant::now() >= end {
            return Err(reason.context(format!("no answer of {server} after {seconds} s")));
        }
        tokio::time::sleep(Duration::from_micros(ATTEMPT_MICROS)).await;
    }
}

#[cfg(test)]
mod tests;
