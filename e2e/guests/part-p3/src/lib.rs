//! What each part of a composition on the engine of WASI 0.3 can do that needs a grant: requests over HTTP
//! and connections of 0.3, and what has no interface of 0.3: configuration, buckets, log lines.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip3::cli::environment::get_environment;
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::client;
use wasip3::http::types::{Fields, Request, Response, Scheme};
use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};
use wasip3::{wit_future, wit_stream};

/// How often who waits for others looks again, in nanoseconds.
const LOOK_NANOS: u64 = 1_000_000;

/// Callers that this instance has met.
static MET: AtomicU32 = AtomicU32::new(0);

/// Does what the words say.
pub async fn act(words: &[String]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["connect", address] => connect(address).await,
        ["fetch", url] => send(request(url)?).await.map(|answer| answer.get_status_code().to_string()),
        ["meet", count] => meet(count).await,
        ["wait"] => {
            wait_for(LOOK_NANOS).await;
            Ok("waited".to_owned())
        }
        ["wait", "trap"] => {
            wait_for(LOOK_NANOS).await;
            std::process::abort()
        }
        _ => act_at_once(&words),
    }
}

/// Does those of the words that nobody has to wait for.
pub fn act_at_once<S: AsRef<str>>(words: &[S]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words[..] {
        ["env"] => {
            let mut all: Vec<_> =
                get_environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
            all.sort();
            Ok(all.join(","))
        }
        ["trap"] => std::process::abort(),
        _ => guest_part_stores::act(&words).unwrap_or_else(|| Err(format!("nobody does {words:?}"))),
    }
}

/// Waits until so many are here at once.
async fn meet(count: &str) -> Result<String, String> {
    let count = count.parse().map_err(|_| "no number")?;
    MET.fetch_add(1, Ordering::Relaxed);
    while MET.load(Ordering::Relaxed) < count {
        wait_for(LOOK_NANOS).await;
    }
    Ok("met".to_owned())
}

/// Says `hi` and gives back what comes.
async fn connect(address: &str) -> Result<String, String> {
    let address: SocketAddrV4 = address.parse().map_err(|_| "no address")?;
    let [a, b, c, d] = address.ip().octets();
    let peer = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) });
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(|error| format!("{error:?}"))?;
    socket.connect(peer).await.map_err(|error| format!("{error:?}"))?;
    let (mut sender, receiver) = wit_stream::new();
    let sent = socket.send(receiver);
    sender.write_all(b"hi".to_vec()).await;
    drop(sender);
    sent.await.map_err(|error| format!("{error:?}"))?;
    let (stream, _ended) = socket.receive();
    Ok(String::from_utf8_lossy(&stream.collect().await).into_owned())
}

/// A request that isn't sent yet.
pub fn request(url: &str) -> Result<Request, String> {
    let (scheme, rest) = url.split_once("://").ok_or("a URL with a scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, no_trailers, None);
    drop(trailers);
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "the request takes no scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "the request takes no authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "the request takes no path")?;
    Ok(request)
}

/// Sends it.
pub async fn send(request: Request) -> Result<Response, String> {
    client::send(request).await.map_err(|error| format!("{error:?}"))
}

/// Writes a line to standard output and waits until the host has taken it.
pub async fn print(text: String) {
    let (mut sender, receiver) = wit_stream::new();
    let written = wasip3::cli::stdout::write_via_stream(receiver);
    let left = sender.write_all(format!("{text}\n").into_bytes()).await;
    assert!(left.is_empty(), "stdout takes what is written");
    drop(sender);
    written.await.expect("stdout takes what is written");
}
