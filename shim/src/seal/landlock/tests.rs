//! What a worker's rules are, and that a kernel which has Landlock holds to them.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::wire::{EngineKind, Entry};
use morph_grant::{ConnectRule, HttpGrant, HttpLimits, HttpRule, HttpScheme, ListenRule, Peer, SocketsGrant};
use morph_host::Task;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

fn setup(task: Task) -> WorkerSetup {
    let mount = |path: &str, directory, read_only| MountTarget { path: path.into(), directory, read_only };
    WorkerSetup {
        id: "c0ffee".into(),
        entry: Entry::default(),
        mount_targets: vec![
            mount("/data", true, false),
            mount("/fixed", true, true),
            mount("/etc/hosts", false, true),
        ],
        uid: 1,
        gid: 1,
        groups: Vec::new(),
        rlimits: Vec::new(),
        engine: EngineKind::P2,
        task,
    }
}

fn command(grants: Grants) -> WorkerSetup {
    let mut task = Task::ungranted("command", Run::Command);
    task.grants = grants;
    setup(task)
}

fn http(ports: &[u16]) -> HttpGrant {
    let rule = HttpRule {
        host: "api.example".into(),
        ports: ports.to_vec(),
        methods: vec!["GET".into()],
        path_prefixes: vec!["/".into()],
        scheme: HttpScheme::Https,
        addresses: Vec::new(),
        credential: None,
    };
    let limits = HttpLimits { concurrency: 1, timeout_millis: 1, request_bytes: 1, response_bytes: 1 };
    HttpGrant { allow: vec![rule], ca_bundle: None, limits }
}

fn sockets(protocol: Protocol) -> SocketsGrant {
    let peer = Peer::Host("db.example".into());
    SocketsGrant {
        connect: vec![ConnectRule { peer, ports: vec![5432], protocol, addresses: Vec::new() }],
        listen: vec![ListenRule { port: 7000, protocol }],
        lookup: Vec::new(),
    }
}

fn ports(rules: &Rules) -> (Vec<u16>, Vec<u16>) {
    (rules.listen.iter().copied().collect(), rules.connect.iter().copied().collect())
}

#[test]
fn files_are_the_mounts_as_they_are_mounted_and_the_code() {
    let rules = Rules::of(&command(Grants::default()));
    let expected = [
        ("/data", Use::Write, true),
        ("/fixed", Use::Read, true),
        ("/etc/hosts", Use::Read, false),
        ("/code", Use::Code, false),
    ];
    let found: Vec<_> = rules.paths.iter().map(|(path, way, kind)| (path.as_str(), *way, *kind)).collect();
    assert_eq!(found, expected);
    assert_eq!(ports(&rules), (vec![], vec![]));
}

#[test]
fn ports_are_those_of_the_grant_and_of_its_look_ups() {
    let grants = Grants { http: Some(http(&[443, 8443])), ..Grants::default() };
    assert_eq!(ports(&Rules::of(&command(grants))), (vec![], vec![53, 443, 8443]));
    let grants = Grants { sockets: Some(sockets(Protocol::Tcp)), ..Grants::default() };
    assert_eq!(ports(&Rules::of(&command(grants))), (vec![0, 7000], vec![53, 5432]));
    let grants = Grants { sockets: Some(sockets(Protocol::Udp)), ..Grants::default() };
    assert_eq!(ports(&Rules::of(&command(grants))), (vec![], vec![53]));
}

#[test]
fn who_serves_or_has_a_grant_of_the_network_needs_it_and_nobody_else() {
    assert!(!needs_network(&command(Grants::default())));
    assert!(needs_network(&command(Grants { http: Some(http(&[443])), ..Grants::default() })));
    assert!(needs_network(&command(Grants { sockets: Some(sockets(Protocol::Udp)), ..Grants::default() })));
}

/// A command of two parts, whose plug alone has these rights.
fn with_plug(grants: Grants) -> WorkerSetup {
    let mut setup = command(Grants::default());
    let plug = morph_host::Plug { name: "plug".into(), env: Vec::new(), preopens: Vec::new(), grants };
    setup.task.plugs = vec![plug];
    setup
}

#[test]
fn a_plug_with_the_network_has_it_though_main_has_none() {
    assert!(!needs_network(&with_plug(Grants::default())));
    assert_eq!(ports(&Rules::of(&with_plug(Grants::default()))), (vec![], vec![]));
    let setup = with_plug(Grants { http: Some(http(&[8443])), ..Grants::default() });
    assert!(needs_network(&setup));
    assert_eq!(ports(&Rules::of(&setup)), (vec![], vec![53, 8443]));
    let setup = with_plug(Grants { sockets: Some(sockets(Protocol::Tcp)), ..Grants::default() });
    assert!(needs_network(&setup));
    assert_eq!(ports(&Rules::of(&setup)), (vec![0, 7000], vec![53, 5432]));
}

/// Does something on a thread to which the rules hold.
fn under<T: Send + 'static>(rules: Rules, act: impl FnOnce() -> T + Send + 'static) -> T {
    let held = move || {
        rustix::thread::set_no_new_privs(true).unwrap();
        rules.enforce(Kernel::detect()).unwrap();
        act()
    };
    std::thread::spawn(held).join().unwrap()
}

#[test]
fn what_no_rule_names_is_closed_where_the_kernel_has_landlock() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["read", "write", "none"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("file"), "7").unwrap();
    }
    fs::create_dir(at("write/deep")).unwrap();
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    let paths = vec![(text("read"), Use::Read, true), (text("write"), Use::Write, true)];
    let rules = Rules { paths, ..Rules::default() };
    let [read, write, none] = ["read", "write", "none"].map(at);
    let [allowed, closed] = under(rules, move || {
        let allowed = [
            fs::read(read.join("file")).map(drop),
            fs::read_dir(&read).map(drop),
            fs::write(write.join("file"), "8"),
            fs::write(write.join("new"), "8"),
            fs::rename(write.join("new"), write.join("deep/new")),
            fs::remove_file(write.join("deep/new")),
        ];
        let closed = [
            fs::read(none.join("file")).map(drop),
            fs::read_dir(&none).map(drop),
            fs::write(read.join("file"), "8"),
            fs::write(read.join("new"), "8"),
            fs::remove_file(read.join("file")),
            fs::read("/etc/passwd").map(drop),
        ];
        [allowed.to_vec_of_kinds(), closed.to_vec_of_kinds()]
    });
    assert_eq!(allowed, [None; 6]);
    if Kernel::detect().has(Wall::Landlock) {
        assert_eq!(closed, [Some(ErrorKind::PermissionDenied); 6]);
    } else {
        assert_eq!(closed, [None; 6], "no rules, and nothing that closes");
    }
}

#[test]
fn only_named_ports_can_be_bound_where_the_kernel_has_rules_for_tcp() {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (named, other) = (free(), free());
    let rules = Rules { listen: [named.port()].into(), ..Rules::default() };
    let bound = under(rules, move || {
        [named, other].map(|address| TcpListener::bind(address).err().map(|error| error.kind()))
    });
    let expected = Kernel::detect().has(Wall::LandlockTcp).then_some(ErrorKind::PermissionDenied);
    assert_eq!(bound, [None, expected]);
}

/// Results as what went wrong.
trait Kinds {
    fn to_vec_of_kinds(self) -> Vec<Option<ErrorKind>>;
}

impl<const N: usize> Kinds for [io::Result<()>; N] {
    fn to_vec_of_kinds(self) -> Vec<Option<ErrorKind>> {
        self.into_iter().map(|result| result.err().map(|error| error.kind())).collect()
    }
}
