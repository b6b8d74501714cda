//! What is tried in a worker, with what must come of it.

use crate::seal::seccomp::table::Row;
use crate::walls::{Kernel, Wall};
use libc::{c_int, c_long};
use std::ffi::CStr;
use std::io::PipeWriter;

/// What must come of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// The worker is killed by its filter.
    Killed,
    /// One of these errors; 0 is success.
    Errno(&'static [c_int]),
}

/// One attempt.
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) expected: Expected,
    /// Answers the error, or 0.
    pub(super) act: Box<dyn FnOnce() -> c_int + Send>,
}

/// What an attempt may use to speak.
pub(super) struct Hands {
    pub(super) words: PipeWriter,
}

/// A bare system call; answers its error, or 0.
pub(super) fn call(number: c_long, arguments: [c_long; 6]) -> c_int {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: none, on purpose: this stands for native code of an attacker, in a process of its own.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

/// The same, for its value: a descriptor or an address.
fn value(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: as above.
    unsafe { libc::syscall(number, a, b, c, d, e, f) }
}

fn attempt(name: &str, expected: Expected, act: impl FnOnce() -> c_int + Send + 'static) -> Attempt {
    Attempt { name: name.to_owned(), expected, act: Box::new(act) }
}

/// Each row of the list of what kills, with arguments that fit it.
pub(super) fn hostile(rows: &'static [Row]) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for row in rows {
        let Some(number) = row.number else { continue };
        let mut arguments = [0; 6];
        for term in row.when.first().copied().unwrap_or_default() {
            arguments[usize::from(term.argument)] = c_long::from(term.value);
        }
        attempts.push(attempt(row.name(), Expected::Killed, move || call(number, arguments)));
    }
    attempts
}

const ABSENT: Expected = Expected::Errno(&[libc::ENOSYS]);
const NOT_THERE: Expected = Expected::Errno(&[libc::ENOENT, libc::EACCES]);
const CLOSED: Expected = Expected::Errno(&[libc::EROFS, libc::EACCES, libc::EPERM]);
const APART: Expected = Expected::Errno(&[libc::EXDEV, libc::EROFS, libc::EACCES]);
const WORKS: Expected = Expected::Errno(&[0]);

fn at(path: &CStr) -> c_long {
    path.as_ptr() as c_long
}

fn open(path: &CStr, flags: c_int) -> c_int {
    call(libc::SYS_openat, [libc::AT_FDCWD.into(), at(path), flags.into(), 0o644, 0, 0])
}

fn socket(family: c_int, kind: c_int) -> c_int {
    call(libc::SYS_socket, [family.into(), kind.into(), 0, 0, 0, 0])
}

/// Everything of the network, where nothing is granted.
pub(super) fn sockets() -> Vec<Attempt> {
    let socket = |name: &str, family, kind| attempt(name, ABSENT, move || socket(family, kind));
    let mut attempts = vec![
        socket("TCP", libc::AF_INET, libc::SOCK_STREAM),
        socket("UDP", libc::AF_INET, libc::SOCK_DGRAM),
        socket("TCP of version 6", libc::AF_INET6, libc::SOCK_STREAM),
        socket("the node's sockets", libc::AF_UNIX, libc::SOCK_STREAM),
    ];
    // The control socket is one, and must not become another.
    for number in [libc::SYS_bind, libc::SYS_connect, libc::SYS_listen, libc::SYS_accept4] {
        attempts.push(attempt(&format!("call {number} on the server's socket"), ABSENT, move || {
            call(number, [3, 0, 0, 0, 0, 0])
        }));
    }
    attempts
}

/// What the grant gives, so that refusals aren't those of a process that can do nothing.
pub(super) fn granted() -> Vec<Attempt> {
    let write = libc::O_CREAT | libc::O_WRONLY;
    vec![
        attempt("its volume is read", WORKS, || open(c"/data/number", libc::O_RDONLY)),
        attempt("its volume is written", WORKS, move || open(c"/data/new", write)),
        attempt("its directory is listed", WORKS, || open(c"/data", libc::O_RDONLY | libc::O_DIRECTORY)),
        attempt("the other volume is read", WORKS, || open(c"/fixed/number", libc::O_RDONLY)),
        attempt("its port is bound", WORKS, || bind(8080)),
        attempt("a thread begins", WORKS, || {
            let ended = std::thread::Builder::new().spawn(|| 7).map(std::thread::JoinHandle::join);
            c_int::from(!matches!(ended, Ok(Ok(7))))
        }),
        attempt("memory grows", WORKS, || {
            let mut block = vec![1_u8; 64 << 20];
            block.resize(256 << 20, 1);
            c_int::from(block.last() != Some(&1))
        }),
    ]
}

/// A TCP socket of the worker.
fn tcp() -> c_long {
    let (family, kind) = (c_long::from(libc::AF_INET), c_long::from(libc::SOCK_STREAM));
    value(libc::SYS_socket, [family, kind, 0, 0, 0, 0])
}

fn address(port: u16) -> libc::sockaddr_in {
    // SAFETY: all zeros are an address of this kind.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_port = port.to_be();
    address
}

fn bind(port: u16) -> c_int {
    let address = address(port);
    let size = size_of::<libc::sockaddr_in>() as c_long;
    call(libc::SYS_bind, [tcp(), (&raw const address) as c_long, size, 0, 0, 0])
}

fn connect(port: u16) -> c_int {
    let mut address = address(port);
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let size = size_of::<libc::sockaddr_in>() as c_long;
    call(libc::SYS_connect, [tcp(), (&raw const address) as c_long, size, 0, 0, 0])
}

/// Paths, sockets, options and tricks.
pub(super) fn tricks() -> Vec<Attempt> {
    let mut attempts = Vec::new();
    files_of_the_node(&mut attempts);
    files_that_are_read_only(&mut attempts);
    other_sockets(&mut attempts);
    arguments(&mut attempts);
    code(&mut attempts);
    attempts
}

fn files_of_the_node(attempts: &mut Vec<Attempt>) {
    for path in [
        c"/etc/passwd",
        c"/etc/shadow",
        c"/proc/self/mem",
        c"/proc/self/exe",
        c"/proc/self/fd/3",
        c"/proc/1/root/etc/shadow",
        c"/proc/sys/kernel/core_pattern",
        c"/sys/fs/cgroup/cgroup.procs",
        c"/sys/kernel/security",
        c"/dev/mem",
        c"/dev/kmsg",
        c"/dev/null",
        c"/run/containerd/containerd.sock",
        c"/var/lib/kubelet/pki",
        c"/var/lib/morph/cache",
        c"/stage",
        c"/../../../../etc/passwd",
        c"/data/../../etc/passwd",
        c"/code/../etc/passwd",
    ] {
        let name = format!("open {}", path.to_string_lossy());
        let expected = Expected::Errno(&[libc::ENOENT, libc::EACCES, libc::ENOTDIR]);
        attempts.push(attempt(&name, expected, move || open(path, libc::O_RDONLY)));
    }
    attempts.push(attempt("a link to the node, followed", NOT_THERE, || {
        let made = call(
            libc::SYS_symlinkat,
            [at(c"/etc/shadow"), libc::AT_FDCWD.into(), at(c"/data/link"), 0, 0, 0],
        );
        if made == 0 { open(c"/data/link", libc::O_RDONLY) } else { made + 1000 }
    }));
}

fn files_that_are_read_only(attempts: &mut Vec<Attempt>) {
    let write = libc::O_CREAT | libc::O_WRONLY;
    let here = c_long::from(libc::AT_FDCWD);
    attempts.extend([
        attempt("the code, written", CLOSED, || open(c"/code", libc::O_RDWR)),
        attempt("the code, emptied", CLOSED, || open(c"/code", libc::O_WRONLY | libc::O_TRUNC)),
        attempt("a file in the root", CLOSED, move || open(c"/new", write)),
        attempt("a directory in the root", CLOSED, move || {
            call(libc::SYS_mkdirat, [here, at(c"/new"), 0o755, 0, 0, 0])
        }),
        attempt("a file in the read-only volume", CLOSED, move || open(c"/fixed/new", write)),
        attempt("a file of the read-only volume, written", CLOSED, || open(c"/fixed/number", libc::O_WRONLY)),
        attempt("a file of the read-only volume, removed", CLOSED, move || {
            call(libc::SYS_unlinkat, [here, at(c"/fixed/number"), 0, 0, 0, 0])
        }),
        attempt("a file of the read-only volume, renamed", CLOSED, move || {
            call(libc::SYS_renameat, [here, at(c"/fixed/number"), here, at(c"/fixed/other"), 0, 0])
        }),
        attempt("a second name for the code", APART, move || {
            call(libc::SYS_linkat, [here, at(c"/code"), here, at(c"/data/code"), 0, 0])
        }),
        attempt("the code, moved", APART, move || {
            call(libc::SYS_renameat, [here, at(c"/code"), here, at(c"/data/code"), 0, 0])
        }),
        attempt("a device", ABSENT, move || {
            let mode = c_long::from(libc::S_IFCHR | 0o666);
            call(libc::SYS_mknodat, [here, at(c"/data/null"), mode, 0x103, 0, 0])
        }),
        attempt("a set-uid file", ABSENT, move || {
            call(libc::SYS_fchmodat, [here, at(c"/data/number"), 0o4755, 0, 0, 0])
        }),
        attempt("an attribute", ABSENT, || {
            call(libc::SYS_setxattr, [at(c"/data/number"), at(c"security.capability"), at(c"x"), 1, 0, 0])
        }),
    ]);
}

fn other_sockets(attempts: &mut Vec<Attempt>) {
    for (name, family, kind) in [
        ("a socket of the file system", libc::AF_UNIX, libc::SOCK_STREAM),
        ("a socket for datagrams of the node", libc::AF_UNIX, libc::SOCK_DGRAM),
        ("netlink", libc::AF_NETLINK, libc::SOCK_RAW),
        ("packets", libc::AF_PACKET, libc::SOCK_RAW),
        ("raw IP", libc::AF_INET, libc::SOCK_RAW),
        ("raw IP of version 6", libc::AF_INET6, libc::SOCK_RAW),
        ("the hypervisor", libc::AF_VSOCK, libc::SOCK_STREAM),
        ("the kernel's ciphers", libc::AF_ALG, libc::SOCK_SEQPACKET),
        ("SCTP", libc::AF_INET, libc::SOCK_SEQPACKET),
        ("Bluetooth", libc::AF_BLUETOOTH, libc::SOCK_RAW),
    ] {
        attempts.push(attempt(name, ABSENT, move || socket(family, kind)));
    }
    let option = |level: c_int, name: c_int| {
        let number = 1_i32;
        let at = (&raw const number) as c_long;
        call(libc::SYS_setsockopt, [tcp(), level.into(), name.into(), at, 4, 0])
    };
    for (name, level, which) in [
        ("a program for packets", libc::SOL_SOCKET, libc::SO_ATTACH_FILTER),
        ("a bound interface", libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
        ("a mark", libc::SOL_SOCKET, libc::SO_MARK),
        ("another protocol above TCP", libc::IPPROTO_TCP, libc::TCP_ULP),
        ("a transparent socket", libc::IPPROTO_IP, libc::IP_TRANSPARENT),
        ("rules of the packet filter", libc::IPPROTO_IP, 64),
    ] {
        attempts.push(attempt(name, ABSENT, move || option(level, which)));
    }
    // Nobody listens there, and the loopback device of this namespace is down.
    let tcp = Kernel::detect().has(Wall::LandlockTcp);
    let refused = if tcp { &[libc::EACCES][..] } else { &[libc::ENETUNREACH, libc::ECONNREFUSED] };
    attempts.push(attempt("a connection without a grant", Expected::Errno(refused), || connect(9)));
    let other = if tcp { &[libc::EACCES][..] } else { &[0] };
    attempts.push(attempt("another port than its own", Expected::Errno(other), || bind(8081)));
    attempts.push(attempt("a port of the system's", Expected::Errno(&[libc::EACCES]), || bind(22)));
}

fn arguments(attempts: &mut Vec<Attempt>) {
    let prctl = |option: c_int, argument: c_long| {
        move || call(libc::SYS_prctl, [option.into(), argument, 0, 0, 0, 0])
    };
    attempts.extend([
        attempt("to be traceable", ABSENT, prctl(libc::PR_SET_DUMPABLE, 1)),
        attempt("to outlive its server", ABSENT, prctl(libc::PR_SET_PDEATHSIG, 0)),
        attempt("a tracer", ABSENT, prctl(libc::PR_SET_PTRACER, -1)),
        attempt("its own seccomp", ABSENT, prctl(libc::PR_SET_SECCOMP, 2)),
        attempt("other securebits", ABSENT, prctl(libc::PR_SET_SECUREBITS, 0)),
        attempt("another memory map", ABSENT, prctl(libc::PR_SET_MM, 1)),
        attempt("to adopt orphans", ABSENT, prctl(libc::PR_SET_CHILD_SUBREAPER, 1)),
        attempt("a typed key", ABSENT, || call(libc::SYS_ioctl, [0, libc::TIOCSTI as c_long, 0, 0, 0, 0])),
        attempt("a network device", ABSENT, || call(libc::SYS_ioctl, [0, 0x4004_54ca, 0, 0, 0, 0])),
        attempt("a lease", ABSENT, || call(libc::SYS_fcntl, [1, libc::F_SETLEASE.into(), 0, 0, 0, 0])),
        attempt("signals of a descriptor", ABSENT, || {
            call(libc::SYS_fcntl, [1, libc::F_SETOWN.into(), 1, 0, 0, 0])
        }),
        attempt("a signal to all", ABSENT, || call(libc::SYS_kill, [-1, 9, 0, 0, 0, 0])),
        attempt("a signal to another", ABSENT, || call(libc::SYS_tgkill, [2, 2, 9, 0, 0, 0])),
        attempt("a larger limit", ABSENT, || {
            call(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as c_long, 0, 0, 0, 0])
        }),
        attempt("a file without a name", ABSENT, || call(libc::SYS_memfd_create, [at(c"x"), 0, 0, 0, 0, 0])),
        attempt("a process by clone3", ABSENT, || call(libc::SYS_clone3, [0, 0, 0, 0, 0, 0])),
    ]);
}

/// A page of memory, with this protection.
fn page(protection: c_int) -> c_long {
    let flags = c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    value(libc::SYS_mmap, [0, 4096, protection.into(), flags, -1, 0])
}

fn code(attempts: &mut Vec<Attempt>) {
    let (read, write, run) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
    attempts.extend([
        attempt("memory to write and run", Expected::Killed, move || {
            c_int::from(page(read | write | run) != -1)
        }),
        attempt("written memory, then run", Expected::Killed, move || {
            let page = page(read | write);
            call(libc::SYS_mprotect, [page, 4096, (read | run).into(), 0, 0, 0])
        }),
        attempt("the code, mapped once more", Expected::Killed, move || {
            let here = c_long::from(libc::AT_FDCWD);
            let file = value(libc::SYS_openat, [here, at(c"/code"), libc::O_RDONLY.into(), 0, 0, 0]);
            let flags = c_long::from(libc::MAP_PRIVATE);
            call(libc::SYS_mmap, [0, 4096, (read | run).into(), flags, file, 0])
        }),
        attempt("a process", Expected::Killed, || {
            call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0])
        }),
        attempt("a process with a user namespace", Expected::Killed, || {
            call(libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_NEWUSER).into(), 0, 0, 0, 0, 0])
        }),
        attempt("a thread with a user namespace", ABSENT, || {
            let flags = 0x003d_0f00 | libc::CLONE_NEWUSER;
            call(libc::SYS_clone, [flags.into(), 0, 0, 0, 0, 0])
        }),
        attempt("a program", Expected::Killed, || {
            call(libc::SYS_execve, [at(c"/data/number"), 0, 0, 0, 0, 0])
        }),
    ]);
    #[cfg(target_arch = "x86_64")]
    attempts.extend([
        attempt("a call of the x32 interface", ABSENT, || call(0x4000_0000 | libc::SYS_getpid, [0; 6])),
        // A kernel without 32-bit calls answers with a fault instead.
        attempt("a call of the 32-bit interface", Expected::Errno(&[-libc::SIGSYS, -libc::SIGSEGV]), || {
            let mut answer: u64 = 20;
            // SAFETY: as above; the call is getpid.
            unsafe { std::arch::asm!("int 0x80", inout("rax") answer) };
            c_int::from(answer == 0)
        }),
    ]);
}
