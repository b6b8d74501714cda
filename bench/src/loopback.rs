//! What two parts would need if they were two programs: a small native HTTP server, and a client that keeps
//! one connection to it, both in this process, over loopback.

use crate::samples::Samples;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The path that answers one more than the body says.
const COUNT: &str = "/count";
/// The path that answers the body.
const ECHO: &str = "/echo";

/// A client with its server.
#[derive(Debug)]
pub struct Loopback {
    sender: SendRequest<Full<Bytes>>,
    /// Server and connection: they end with this.
    _tasks: JoinSet<()>,
}

impl Loopback {
    /// Starts a server and connects to it.
    ///
    /// # Errors
    /// The system's.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(server), service_fn(answer));
            // What goes wrong is the client's error too.
            drop(served.await);
        });
        let (sender, connection) = handshake(TokioIo::new(client)).await?;
        tasks.spawn(async move { drop(connection.await) });
        Ok(Self { sender, _tasks: tasks })
    }

    /// Asks for one more than what was answered before, batches of so many times; answers the nanoseconds of
    /// a request, which are those of the median batch.
    ///
    /// # Errors
    /// A request that fails; a wrong sum.
    pub async fn count(&mut self, (batches, calls): (u32, u32)) -> Result<f64> {
        let mut took = Vec::new();
        for _ in 0..batches {
            let (begun, mut last) = (Instant::now(), 0);
            for _ in 0..calls {
                last = number(&self.call(COUNT, last.to_string().into()).await?)?;
            }
            ensure!(last == calls, "{calls} calls counted {last}");
            took.push(begun.elapsed());
        }
        nanos(&took, calls)
    }

    /// Sends a text of so many bytes there and back, batches of so many times; answers the nanoseconds of a
    /// request, which are those of the median batch.
    ///
    /// # Errors
    /// A request that fails; another text.
    pub async fn echo(&mut self, (batches, calls): (u32, u32), bytes: usize) -> Result<f64> {
        let (text, mut took) = (Bytes::from("m".repeat(bytes)), Vec::new());
        for _ in 0..batches {
            let begun = Instant::now();
            for _ in 0..calls {
                ensure!(self.call(ECHO, text.clone()).await?.len() == bytes, "another text came back");
            }
            took.push(begun.elapsed());
        }
        nanos(&took, calls)
    }

    async fn call(&mut self, path: &str, body: Bytes) -> Result<Bytes> {
        self.sender.ready().await?;
        let request = Request::post(path).header("host", "localhost").body(Full::new(body))?;
        let answer = self.sender.send_request(request).await?;
        ensure!(answer.status().is_success(), "{path} was answered with {}", answer.status());
        Ok(answer.into_body().collect().await?.to_bytes())
    }
}

/// Nanoseconds of a call in the median batch.
fn nanos(batches: &[Duration], calls: u32) -> Result<f64> {
    let batches = batches.iter().map(Duration::as_secs_f64).collect();
    Ok(Samples::new(batches).context("no batch was timed")?.median() * 1e9 / f64::from(calls))
}

fn number(text: &[u8]) -> Result<u32> {
    std::str::from_utf8(text)?.parse().context("a number was expected")
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let counts = request.uri().path() == COUNT;
    let body = request.into_body().collect().await?.to_bytes();
    let body = if counts { number(&body)?.wrapping_add(1).to_string().into() } else { body };
    Ok(Response::new(Full::new(body)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn one_connection_counts_and_echoes() {
        let mut loopback = Loopback::start().await.unwrap();
        assert!(loopback.count((2, 3)).await.unwrap() > 0.0);
        assert!(loopback.echo((2, 2), 4096).await.unwrap() > 0.0);
        assert_eq!(loopback.call(COUNT, "41".into()).await.unwrap(), "42");
        assert_eq!(loopback.call(ECHO, "the same".into()).await.unwrap(), "the same");
    }

    #[tokio::test]
    async fn a_body_that_is_no_number_is_no_answer() {
        let mut loopback = Loopback::start().await.unwrap();
        assert!(loopback.call(COUNT, "many".into()).await.is_err());
    }
}
