//! A command of WASI 0.2 that does single things with wasi:sockets, as its arguments tell: one line of output
//! for each, `ok …` or the error's name. `then` stands between them. `std-…` goes by the standard library.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket as StdUdp};
use wasip2::cli::environment::get_arguments;
use wasip2::io::streams::{InputStream, OutputStream};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

type Done = Result<String, String>;

fn main() {
    let args = get_arguments();
    for one in args[1..].split(|arg| arg == "then") {
        match act(one) {
            Ok(text) => println!("ok {text}"),
            Err(error) => println!("{error}"),
        }
    }
}

fn act(one: &[String]) -> Done {
    let word = |at: usize| one.get(at).map(String::as_str).unwrap_or_default();
    match word(0) {
        "lookup" => Ok(lookup(word(1))?.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        "tcp" => tcp(address(word(1))?, word(2), None),
        "tcp-from" => tcp(address(word(1))?, word(2), Some(address(word(3))?)),
        "tcp-name" => {
            let (host, port) = word(1).rsplit_once(':').ok_or("no port")?;
            let port = port.parse().map_err(|_| "no port")?;
            let addresses = lookup(host)?;
            let first = addresses.first().ok_or("no address")?;
            tcp(SocketAddr::new(*first, port), word(2), None)
        }
        "udp" => udp(address(word(1))?, word(2), true),
        "udp-to" => udp(address(word(1))?, word(2), false),
        "bind" => bound(address(word(1))?).map(|_| String::new()),
        "listen" => listen(Some(address(word(1))?)),
        "listen-anywhere" => listen(None),
        "udp-bind" => udp_bound(address(word(1))?).map(|_| String::new()),
        "udp-listen" => udp_listen(address(word(1))?),
        "hold" => hold(word(1).parse().map_err(|_| "no number")?),
        "std-tcp" => std_tcp(word(1), word(2)).map_err(io),
        "std-udp" => std_udp(word(1), word(2)).map_err(io),
        "std-listen" => std_listen(word(1)).map_err(io),
        other => Err(format!("no such thing to do: {other}")),
    }
}

fn lookup(host: &str) -> Result<Vec<std::net::IpAddr>, String> {
    let stream = resolve_addresses(&instance_network(), host).map_err(name)?;
    let mut found = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Ok(Some(address)) => found.push(match address {
                IpAddress::Ipv4((a, b, c, d)) => std::net::Ipv4Addr::new(a, b, c, d).into(),
                IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                    std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h).into()
                }
            }),
            Ok(None) => return Ok(found),
            Err(ErrorCode::WouldBlock) => stream.subscribe().block(),
            Err(error) => return Err(name(error)),
        }
    }
}

fn tcp(peer: SocketAddr, text: &str, from: Option<SocketAddr>) -> Done {
    let socket = match from {
        Some(from) => bound(from)?,
        None => create_tcp_socket(family(peer)).map_err(name)?,
    };
    socket.start_connect(&instance_network(), wasi(peer)).map_err(name)?;
    let (input, output) = until(|| socket.finish_connect(), || socket.subscribe().block())?;
    talk(&input, &output, text)
}

/// Sends and takes the first that comes back.
fn talk(input: &InputStream, output: &OutputStream, text: &str) -> Done {
    output.blocking_write_and_flush(text.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let bytes = input.blocking_read(1024).map_err(|error| format!("{error:?}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn bound(address: SocketAddr) -> Result<TcpSocket, String> {
    let socket = create_tcp_socket(family(address)).map_err(name)?;
    socket.start_bind(&instance_network(), wasi(address)).map_err(name)?;
    until(|| socket.finish_bind(), || socket.subscribe().block())?;
    Ok(socket)
}

/// Takes one client and says back what it says.
fn listen(address: Option<SocketAddr>) -> Done {
    let socket = match address {
        Some(address) => bound(address)?,
        None => create_tcp_socket(IpAddressFamily::Ipv4).map_err(name)?,
    };
    socket.start_listen().map_err(name)?;
    until(|| socket.finish_listen(), || socket.subscribe().block())?;
    println!("listening");
    let (_client, input, output) = until(|| socket.accept(), || socket.subscribe().block())?;
    let bytes = input.blocking_read(1024).map_err(|error| format!("{error:?}"))?;
    output.blocking_write_and_flush(&bytes).map_err(|error| format!("{error:?}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn udp(peer: SocketAddr, text: &str, connected: bool) -> Done {
    let any = SocketAddr::new(if peer.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() }, 0);
    let socket = udp_bound(any)?;
    let (incoming, outgoing) = socket.stream(connected.then(|| wasi(peer))).map_err(name)?;
    until(
        || outgoing.check_send().and_then(|n| if n == 0 { Err(ErrorCode::WouldBlock) } else { Ok(n) }),
        || {
            outgoing.subscribe().block();
        },
    )?;
    let remote_address = (!connected).then(|| wasi(peer));
    outgoing.send(&[OutgoingDatagram { data: text.into(), remote_address }]).map_err(name)?;
    loop {
        incoming.subscribe().block();
        if let Some(datagram) = incoming.receive(1).map_err(name)?.into_iter().next() {
            return Ok(String::from_utf8_lossy(&datagram.data).into_owned());
        }
    }
}

fn udp_bound(address: SocketAddr) -> Result<UdpSocket, String> {
    let socket = create_udp_socket(family(address)).map_err(name)?;
    socket.start_bind(&instance_network(), wasi(address)).map_err(name)?;
    until(|| socket.finish_bind(), || socket.subscribe().block())?;
    Ok(socket)
}

/// Takes one datagram and says its text.
fn udp_listen(address: SocketAddr) -> Done {
    let socket = udp_bound(address)?;
    let (incoming, _outgoing) = socket.stream(None).map_err(name)?;
    println!("listening");
    loop {
        incoming.subscribe().block();
        if let Some(datagram) = incoming.receive(1).map_err(name)?.into_iter().next() {
            return Ok(String::from_utf8_lossy(&datagram.data).into_owned());
        }
    }
}

/// Makes sockets until there are so many or one is refused.
fn hold(count: usize) -> Done {
    let mut held = Vec::new();
    while held.len() < count {
        match create_tcp_socket(IpAddressFamily::Ipv4) {
            Ok(socket) => held.push(socket),
            Err(error) => return Err(format!("{} after {}", error.name(), held.len())),
        }
    }
    Ok(held.len().to_string())
}

fn std_tcp(peer: &str, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(peer)?;
    stream.write_all(text.as_bytes())?;
    let mut bytes = [0; 1024];
    let read = stream.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..read]).into_owned())
}

fn std_udp(peer: &str, text: &str) -> std::io::Result<String> {
    let socket = StdUdp::bind("0.0.0.0:0")?;
    socket.send_to(text.as_bytes(), peer)?;
    let mut bytes = [0; 1024];
    let (read, _) = socket.recv_from(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..read]).into_owned())
}

fn std_listen(address: &str) -> std::io::Result<String> {
    let listener = TcpListener::bind(address)?;
    println!("listening");
    let (mut client, _) = listener.accept()?;
    let mut bytes = [0; 1024];
    let read = client.read(&mut bytes)?;
    client.write_all(&bytes[..read])?;
    Ok(String::from_utf8_lossy(&bytes[..read]).into_owned())
}

fn until<T>(mut ask: impl FnMut() -> Result<T, ErrorCode>, wait: impl Fn()) -> Result<T, String> {
    loop {
        match ask() {
            Err(ErrorCode::WouldBlock) => wait(),
            other => return other.map_err(name),
        }
    }
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

fn name(error: ErrorCode) -> String {
    error.name().to_owned()
}

fn io(error: std::io::Error) -> String {
    format!("{:?}", error.kind())
}
