//! A command of WASI 0.3 that does single things with wasi:sockets, as its arguments tell: one line of output
//! for each, `ok …` or the error's name. `then` stands between them.

use std::net::SocketAddr;
use wasip3::cli::environment::get_arguments;
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket, UdpSocket,
};

type Done = Result<String, String>;

struct Sockets;

wasip3::cli::command::export!(Sockets);

impl wasip3::exports::cli::run::Guest for Sockets {
    async fn run() -> Result<(), ()> {
        let args = get_arguments();
        for one in args[1..].split(|arg| arg == "then") {
            match act(one).await {
                Ok(text) => print(format!("ok {text}\n")).await,
                Err(error) => print(format!("{error}\n")).await,
            }
        }
        Ok(())
    }
}

/// Writes to stdout and waits until the host has taken it.
async fn print(text: String) {
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let written = wasip3::cli::stdout::write_via_stream(receiver);
    let left = sender.write_all(text.into_bytes()).await;
    assert!(left.is_empty(), "stdout takes what is written");
    drop(sender);
    written.await.expect("stdout takes what is written");
}

async fn act(one: &[String]) -> Done {
    let word = |at: usize| one.get(at).map(String::as_str).unwrap_or_default();
    match word(0) {
        "lookup" => Ok(lookup(word(1)).await?.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        "tcp" => tcp(address(word(1))?, word(2), None).await,
        "tcp-from" => tcp(address(word(1))?, word(2), Some(address(word(3))?)).await,
        "tcp-name" => {
            let (host, port) = word(1).rsplit_once(':').ok_or("no port")?;
            let port = port.parse().map_err(|_| "no port")?;
            let addresses = lookup(host).await?;
            let first = addresses.first().ok_or("no address")?;
            tcp(SocketAddr::new(*first, port), word(2), None).await
        }
        "udp" => udp(address(word(1))?, word(2), true).await,
        "udp-to" => udp(address(word(1))?, word(2), false).await,
        "bind" => bound(address(word(1))?).map(|_| String::new()),
        "listen" => listen(Some(address(word(1))?)).await,
        "listen-anywhere" => listen(None).await,
        "udp-bind" => udp_bound(address(word(1))?).map(|_| String::new()),
        "udp-listen" => udp_listen(address(word(1))?).await,
        "hold" => hold(word(1).parse().map_err(|_| "no number")?),
        other => Err(format!("no such thing to do: {other}")),
    }
}

async fn lookup(host: &str) -> Result<Vec<std::net::IpAddr>, String> {
    let found = resolve_addresses(host.to_owned()).await.map_err(name)?;
    let address = |address| match address {
        IpAddress::Ipv4((a, b, c, d)) => std::net::Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    };
    Ok(found.into_iter().map(address).collect())
}

async fn tcp(peer: SocketAddr, text: &str, from: Option<SocketAddr>) -> Done {
    let socket = match from {
        Some(from) => bound(from)?,
        None => TcpSocket::create(family(peer)).map_err(name)?,
    };
    socket.connect(wasi(peer)).await.map_err(name)?;
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let sent = socket.send(receiver);
    sender.write_all(text.as_bytes().to_vec()).await;
    let text = first(&socket).await?;
    drop(sender);
    sent.await.map_err(name)?;
    Ok(text)
}

/// The first that comes.
async fn first(socket: &TcpSocket) -> Done {
    let (mut stream, _done) = socket.receive();
    let (_, bytes) = stream.read(Vec::with_capacity(1024)).await;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn bound(address: SocketAddr) -> Result<TcpSocket, String> {
    let socket = TcpSocket::create(family(address)).map_err(name)?;
    socket.bind(wasi(address)).map_err(name)?;
    Ok(socket)
}

/// Takes one client and says back what it says.
async fn listen(address: Option<SocketAddr>) -> Done {
    let socket = match address {
        Some(address) => bound(address)?,
        None => TcpSocket::create(IpAddressFamily::Ipv4).map_err(name)?,
    };
    let mut clients = socket.listen().map_err(name)?;
    print("listening\n".into()).await;
    let client = clients.next().await.ok_or("no client")?;
    let text = first(&client).await?;
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let sent = client.send(receiver);
    sender.write_all(text.clone().into_bytes()).await;
    drop(sender);
    sent.await.map_err(name)?;
    Ok(text)
}

async fn udp(peer: SocketAddr, text: &str, connected: bool) -> Done {
    let socket = UdpSocket::create(family(peer)).map_err(name)?;
    if connected {
        socket.connect(wasi(peer)).map_err(name)?;
    }
    let remote = (!connected).then(|| wasi(peer));
    socket.send(text.as_bytes().to_vec(), remote).await.map_err(name)?;
    let (bytes, _) = socket.receive().await.map_err(name)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn udp_bound(address: SocketAddr) -> Result<UdpSocket, String> {
    let socket = UdpSocket::create(family(address)).map_err(name)?;
    socket.bind(wasi(address)).map_err(name)?;
    Ok(socket)
}

/// Takes one datagram and says its text.
async fn udp_listen(address: SocketAddr) -> Done {
    let socket = udp_bound(address)?;
    print("listening\n".into()).await;
    let (bytes, _) = socket.receive().await.map_err(name)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes sockets until there are so many or one is refused.
fn hold(count: usize) -> Done {
    let mut held = Vec::new();
    while held.len() < count {
        match TcpSocket::create(IpAddressFamily::Ipv4) {
            Ok(socket) => held.push(socket),
            Err(error) => return Err(format!("{} after {}", name(error), held.len())),
        }
    }
    Ok(held.len().to_string())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("no address: {text}"))
}

fn family(address: SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn wasi(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) })
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            })
        }
    }
}

/// The error as WIT spells it.
fn name(error: impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let word = debug.rsplit("::").next().unwrap_or_default().split('(').next().unwrap_or_default();
    let mut name = String::new();
    for character in word.chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(character.to_lowercase());
    }
    name
}
