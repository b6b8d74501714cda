//! A network of the test's own: a thread in a network namespace with addresses of its choice on loopback,
//! servers that echo, and DNS at 127.0.0.1:53, which its own `/etc/resolv.conf` names. What the test starts
//! in it stays in it. Needs root and `ip`.
#![allow(unsafe_code, reason = "a namespace is made by an unsafe call")]

use rustix::mount::MountPropagationFlags;
use rustix::thread::UnshareFlags;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Runs in a new network that has these addresses.
pub fn in_network(addresses: &[&str], body: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // SAFETY: file descriptors stay shared, and the thread that has other namespaces ends here.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }.unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            rustix::mount::mount_change("/", private).unwrap();
            let conf = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(
                conf.path(),
                "search demo.svc.cluster.example svc.cluster.example\nnameserver 127.0.0.1\n",
            )
            .unwrap();
            rustix::mount::mount_bind(conf.path(), "/etc/resolv.conf").unwrap();
            ip(&["link", "set", "lo", "up"]);
            for address in addresses {
                ip(&["address", "add", address, "dev", "lo"]);
            }
            body();
        });
        if let Err(panic) = inside.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn ip(args: &[&str]) {
    assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
}

/// Says back what the first line of each client says, with a word before it.
pub fn echo_tcp(address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut bytes = [0; 1024];
            let read = client.read(&mut bytes).unwrap();
            client.write_all(&[b"echo ", &bytes[..read]].concat()).unwrap();
        }
    });
}

/// The same for datagrams.
pub fn echo_udp(address: &str) {
    let socket = UdpSocket::bind(address).unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        loop {
            let (read, peer) = socket.recv_from(&mut bytes).unwrap();
            socket.send_to(&[b"echo ", &bytes[..read]].concat(), peer).unwrap();
        }
    });
}

/// A DNS server and what it was asked.
#[derive(Clone, Default)]
pub struct Dns {
    names: Arc<Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Dns {
    /// Serves at 127.0.0.1:53.
    pub fn start() -> Self {
        let dns = Self::default();
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let serving = dns.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            loop {
                let (read, peer): (usize, SocketAddr) = socket.recv_from(&mut bytes).unwrap();
                socket.send_to(&serving.answer(&bytes[..read]), peer).unwrap();
            }
        });
        dns
    }

    /// A name with its addresses; with several lists, each look-up takes the next, and the last stays.
    pub fn name(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        self.names.lock().unwrap().insert(name.into(), answers.collect());
    }

    /// The names asked for since the last call, each once.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked.dedup();
        asked
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let mut at = 12;
        let mut labels = Vec::new();
        while query[at] != 0 {
            let length = usize::from(query[at]);
            labels.push(String::from_utf8(query[at + 1..at + 1 + length].to_vec()).unwrap());
            at += length + 1;
        }
        let (kind, end) = (query[at + 2], at + 5);
        let name = labels.join(".");
        let mut names = self.names.lock().unwrap();
        let found = names.get_mut(&name).map(|answers| {
            // A look-up is a question for each kind; the one for IPv4 (1) moves on.
            if answers.len() > 1 && kind == 1 { answers.remove(0) } else { answers[0].clone() }
        });
        self.asked.lock().unwrap().push(name);
        let code = if found.is_some() { 0 } else { 3 };
        let of_kind: Vec<IpAddr> =
            found.into_iter().flatten().filter(|address| address.is_ipv4() == (kind == 1)).collect();
        let mut answer =
            [&query[..2], &[0x85, 0x80 | code, 0, 1, 0], &[of_kind.len() as u8], &[0; 4]].concat();
        answer.extend(&query[12..end]);
        for address in of_kind {
            let bytes = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 1, 0, bytes.len() as u8]);
            answer.extend(bytes);
        }
        answer
    }
}
