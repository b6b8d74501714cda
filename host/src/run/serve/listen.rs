//! The listening socket.

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the kernel keeps until they are accepted (it takes no more than `net.core.somaxconn`).
const BACKLOG: u32 = 1024;

/// Listens; `::` means every address, IPv4's too, and becomes `0.0.0.0` where there is no IPv6.
pub(super) fn bind(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    match bind_one(SocketAddr::new(address, port)) {
        Err(error) if address.is_ipv6() && address.is_unspecified() && no_ipv6(&error) => {
            bind_one(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        other => other,
    }
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// A connection and whose it is.
pub(super) type Accepted = (TcpStream, SocketAddr);

/// Closes a listener; answers the connections that have come to it and were not accepted yet: the kernel
/// resets those that it is closed over, and their clients have begun to ask.
///
/// What comes between the last look and the close, and a handshake that is half way, is lost all the same:
/// a few microseconds, and a round trip. Whoever sends until then has not heard of the end in all the
/// lame-duck time.
pub(super) fn close(listener: TcpListener) -> Vec<Accepted> {
    let mut rest = Vec::new();
    // No more than the kernel has kept: clients that come without pause are not waited for.
    while rest.len() <= BACKLOG as usize {
        // Not tokio's: it knows of a connection only once it has waited for it.
        match accept_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(stream) => rest.push(std::net::TcpStream::from(stream)),
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => {
                tracing::warn!(%error, "connections that nobody has accepted are broken off");
                break;
            }
        }
    }
    drop(listener);
    rest.into_iter().filter_map(|stream| registered(stream).inspect_err(broken_off).ok()).collect()
}

fn registered(stream: std::net::TcpStream) -> io::Result<Accepted> {
    let peer = stream.peer_addr()?;
    Ok((TcpStream::from_std(stream)?, peer))
}

fn broken_off(error: &io::Error) {
    tracing::warn!(%error, "a connection that came at the end is broken off");
}
