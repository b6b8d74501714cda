//! A small authoritative DNS server on loopback, for tests: UDP and TCP on one port, zones as closures.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a server knows of a name: `None` doesn't exist.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zone {
    pub(crate) entries: Vec<(String, Entry)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Addresses(Vec<IpAddr>),
    /// The first answer, then all others.
    Rebinding(Vec<IpAddr>, Vec<IpAddr>),
    Alias(String),
    Fails,
    Silent,
}

impl Zone {
    pub(crate) fn with(mut self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.entries.push((name.to_owned(), Entry::Addresses(addresses)));
        self
    }

    pub(crate) fn with_entry(mut self, name: &str, entry: Entry) -> Self {
        self.entries.push((name.to_owned(), entry));
        self
    }
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// The names that were asked for, in order, without repetitions of both kinds.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    conf: tempfile::NamedTempFile,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(zone: Zone, search: &str) -> Self {
        let (udp, tcp) = ports().await;
        let port = udp.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, zone.clone(), asked.clone()));
        tasks.spawn(serve_tcp(tcp, zone, asked.clone()));
        let conf = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(conf.path(), format!("search {search}\nnameserver 127.0.0.1\noptions ndots:5\n"))
            .unwrap();
        Self { port, asked, conf, _tasks: tasks }
    }

    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(self.conf.path(), self.port)
    }

    /// What was asked for since the last call.
    pub(crate) fn take_asked(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.asked.lock().unwrap()).into_iter().collect()
    }
}

/// One free port for both.
async fn ports() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

type Asked = Arc<Mutex<Vec<String>>>;

async fn serve_udp(socket: UdpSocket, zone: Zone, asked: Asked) {
    let mut buffer = [0; 1_500];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let Some(answer) = answer(&buffer[..length], &zone, &asked) else { continue };
        // Somebody else's answers first: to another number, then to another question.
        let mut forged = message(&buffer[..length], 0, &[record(b"\xc0\x0c", "6.6.6.6".parse().unwrap())]);
        forged[1] ^= 1;
        socket.send_to(&forged, peer).await.unwrap();
        forged[1] ^= 1;
        forged[13] ^= 1;
        socket.send_to(&forged, peer).await.unwrap();
        if answer.len() > usize::from(UDP_BYTES_MAX) {
            socket.send_to(&message(&buffer[..length], 0x0200, &[]), peer).await.unwrap();
        } else {
            socket.send_to(&answer, peer).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Zone, asked: Asked) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut buffer).await.unwrap();
        let Some(answer) = answer(&buffer, &zone, &asked) else { continue };
        stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    }
}

/// An answer to the query, with its question and these records.
fn message(query: &[u8], flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let question_end = name_end(query) + 4;
    let count = u16::try_from(records.len()).unwrap();
    let mut bytes = query[..2].to_vec();
    bytes.extend([0x8580 | flags, 1, count, 0, 0].map(u16::to_be_bytes).concat());
    bytes.extend(&query[12..question_end]);
    bytes.extend(records.concat());
    bytes
}

fn name_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += usize::from(query[at]) + 1;
    }
    at + 1
}

fn wire(name: &str) -> Vec<u8> {
    let labels =
        name.split('.').flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn record(owner: &[u8], address: IpAddr) -> Vec<u8> {
    let (kind, bytes) = match address {
        IpAddr::V4(address) => (1_u16, address.octets().to_vec()),
        IpAddr::V6(address) => (28, address.octets().to_vec()),
    };
    raw_record(owner, kind, &bytes)
}

fn raw_record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [owner, &[kind, 1, 0, 1, length].map(u16::to_be_bytes).concat(), data].concat()
}

fn answer(query: &[u8], zone: &Zone, asked: &Asked) -> Option<Vec<u8>> {
    let end = name_end(query);
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    let mut name = String::new();
    let mut at = 12;
    while query[at] != 0 {
        let length = usize::from(query[at]);
        name.push_str(std::str::from_utf8(&query[at + 1..at + 1 + length]).unwrap());
        name.push('.');
        at += length + 1;
    }
    let mut name = name.trim_end_matches('.').to_owned();
    let mark = format!("{name} {kind}");
    let first = !asked.lock().unwrap().contains(&mark);
    asked.lock().unwrap().extend([name.clone(), mark]);
    let mut records = Vec::new();
    loop {
        let found = zone.entries.iter().find(|(known, _)| *known == name);
        let Some((_, entry)) = found else {
            return Some(message(query, if records.is_empty() { 3 } else { 0 }, &records));
        };
        let addresses = match entry {
            Entry::Addresses(addresses) => addresses,
            Entry::Rebinding(once, _) if first => once,
            Entry::Rebinding(_, then) => then,
            Entry::Alias(to) if records.len() < 20 => {
                records.push(raw_record(&wire(&name), 5, &wire(to)));
                name.clone_from(to);
                continue;
            }
            Entry::Alias(_) => return Some(message(query, 0, &records)),
            Entry::Fails => return Some(message(query, 2, &[])),
            Entry::Silent => return None,
        };
        let of_kind =
            addresses.iter().filter(|address| if kind == 1 { address.is_ipv4() } else { address.is_ipv6() });
        records.extend(of_kind.map(|address| record(&wire(&name), *address)));
        return Some(message(query, 0, &records));
    }
}
