//! Which system calls each kind of process may make once it is sealed, with the reason for each; and which of
//! the others end it. Everything that is in neither list is answered as a kernel without that call would.
//! `docs/reference/syscalls.md` is this table; a test compares them.

use libc::{AF_INET, AF_INET6, AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM};

/// For whom a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A worker.
    Worker,
    /// A worker that serves, or whose grant has anything of the network: on top of [`Role::Worker`].
    Network,
    /// The compile child.
    Compile,
    /// The process of a sandbox.
    Sandbox,
}

/// A condition on one argument, of which the kernel takes 32 bits: `argument & mask == value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    /// Which argument, from 0.
    pub(crate) argument: u8,
    /// Its bits that count.
    pub(crate) mask: u32,
    /// What they must be.
    pub(crate) value: u32,
    /// The same for people.
    pub(crate) words: &'static str,
}

/// Alternatives, each of them conditions that hold together. None: always.
pub(crate) type When = &'static [&'static [Term]];

/// A system call. Its name, processors and reason are for people: the page is made of them.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "the page is made by a test"))]
pub(crate) struct Row {
    /// The constant's name in the C library.
    constant: &'static str,
    /// Its number; none where this processor doesn't have it.
    pub(crate) number: Option<i64>,
    /// Whether only x86-64 has it.
    pub(crate) only_x86: bool,
    /// For whom; of no meaning in [`HOSTILE`].
    pub(crate) who: &'static [Role],
    /// When.
    pub(crate) when: When,
    /// Why.
    pub(crate) why: &'static str,
}

#[cfg(test)]
impl Row {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.constant.strip_prefix("SYS_").unwrap_or(self.constant)
    }
}

macro_rules! rows {
    ($($call:ident $([$x86:ident])? $who:ident $when:ident $why:literal)*) => {
        &[$(rows!(@row $($x86)? $call $who $when $why)),*]
    };
    (@row x86 $call:ident $who:ident $when:ident $why:literal) => {
        Row {
            constant: stringify!($call),
            #[cfg(target_arch = "x86_64")]
            number: Some(libc::$call),
            #[cfg(not(target_arch = "x86_64"))]
            number: None,
            only_x86: true,
            who: $who,
            when: $when,
            why: $why,
        }
    };
    (@row $call:ident $who:ident $when:ident $why:literal) => {
        Row {
            constant: stringify!($call),
            number: Some(libc::$call),
            only_x86: false,
            who: $who,
            when: $when,
            why: $why,
        }
    };
}

const ALL: &[Role] = &[Role::Worker, Role::Compile, Role::Sandbox];
const BOTH: &[Role] = &[Role::Worker, Role::Compile];
const TELL: &[Role] = &[Role::Worker, Role::Sandbox];
const W: &[Role] = &[Role::Worker];
const NET: &[Role] = &[Role::Network];
const S: &[Role] = &[Role::Sandbox];
const ANY: &[Role] = &[];

/// `argument == value`.
const fn is(argument: u8, value: i32, words: &'static str) -> Term {
    Term { argument, mask: u32::MAX, value: value.cast_unsigned(), words }
}

/// None of the bits is set.
const fn lacks(argument: u8, mask: i32, words: &'static str) -> Term {
    Term { argument, mask: mask.cast_unsigned(), value: 0, words }
}

/// All of the bits are set.
const fn has(argument: u8, mask: i32, words: &'static str) -> Term {
    Term { argument, mask: mask.cast_unsigned(), value: mask.cast_unsigned(), words }
}

/// A socket's type, whatever flags come with it.
const fn kind(value: i32, words: &'static str) -> Term {
    let mask = !(SOCK_CLOEXEC | SOCK_NONBLOCK);
    Term { argument: 1, mask: mask.cast_unsigned(), value: value.cast_unsigned(), words }
}

/// What `pthread_create` asks of `clone`: a thread of this process, with nothing of its own.
const THREAD_FLAGS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// `PR_GET_AUXV` (`linux/prctl.h`).
const PR_GET_AUXV: i32 = 0x4155_5856;

const NO_CODE: When = &[&[lacks(2, libc::PROT_EXEC, "without PROT_EXEC")]];
const CODE: When = &[&[has(2, libc::PROT_EXEC, "with PROT_EXEC")]];
const THREAD: When = &[&[is(0, THREAD_FLAGS, "a thread of this process")]];
const NO_THREAD: When = &[&[lacks(0, libc::CLONE_THREAD, "anything but a thread")]];
const OWN: When = &[&[is(0, libc::PR_SET_NAME, "PR_SET_NAME")], &[is(0, PR_GET_AUXV, "PR_GET_AUXV")]];
const INIT: When = &[&[is(0, 1, "to itself, as the pid 1 that it is")]];
const DESCRIPTORS: When = &[
    &[is(1, libc::F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC")],
    &[is(1, libc::F_GETFD, "F_GETFD")],
    &[is(1, libc::F_SETFD, "F_SETFD")],
    &[is(1, libc::F_GETFL, "F_GETFL")],
    &[is(1, libc::F_SETFL, "F_SETFL")],
];
const TERMINAL: When = &[
    &[is(1, libc::TCGETS as i32, "TCGETS")],
    &[is(1, libc::FIONBIO as i32, "FIONBIO")],
    &[is(1, libc::FIONREAD as i32, "FIONREAD")],
];
const ADVICE: When = &[
    &[is(2, libc::MADV_DONTNEED, "MADV_DONTNEED")],
    &[is(2, libc::MADV_FREE, "MADV_FREE")],
    &[is(2, libc::MADV_HUGEPAGE, "MADV_HUGEPAGE")],
];
/// `PIDFD_SELF` of `linux/pidfd.h`: no descriptor, but the caller itself.
const PIDFD_SELF: i32 = -10_000;
const GIVE_BACK: When = &[&[is(0, PIDFD_SELF, "PIDFD_SELF"), is(3, libc::MADV_DONTNEED, "MADV_DONTNEED")]];
const NOT_SELF: When = &[&[lacks(0, i32::MIN, "with a descriptor of a process")]];
const PAIR: When = &[&[is(0, AF_UNIX, "AF_UNIX"), kind(SOCK_STREAM, "SOCK_STREAM")]];
const INTERNET: When = &[
    &[is(0, AF_INET, "AF_INET"), kind(SOCK_STREAM, "SOCK_STREAM")],
    &[is(0, AF_INET, "AF_INET"), kind(SOCK_DGRAM, "SOCK_DGRAM")],
    &[is(0, AF_INET6, "AF_INET6"), kind(SOCK_STREAM, "SOCK_STREAM")],
    &[is(0, AF_INET6, "AF_INET6"), kind(SOCK_DGRAM, "SOCK_DGRAM")],
];
const SOCKET: Term = is(1, libc::SOL_SOCKET, "SOL_SOCKET");
const TCP: Term = is(1, libc::IPPROTO_TCP, "IPPROTO_TCP");
const IP: Term = is(1, libc::IPPROTO_IP, "IPPROTO_IP");
const IPV6: Term = is(1, libc::IPPROTO_IPV6, "IPPROTO_IPV6");
const OPTIONS: When = &[
    &[SOCKET, is(2, libc::SO_REUSEADDR, "SO_REUSEADDR")],
    &[SOCKET, is(2, libc::SO_KEEPALIVE, "SO_KEEPALIVE")],
    &[SOCKET, is(2, libc::SO_RCVBUF, "SO_RCVBUF")],
    &[SOCKET, is(2, libc::SO_SNDBUF, "SO_SNDBUF")],
    &[TCP, is(2, libc::TCP_NODELAY, "TCP_NODELAY")],
    &[TCP, is(2, libc::TCP_KEEPIDLE, "TCP_KEEPIDLE")],
    &[TCP, is(2, libc::TCP_KEEPINTVL, "TCP_KEEPINTVL")],
    &[TCP, is(2, libc::TCP_KEEPCNT, "TCP_KEEPCNT")],
    &[IP, is(2, libc::IP_TTL, "IP_TTL")],
    &[IPV6, is(2, libc::IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS")],
    &[IPV6, is(2, libc::IPV6_V6ONLY, "IPV6_V6ONLY")],
];
const ALWAYS: When = &[];

/// What may be done.
pub(crate) const ALLOWED: &[Row] = rows! {
    // Memory.
    SYS_brk ALL ALWAYS "the allocator's heap"
    SYS_mmap ALL NO_CODE "memory of guests, stacks, the allocator; memory images out of the code's file"
    SYS_munmap ALL ALWAYS "the same, given back"
    SYS_mprotect ALL NO_CODE "memory of guests grows; guard pages of stacks"
    SYS_mremap BOTH ALWAYS "the allocator makes large blocks larger"
    SYS_madvise BOTH ADVICE "memory of instances that have ended is given back"
    SYS_process_madvise W GIVE_BACK "the same of several instances at once"
    // Threads and time.
    SYS_clone BOTH THREAD "threads of the runtime and of the compiler"
    SYS_futex ALL ALWAYS "locks between threads"
    SYS_set_robust_list BOTH ALWAYS "a thread begins"
    SYS_rseq BOTH ALWAYS "a thread begins"
    SYS_prctl BOTH OWN "threads have names; the size of a page"
    SYS_gettid ALL ALWAYS "a thread's stack for signals; an abort"
    SYS_getpid ALL ALWAYS "an abort"
    SYS_exit BOTH ALWAYS "a thread ends"
    SYS_exit_group ALL ALWAYS "the process ends"
    SYS_sched_yield BOTH ALWAYS "locks between threads"
    SYS_sched_getaffinity BOTH ALWAYS "how many threads are worth it"
    SYS_clock_gettime ALL ALWAYS "clocks, and the processor time that a guest has used"
    SYS_clock_getres W ALWAYS "the resolution of clocks"
    SYS_clock_nanosleep BOTH ALWAYS "threads that wait for a time"
    SYS_nanosleep BOTH ALWAYS "the same in another C library"
    SYS_restart_syscall ALL ALWAYS "the kernel's own: a wait goes on after the process was frozen"
    SYS_getrandom BOTH ALWAYS "random numbers, seeds of hash tables"
    // Signals.
    SYS_rt_sigaction BOTH ALWAYS "handlers of traps; the C library's when its first thread begins"
    SYS_rt_sigprocmask ALL ALWAYS "a thread begins or ends"
    SYS_rt_sigreturn ALL ALWAYS "a trap's handler ends"
    SYS_rt_sigtimedwait S ALWAYS "it waits to be told to end, or for what the pod leaves to it"
    SYS_sigaltstack BOTH ALWAYS "stacks of traps' handlers"
    SYS_tgkill BOTH INIT "an abort"
    SYS_signalfd4 W ALWAYS "it is told to stop"
    SYS_wait4 S ALWAYS "it reaps what the pod leaves to it"
    // Descriptors.
    SYS_read ALL ALWAYS "streams, files, connections"
    SYS_write ALL ALWAYS "streams, files, connections"
    SYS_readv W ALWAYS "connections"
    SYS_writev BOTH ALWAYS "connections, several pieces at once"
    SYS_close ALL ALWAYS "any descriptor"
    SYS_fcntl BOTH DESCRIPTORS "copies of descriptors, and whether they wait"
    SYS_ioctl W TERMINAL "whether a stream is a terminal; whether a descriptor waits"
    SYS_ppoll BOTH ALWAYS "the reader of an output; the server that has gone"
    SYS_poll [x86] BOTH ALWAYS "the same by its older call"
    SYS_epoll_create1 W ALWAYS "the runtime's events"
    SYS_epoll_ctl W ALWAYS "the runtime's events"
    SYS_epoll_pwait W ALWAYS "the runtime's events"
    SYS_epoll_wait [x86] W ALWAYS "the runtime's events"
    SYS_eventfd2 W ALWAYS "one thread wakes another"
    SYS_socketpair W PAIR "the runtime's own signals"
    // The server's socket, which every worker has.
    SYS_sendmsg TELL ALWAYS "it tells its server; connections"
    SYS_recvmsg TELL ALWAYS "its server tells it; connections"
    SYS_sendto W ALWAYS "connections"
    SYS_recvfrom TELL ALWAYS "its server tells it; connections"
    // Files of granted volumes, of /files, resolv.conf and hosts: nothing else is in the worker's root.
    SYS_openat W ALWAYS "files that are granted"
    SYS_openat2 W ALWAYS "the same, without leaving the directory"
    SYS_statx W ALWAYS "what a file is"
    SYS_newfstatat W ALWAYS "what a file is"
    SYS_fstat W ALWAYS "what a file is"
    SYS_faccessat W ALWAYS "whether a file is there"
    SYS_faccessat2 W ALWAYS "whether a file is there"
    SYS_getdents64 W ALWAYS "the files of a directory"
    SYS_lseek W ALWAYS "a place in a file"
    SYS_pread64 W ALWAYS "files are read at a place"
    SYS_preadv W ALWAYS "the same, several pieces at once"
    SYS_preadv2 W ALWAYS "the same, several pieces at once"
    SYS_pwrite64 W ALWAYS "files are written at a place"
    SYS_pwritev W ALWAYS "the same, several pieces at once"
    SYS_pwritev2 W ALWAYS "the same, or at the end"
    SYS_ftruncate W ALWAYS "a file's size is set"
    SYS_fsync W ALWAYS "files reach the disk"
    SYS_fdatasync W ALWAYS "files reach the disk"
    SYS_fadvise64 W ALWAYS "how a file will be read"
    SYS_utimensat W ALWAYS "a file's times are set"
    SYS_mkdirat W ALWAYS "directories are made"
    SYS_unlinkat W ALWAYS "files and directories are removed"
    SYS_renameat W ALWAYS "files are renamed"
    SYS_renameat2 W ALWAYS "files are renamed"
    SYS_linkat W ALWAYS "files get a second name"
    SYS_symlinkat W ALWAYS "links are made"
    SYS_readlinkat W ALWAYS "links are read"
    // The network.
    SYS_socket NET INTERNET "TCP and UDP; no raw socket, no netlink, no socket of the node's file system"
    SYS_bind NET ALWAYS "the server's own port; ports that are granted"
    SYS_listen NET ALWAYS "the same"
    SYS_accept4 NET ALWAYS "the same"
    SYS_connect NET ALWAYS "addresses that are granted, and name servers"
    SYS_shutdown NET ALWAYS "one direction of a connection ends"
    SYS_getsockname NET ALWAYS "which port it became"
    SYS_getpeername NET ALWAYS "who is on the other side"
    SYS_getsockopt NET ALWAYS "how connecting went; sizes of buffers"
    SYS_setsockopt NET OPTIONS "what a guest may set, and what the server sets"
};

/// What no library of ours ever does: a process that does it is somebody else's by now, and is killed.
pub(crate) const HOSTILE: &[Row] = rows! {
    SYS_execve ANY ALWAYS "running a program"
    SYS_execveat ANY ALWAYS "running a program"
    SYS_fork [x86] ANY ALWAYS "making a process"
    SYS_vfork [x86] ANY ALWAYS "making a process"
    SYS_clone ANY NO_THREAD "making a process or a namespace"
    SYS_mmap ANY CODE "new code"
    SYS_mprotect ANY CODE "new code"
    SYS_pkey_mprotect ANY CODE "new code"
    SYS_personality ANY ALWAYS "making memory executable that is only readable"
    SYS_ptrace ANY ALWAYS "another process's memory"
    SYS_process_vm_readv ANY ALWAYS "another process's memory"
    SYS_process_vm_writev ANY ALWAYS "another process's memory"
    SYS_process_madvise ANY NOT_SELF "another process's memory"
    SYS_pidfd_getfd ANY ALWAYS "another process's descriptors"
    SYS_pidfd_open ANY ALWAYS "another process"
    SYS_pidfd_send_signal ANY ALWAYS "another process"
    SYS_kcmp ANY ALWAYS "another process"
    SYS_unshare ANY ALWAYS "namespaces"
    SYS_setns ANY ALWAYS "namespaces"
    SYS_mount ANY ALWAYS "mounts"
    SYS_umount2 ANY ALWAYS "mounts"
    SYS_pivot_root ANY ALWAYS "mounts"
    SYS_chroot ANY ALWAYS "mounts"
    SYS_open_tree ANY ALWAYS "mounts"
    SYS_move_mount ANY ALWAYS "mounts"
    SYS_mount_setattr ANY ALWAYS "mounts"
    SYS_fsopen ANY ALWAYS "mounts"
    SYS_fsconfig ANY ALWAYS "mounts"
    SYS_fsmount ANY ALWAYS "mounts"
    SYS_fspick ANY ALWAYS "mounts"
    SYS_open_by_handle_at ANY ALWAYS "files by number, past every root"
    SYS_setuid ANY ALWAYS "another user"
    SYS_setgid ANY ALWAYS "another group"
    SYS_setreuid ANY ALWAYS "another user"
    SYS_setregid ANY ALWAYS "another group"
    SYS_setresuid ANY ALWAYS "another user"
    SYS_setresgid ANY ALWAYS "another group"
    SYS_setfsuid ANY ALWAYS "another user"
    SYS_setfsgid ANY ALWAYS "another group"
    SYS_setgroups ANY ALWAYS "another group"
    SYS_capset ANY ALWAYS "capabilities"
    SYS_keyctl ANY ALWAYS "keys of the kernel"
    SYS_add_key ANY ALWAYS "keys of the kernel"
    SYS_request_key ANY ALWAYS "keys of the kernel"
    SYS_bpf ANY ALWAYS "code in the kernel"
    SYS_perf_event_open ANY ALWAYS "a large part of the kernel that nothing here needs"
    SYS_userfaultfd ANY ALWAYS "what attacks on the kernel use to win races"
    SYS_io_uring_setup ANY ALWAYS "system calls that no filter sees"
    SYS_io_uring_enter ANY ALWAYS "system calls that no filter sees"
    SYS_io_uring_register ANY ALWAYS "system calls that no filter sees"
    SYS_init_module ANY ALWAYS "code in the kernel"
    SYS_finit_module ANY ALWAYS "code in the kernel"
    SYS_delete_module ANY ALWAYS "code in the kernel"
    SYS_kexec_load ANY ALWAYS "another kernel"
    SYS_kexec_file_load ANY ALWAYS "another kernel"
    SYS_reboot ANY ALWAYS "the node"
    SYS_swapon ANY ALWAYS "the node"
    SYS_swapoff ANY ALWAYS "the node"
    SYS_acct ANY ALWAYS "the node"
    SYS_quotactl ANY ALWAYS "the node"
    SYS_syslog ANY ALWAYS "the node"
    SYS_sethostname ANY ALWAYS "the pod's name"
    SYS_setdomainname ANY ALWAYS "the pod's name"
    SYS_settimeofday ANY ALWAYS "the node's clock"
    SYS_clock_settime ANY ALWAYS "the node's clock"
    SYS_clock_adjtime ANY ALWAYS "the node's clock"
    SYS_adjtimex ANY ALWAYS "the node's clock"
    SYS_iopl [x86] ANY ALWAYS "devices"
    SYS_ioperm [x86] ANY ALWAYS "devices"
    SYS_modify_ldt [x86] ANY ALWAYS "an old and fragile part of the kernel"
};
