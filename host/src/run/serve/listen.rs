//! The listening socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

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
