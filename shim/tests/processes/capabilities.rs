//! What is granted works inside the walls: the host's own tests run without them. Each kind of system call
//! that a capability needs is made here by a real guest in a sealed worker.

use super::support::{Ended, code, command, guest, run, spec, zygote};
use morph_grant::{
    Access, ConnectRule, FilesystemGrant, HttpGrant, HttpLimits, HttpRule, HttpScheme, ListenRule, Peer,
    Protocol, SocketsGrant,
};
use morph_host::{EngineKind, Preopen, Task};
use morph_shim::process::{Granted, open_beneath};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Guests of 0.2 and 0.3 with their engines.
fn guests(name: &str) -> [(String, EngineKind); 2] {
    [(format!("{name}.wasm"), EngineKind::P2), (format!("{name}-p3.wasm"), EngineKind::P3)]
}

async fn ended(name: &str, kind: EngineKind, task: Task, mounts: Vec<Granted>) -> Ended {
    let zygote = zygote().await;
    let (mut spec, output) = spec(code(guest(name), kind).await, kind, task);
    spec.mounts = mounts;
    run(&zygote, (spec, output)).await
}

fn words(operations: &[&str]) -> Vec<String> {
    operations.join(" then ").split(' ').map(str::to_owned).collect()
}

fn task(operations: &[&str]) -> Task {
    let mut task = command(&[]);
    task.args = words(operations);
    task
}

#[tokio::test]
async fn every_operation_on_files_works() {
    let operations = [
        ("mkdir /data|deep", "ok"),
        ("write /data|deep/one text", "ok"),
        ("read /data|deep/one", "ok text"),
        ("open /data|deep/one follow,truncate,write", "ok"),
        ("write /data|deep/one other", "ok"),
        ("link /data|deep/one /data|two", "ok"),
        ("symlink deep/one /data|three", "ok"),
        ("readlink /data|three", "ok deep/one"),
        ("read /data|three", "ok other"),
        ("times /data|two", "ok"),
        ("own-times /data|two", "ok"),
        ("size /data|two", "invalid"),
        ("read /data|two", "ok other"),
        ("stat /data|two", "ok"),
        ("link-stat /data|three", "ok"),
        ("hash /data|two", "ok"),
        ("rename /data|two /data|deep/two", "ok"),
        ("list /data|deep", "ok"),
        ("unlink /data|deep/one", "ok"),
        ("unlink /data|deep/two", "ok"),
        ("rmdir /data|deep", "ok"),
    ];
    for (name, kind) in guests("paths") {
        let volume = tempfile::tempdir().expect("directory");
        fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o777)).expect("mode");
        let mut task = task(&operations.map(|(operation, _)| operation));
        let access = Access::ReadWrite;
        task.preopens = vec![Preopen { path: "/data".into(), directory: "/data".into(), access }];
        let grant = FilesystemGrant { volume: "data".into(), path: "/data".into(), sub_path: None, access };
        task.grants.filesystem = vec![grant];
        let source = open_beneath(volume.path(), Path::new(".")).expect("source");
        let mounts = vec![Granted { source, target: "/data".into(), read_only: false }];
        let ended = ended(&name, kind, task, mounts).await;
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), operations.len(), "{name}: {ended:?}");
        for ((operation, wanted), line) in operations.iter().zip(lines) {
            assert!(line.starts_with(wanted), "{name}: {operation}: {line}");
        }
    }
}

/// Says back what it hears over TCP and UDP at one port, for as long as the test's process lives.
fn echo() -> SocketAddr {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listener");
    let address = tcp.local_addr().expect("address");
    let udp = UdpSocket::bind(address).expect("socket");
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((count, peer)) = udp.recv_from(&mut buffer) {
            udp.send_to(&buffer[..count], peer).expect("answer");
        }
    });
    std::thread::spawn(move || {
        for mut client in tcp.incoming().flatten() {
            let mut buffer = [0; 1024];
            let count = client.read(&mut buffer).expect("words");
            client.write_all(&buffer[..count]).expect("answer");
        }
    });
    address
}

/// A port that is free for both protocols, below those that the system gives to connections.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("small");
    let is_free = |port: &u16| {
        let place = (Ipv4Addr::LOCALHOST, *port);
        UdpSocket::bind(place).is_ok() && TcpListener::bind(place).is_ok()
    };
    (first..32_000).find(is_free).expect("a free port")
}

#[tokio::test]
async fn sockets_connect_send_and_bind_as_granted() {
    let server = echo();
    let port = server.port();
    let free = free_port();
    let rule = |protocol| ConnectRule {
        peer: Peer::Cidr("127.0.0.1/32".into()),
        ports: vec![port],
        protocol,
        addresses: vec!["127.0.0.1/32".into()],
    };
    let sockets = SocketsGrant {
        connect: vec![rule(Protocol::Tcp), rule(Protocol::Udp)],
        listen: [Protocol::Tcp, Protocol::Udp].map(|protocol| ListenRule { port: free, protocol }).to_vec(),
        lookup: Vec::new(),
    };
    let operations = [
        format!("tcp {server} one"),
        format!("udp {server} two"),
        format!("tcp {server} three"),
        format!("bind 127.0.0.1:{free}"),
        format!("udp-bind 127.0.0.1:{free}"),
    ];
    for (name, kind) in guests("sockets") {
        let mut task = task(&operations.each_ref().map(String::as_str));
        task.grants.sockets = Some(sockets.clone());
        let ended = ended(&name, kind, task, Vec::new()).await;
        let lines: Vec<&str> = ended.stdout.lines().map(str::trim_end).collect();
        assert_eq!(lines, ["ok one", "ok two", "ok three", "ok", "ok"], "{name}: {ended:?}");
    }
}

#[tokio::test]
async fn a_granted_request_is_sent_and_answered() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listener");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let count = client.read(&mut buffer).expect("request");
            assert!(buffer[..count].starts_with(b"GET /v1/a HTTP/1.1\r\n"));
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").expect("answer");
        }
    });
    let rule = HttpRule {
        host: "127.0.0.1".into(),
        ports: vec![port],
        methods: vec!["GET".into()],
        path_prefixes: vec!["/v1/".into()],
        scheme: HttpScheme::Http,
        addresses: Vec::new(),
        credential: None,
    };
    let limits =
        HttpLimits { concurrency: 1, timeout_millis: 5_000, request_bytes: 1 << 20, response_bytes: 1 << 20 };
    for (name, kind) in guests("fetch") {
        let mut task = command(&["GET", &format!("http://127.0.0.1:{port}/v1/a")]);
        task.grants.http =
            Some(HttpGrant { allow: vec![rule.clone()], ca_bundle: None, limits: limits.clone() });
        let ended = ended(&name, kind, task, Vec::new()).await;
        assert_eq!(ended.code, 0, "{name}: {ended:?}");
        assert!(ended.stdout.starts_with("status 200\n"), "{name}: {ended:?}");
    }
}
