//! The programs, run here instruction by instruction for every number, against the table; and the table
//! against its page.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use seccompiler::sock_filter;
use std::fmt::Write as _;
use std::path::Path;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | NOT_THERE;

/// `AUDIT_ARCH_*` of this processor, and of the 32-bit calls that it takes as well (`linux/audit.h`).
const ARCH: [u32; 2] =
    if cfg!(target_arch = "aarch64") { [0xc000_00b7, 0x4000_0028] } else { [0xc000_003e, 0x4000_0003] };

/// A number beyond those that any kernel has.
const NUMBERS: i64 = 700;

/// Marks calls of the x32 interface (`asm/unistd.h`).
const X32: i64 = 0x4000_0000;

/// `struct seccomp_data` (`linux/seccomp.h`).
fn data(arch: u32, number: i64, arguments: [u64; 6]) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend_from_slice(&u32::try_from(number).unwrap().to_ne_bytes());
    data.extend_from_slice(&arch.to_ne_bytes());
    data.extend_from_slice(&0_u64.to_ne_bytes());
    arguments.iter().for_each(|argument| data.extend_from_slice(&argument.to_ne_bytes()));
    data
}

/// Runs a program as the kernel would; it knows the instructions that there are in ours.
fn run(program: &[sock_filter], data: &[u8]) -> u32 {
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
        match step.code {
            0x20 => {
                let from = step.k as usize;
                accumulator = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
            }
            0x54 => accumulator &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += jump(accumulator == step.k),
            0x06 => return step.k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// What the kernel does: of two answers the stricter.
fn answer_on(arch: u32, filter: &Filter, number: i64, arguments: [u64; 6]) -> u32 {
    let data = data(arch, number, arguments);
    let answers = [run(&filter.hostile, &data), run(&filter.allowed, &data)];
    [KILL, ABSENT].into_iter().find(|strict| answers.contains(strict)).unwrap_or(ALLOW)
}

fn answer(filter: &Filter, number: i64, arguments: [u64; 6]) -> u32 {
    answer_on(ARCH[0], filter, number, arguments)
}

/// Arguments that fit these terms, and are odd in all other bits.
fn fitting(terms: &[Term]) -> [u64; 6] {
    let mut arguments = [0xffff_ffff_0000_0000; 6];
    for term in terms {
        arguments[usize::from(term.argument)] |= u64::from(term.value);
    }
    arguments
}

const KINDS: [&[Role]; 4] =
    [&[Role::Worker], &[Role::Worker, Role::Network], &[Role::Compile], &[Role::Sandbox]];

fn find(rows: &'static [Row], number: i64) -> Option<&'static Row> {
    rows.iter().find(|row| row.number == Some(number))
}

#[test]
fn every_number_is_answered_as_the_table_says() {
    for roles in KINDS {
        let filter = Filter::of(roles).unwrap();
        for number in 0..NUMBERS {
            let allowed = find(ALLOWED, number).filter(|row| row.who.iter().any(|role| roles.contains(role)));
            let hostile = find(HOSTILE, number);
            let expected = match (hostile, allowed) {
                (Some(row), _) if row.when.is_empty() => KILL,
                (_, Some(row)) if row.when.is_empty() => ALLOW,
                (None, None) => ABSENT,
                // Looked at argument by argument below.
                _ => continue,
            };
            for arguments in [[0; 6], [u64::MAX; 6]] {
                assert_eq!(answer(&filter, number, arguments), expected, "{number} for {roles:?}");
            }
        }
    }
}

#[test]
fn arguments_that_a_row_names_decide() {
    for roles in KINDS {
        let filter = Filter::of(roles).unwrap();
        let holds = |row: &&Row| row.who.iter().any(|role| roles.contains(role));
        for (rows, expected) in [(HOSTILE, KILL), (ALLOWED, ALLOW)] {
            let rows = rows.iter().filter(|row| expected == KILL || holds(row));
            for row in rows.filter(|row| !row.when.is_empty()) {
                let Some(number) = row.number else { continue };
                for terms in row.when {
                    let fits = fitting(terms);
                    assert_eq!(answer(&filter, number, fits), expected, "{} {terms:?}", row.name());
                    for term in *terms {
                        let mut other = fits;
                        // A bit of the mask is turned round, and no row has the remaining value.
                        other[usize::from(term.argument)] ^= u64::from(1_u32 << term.mask.ilog2());
                        assert_ne!(answer(&filter, number, other), expected, "{} {term:?}", row.name());
                    }
                }
            }
        }
    }
}

#[test]
fn a_filter_looks_at_sockets_memory_and_threads_by_their_arguments() {
    let filter = Filter::of(&[Role::Worker, Role::Network]).unwrap();
    let socket =
        |family: i32, kind: i32| answer(&filter, libc::SYS_socket, [family as u64, kind as u64, 0, 0, 0, 0]);
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    assert_eq!(socket(libc::AF_INET, libc::SOCK_STREAM | flags), ALLOW);
    assert_eq!(socket(libc::AF_INET6, libc::SOCK_DGRAM), ALLOW);
    for (family, kind) in [
        (libc::AF_INET, libc::SOCK_RAW),
        (libc::AF_INET6, libc::SOCK_RAW | flags),
        (libc::AF_INET, libc::SOCK_SEQPACKET),
        (libc::AF_UNIX, libc::SOCK_STREAM),
        (libc::AF_NETLINK, libc::SOCK_RAW),
        (libc::AF_NETLINK, libc::SOCK_DGRAM),
        (libc::AF_PACKET, libc::SOCK_DGRAM),
        (libc::AF_VSOCK, libc::SOCK_STREAM),
        (libc::AF_ALG, libc::SOCK_SEQPACKET),
    ] {
        assert_eq!(socket(family, kind), ABSENT, "{family} {kind}");
    }
    let third = |number, value: i32| answer(&filter, number, [0, 0, value as u64, 0, 0, 0]);
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        assert_eq!(third(number, libc::PROT_READ | libc::PROT_WRITE), ALLOW);
        assert_eq!(third(number, libc::PROT_READ | libc::PROT_EXEC), KILL);
    }
    let clone = |flags: i32| answer(&filter, libc::SYS_clone, [flags as u64, 0, 0, 0, 0, 0]);
    assert_eq!(clone(0x003d_0f00), ALLOW, "what pthread_create asks");
    assert_eq!(clone(0x003d_0f00 | libc::CLONE_NEWUSER), ABSENT);
    assert_eq!(clone(libc::SIGCHLD), KILL);
    assert_eq!(clone(libc::CLONE_NEWNS | libc::SIGCHLD), KILL);
    assert_eq!(answer(&filter, libc::SYS_clone3, [0; 6]), ABSENT, "the C library then takes clone");
}

#[test]
fn memory_is_given_back_by_its_own_process_alone() {
    let advise = |roles: &[Role], process: i32, advice: i32| {
        let arguments = [i64::from(process).cast_unsigned(), 0, 1, advice.cast_unsigned().into(), 0, 0];
        answer(&Filter::of(roles).unwrap(), libc::SYS_process_madvise, arguments)
    };
    // `PIDFD_SELF` of linux/pidfd.h.
    assert_eq!(advise(&[Role::Worker], -10_000, libc::MADV_DONTNEED), ALLOW);
    assert_eq!(advise(&[Role::Worker], -10_000, libc::MADV_HWPOISON), ABSENT);
    assert_eq!(advise(&[Role::Worker], -10_001, libc::MADV_DONTNEED), ABSENT);
    assert_eq!(advise(&[Role::Compile], -10_000, libc::MADV_DONTNEED), ABSENT);
    for descriptor in [0, 3, i32::MAX] {
        assert_eq!(advise(&[Role::Worker], descriptor, libc::MADV_DONTNEED), KILL, "{descriptor}");
    }
}

#[test]
fn calls_of_another_interface_of_the_kernel_never_pass() {
    for roles in KINDS {
        let filter = Filter::of(roles).unwrap();
        for number in 0..NUMBERS {
            assert_eq!(answer_on(ARCH[1], &filter, number, [0; 6]), KILL, "{number}");
            assert_eq!(answer(&filter, number | X32, [0; 6]), ABSENT, "{number}");
        }
    }
}

#[test]
fn without_network_there_is_no_socket_at_all() {
    let numbers = |roles: &[Role]| -> Vec<&str> {
        let filter = Filter::of(roles).unwrap();
        let network = ALLOWED.iter().filter(|row| row.who == [Role::Network]);
        let passes = |row: &&Row| {
            let fits = row.when.first().map_or([0; 6], |terms| fitting(terms));
            row.number.is_some_and(|number| answer(&filter, number, fits) == ALLOW)
        };
        network.filter(passes).map(Row::name).collect()
    };
    let with = numbers(&[Role::Worker, Role::Network]);
    assert!(with.contains(&"socket") && with.contains(&"connect"), "{with:?}");
    assert_eq!(numbers(&[Role::Worker]), [""; 0]);
}

#[test]
fn no_call_stands_twice_in_a_list() {
    for rows in [ALLOWED, HOSTILE] {
        let mut names: Vec<&str> = rows.iter().map(Row::name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

/// The first words of the page.
const HEAD: &str = "<!-- Made from shim/src/seal/seccomp/table.rs by its test; UPDATE=1 rewrites it. -->

# System calls of sealed processes

A process that is sealed may make the calls of the first table, and only so. The calls of the second end it
with `SIGSYS`: nothing of ours makes them, so whoever does is somebody else by now. Every other call is
answered with `ENOSYS`, as by a kernel that doesn't have it.

*W* is a worker, *N* a worker that serves or whose grant has anything of the network, *C* the compile child,
*S* the process of a sandbox.
";

fn words(when: When) -> String {
    let alternative = |terms: &&[Term]| terms.iter().map(|term| term.words).collect::<Vec<_>>().join(" and ");
    when.iter().map(alternative).collect::<Vec<_>>().join("; ")
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let name = |row: &Row| format!("`{}`{}", row.name(), if row.only_x86 { " (x86-64)" } else { "" });
    page.push_str("\n## Allowed\n\n| call | W | N | C | S | only | why |\n|---|---|---|---|---|---|---|\n");
    for row in ALLOWED {
        let may = |roles: &[Role]| if row.who.iter().any(|role| roles.contains(role)) { "•" } else { "" };
        let [worker, network, compile, sandbox] = KINDS.map(may);
        let (name, only, why) = (name(row), words(row.when), row.why);
        writeln!(page, "| {name} | {worker} | {network} | {compile} | {sandbox} | {only} | {why} |").unwrap();
    }
    page.push_str("\n## Ending the process\n\n| call | only | what it would be |\n|---|---|---|\n");
    for row in HOSTILE {
        writeln!(page, "| {} | {} | {} |", name(row), words(row.when), row.why).unwrap();
    }
    page
}

#[test]
fn the_page_of_system_calls_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/syscalls.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == page(), "docs/reference/syscalls.md is stale; UPDATE=1 rewrites it");
}
