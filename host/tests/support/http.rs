//! A server under test and the requests to it.

use super::{PATIENCE, Running, start};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use morph_host::{Http, Program, Requests, Run, Task};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A server's task on a port of the system's choice.
pub fn server(lame_duck_seconds: u32, grace_period_seconds: u32) -> Task {
    serving(lame_duck_seconds, grace_period_seconds, Requests::default())
}

/// The same with bounds for its requests.
pub fn bounded(requests: Requests) -> Task {
    serving(0, 10, requests)
}

fn serving(lame_duck_seconds: u32, grace_period_seconds: u32, requests: Requests) -> Task {
    let address = Ipv4Addr::LOCALHOST.into();
    let http = Http { address, port: 0, lame_duck_seconds, grace_period_seconds, requests };
    Task::ungranted("server", Run::Server(http))
}

/// A server that listens.
pub fn serve(program: Program, task: Task) -> (Running, SocketAddr) {
    let running = start(program, task, "");
    let address = running.address.unwrap();
    (running, address)
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub text: String,
}

/// A runtime for clients.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

/// One GET on a connection of its own; an error where the connection was refused or broke.
pub async fn try_get(
    address: SocketAddr,
    path: &str,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut connections = JoinSet::new(); // closes the connection when this is cancelled
    connections.spawn(connection);
    Ok(answer_of(sender.send_request(request(path)).await?).await?)
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    try_get(address, path).await.unwrap()
}

/// Several GETs at once on one connection of HTTP/2.
pub async fn get_http2(address: SocketAddr, paths: &[&str]) -> Vec<Answer> {
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let sent = paths.iter().map(|path| {
        let mut sender = sender.clone();
        let uri = format!("http://{address}{path}");
        async move { answer_of(sender.send_request(request(&uri)).await.unwrap()).await.unwrap() }
    });
    futures::future::join_all(sent).await
}

/// Sends text as it is and answers all that comes back until the server closes.
pub fn raw(address: SocketAddr, parts: &[&str]) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    // A server that answers early may close before it has read everything.
    let sent =
        std::thread::spawn(move || parts.iter().try_for_each(|part| sender.write_all(part.as_bytes())));
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    assert!(read.is_ok() || !text.is_empty(), "{read:?} {:?}", sent.join().unwrap());
    String::from_utf8(text).unwrap()
}

/// Sends text as it is and answers the first piece that comes back.
pub fn raw_begin(address: SocketAddr, sent: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    let mut piece = [0; 4096];
    let length = stream.read(&mut piece).unwrap();
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

fn request(uri: &str) -> hyper::Request<Full<Bytes>> {
    let request = hyper::Request::builder().uri(uri);
    let request = if uri.starts_with('/') { request.header("host", "morph") } else { request };
    request.body(Full::default()).unwrap()
}

async fn answer_of(response: hyper::Response<hyper::body::Incoming>) -> Result<Answer, hyper::Error> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let text = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, retry_after, text: String::from_utf8(text.to_vec()).unwrap() })
}

/// Ends when nothing listens any more.
pub async fn refused(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
