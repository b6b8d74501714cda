//! An escape: native code in a process that has gone through a worker's own `prepare`, nothing left out,
//! tries what an attacker would try once wasmtime is broken. Each attempt has a worker of its own. There is
//! no such code in the program: a test is forked where a worker would be.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attempts;

use super::*;
use crate::process::{Granted, detach, open_beneath};
use crate::seal::seccomp::table::{ALLOWED, HOSTILE};
use crate::wire::{EngineKind, Entry, Join, MountTarget};
use crate::zygote;
use attempts::{Attempt, Expected, Hands};
use morph_host::{Http, Requests};
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

/// Exit code of a test's worker whose walls don't stand; its words say why.
const NO_WALLS: i32 = 250;

/// Numbers beyond those that any kernel has.
const NUMBERS: i64 = 700;

/// What the kernel lets past every filter, since it makes these calls itself: returns from functions that the
/// node's administrator probes (`uretprobe`, `uprobe`). Elsewhere they do nothing.
const KERNELS_OWN: &[i64] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };

/// A command that ends at once.
fn tiny() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.3" (instance $r)))"#,
    )
    .unwrap()
}

/// What all attempts share: a volume with a number in it, once to write and once to read, and code.
struct World {
    volume: tempfile::TempDir,
    code: tempfile::NamedTempFile,
}

impl World {
    fn new() -> Self {
        let volume = tempfile::tempdir().unwrap();
        fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(volume.path().join("number"), "7").unwrap();
        let code = tempfile::NamedTempFile::new().unwrap();
        fs::write(code.path(), morph_host::compile(&tiny(), EngineKind::P2).unwrap()).unwrap();
        fs::set_permissions(code.path(), fs::Permissions::from_mode(0o444)).unwrap();
        Self { volume, code }
    }

    fn place(&self, task: Task) -> Place {
        let granted = |target: &str, read_only| Granted {
            source: open_beneath(self.volume.path(), Path::new(".")).unwrap(),
            target: target.into(),
            read_only,
        };
        let code = File::open(self.code.path()).unwrap();
        let (descriptors, mount_targets) =
            detach(&[granted("/data", false), granted("/fixed", true)], &code).unwrap();
        let (control, server) = UnixStream::pair().unwrap();
        let (words, to_words) = std::io::pipe().unwrap();
        let setup = setup(mount_targets, task);
        Place { setup, descriptors, control, _server: server, words, to_words }
    }
}

fn setup(mount_targets: Vec<MountTarget>, task: Task) -> WorkerSetup {
    WorkerSetup {
        id: "escape".into(),
        entry: Entry { join: Vec::new(), new: vec![Join::Net, Join::Ipc, Join::Uts] },
        mount_targets,
        uid: 65532,
        gid: 65532,
        groups: Vec::new(),
        rlimits: Vec::new(),
        engine: EngineKind::P2,
        task,
    }
}

fn server() -> Task {
    let http = Http {
        address: Ipv4Addr::UNSPECIFIED.into(),
        port: 8080,
        lame_duck_seconds: 0,
        grace_period_seconds: 1,
        requests: Requests::default(),
    };
    Task::ungranted("escape", Run::Server(http))
}

/// A worker that is about to be born, and the other ends of what it gets.
struct Place {
    setup: WorkerSetup,
    descriptors: Vec<OwnedFd>,
    control: UnixStream,
    _server: UnixStream,
    words: PipeReader,
    to_words: PipeWriter,
}

/// How a worker ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    /// Its exit code, or the negative number of a signal.
    how: i32,
    words: String,
}

/// Forks a process into a pid namespace of its own, as the zygote does for a worker.
fn fork() -> i32 {
    let flags = libc::CLONE_NEWPID | libc::SIGCHLD;
    // SAFETY: no memory is shared with the child; the other threads of this process only wait, and hold no
    // lock that the child could need.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    i32::try_from(pid).unwrap()
}

/// Runs `act` in a worker; what it answers is the exit code.
fn in_worker(place: Place, ready: &Ready, act: impl FnOnce(&mut Hands) -> i32) -> Ended {
    let Place { setup, descriptors, control, _server, mut words, to_words } = place;
    let pid = fork();
    if pid == 0 {
        let mut hands = Hands { words: to_words };
        let streams = || hands.words.as_fd().try_clone_to_owned();
        let code = match (streams(), streams(), streams()) {
            (Ok(stdin), Ok(stdout), Ok(stderr)) => {
                match prepare(&setup, descriptors, vec![stdin, stdout, stderr], ready, &control) {
                    Ok(_program) => act(&mut hands),
                    Err(error) => {
                        let _ = write!(hands.words, "{}", reason(&*error));
                        NO_WALLS
                    }
                }
            }
            _ => NO_WALLS,
        };
        // SAFETY: ends this process, and runs nothing of the test's.
        unsafe { libc::_exit(code) };
    }
    drop((to_words, descriptors, control));
    let mut status = 0;
    // SAFETY: it is this thread's own child, and the status is written to.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) }, pid);
    let mut said = String::new();
    words.read_to_string(&mut said).unwrap();
    let how = if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    Ended { how, words: said }
}

/// Does something on a thread that has become a zygote; it ends with its namespaces.
fn as_zygote<T: Send + 'static>(act: impl FnOnce(&Ready) -> T + Send + 'static) -> T {
    let zygote = move || {
        let (ready, _) = zygote::prepare().map_err(|error| error.to_string()).unwrap();
        act(&ready)
    };
    std::thread::spawn(zygote).join().unwrap()
}

/// Makes all attempts of a list; answers those that went otherwise than expected.
fn make(attempts: Vec<Attempt>, task: &Task) -> Vec<String> {
    let world = World::new();
    let places: Vec<Place> = attempts.iter().map(|_| world.place(task.clone())).collect();
    as_zygote(move |ready| {
        let ended = attempts.into_iter().zip(places).map(|(attempt, place)| {
            let Attempt { name, expected, act } = attempt;
            let ended = in_worker(place, ready, |_| act());
            let fits = match expected {
                Expected::Killed => ended.how == -libc::SIGSYS,
                Expected::Errno(errnos) => errnos.contains(&ended.how),
            };
            (!fits || !ended.words.is_empty()).then(|| format!("{name}: {expected:?}, but {ended:?}"))
        });
        ended.flatten().collect()
    })
}

#[test]
fn what_is_hostile_kills_the_worker_that_tries_it() {
    let attempts = attempts::hostile(HOSTILE);
    assert!(attempts.len() >= 60, "{}", attempts.len());
    assert_eq!(make(attempts, &server()), [""; 0]);
}

#[test]
fn no_path_no_socket_and_no_trick_leads_out_of_a_worker() {
    let attempts = attempts::tricks();
    assert!(attempts.len() >= 60, "{}", attempts.len());
    assert_eq!(make(attempts, &server()), [""; 0]);
}

#[test]
fn a_worker_without_network_can_make_no_socket() {
    assert_eq!(make(attempts::sockets(), &Task::ungranted("escape", Run::Command)), [""; 0]);
}

#[test]
fn what_is_granted_works_in_the_same_walls() {
    assert_eq!(make(attempts::granted(), &server()), [""; 0]);
}

#[test]
fn every_other_number_is_as_if_the_kernel_had_no_such_call() {
    let world = World::new();
    let place = world.place(server());
    let known = |number| ALLOWED.iter().chain(HOSTILE).any(|row| row.number == Some(number));
    let others = (0..NUMBERS).filter(|number| !known(*number) && !KERNELS_OWN.contains(number));
    let others: Vec<i64> = others.collect();
    let count = others.len();
    let ended = as_zygote(move |ready| {
        in_worker(place, ready, |hands| {
            for number in others {
                let errno = attempts::call(number, [0; 6]);
                if errno != libc::ENOSYS {
                    let _ = write!(hands.words, "{number} was answered with {errno}");
                    return 1;
                }
            }
            0
        })
    });
    assert_eq!(ended, Ended { how: 0, words: String::new() }, "of {count}");
}

#[test]
fn a_thread_gives_its_stack_back_after_each_of_a_few_turns_and_after_some_of_many() {
    let (begin, mut lately) = (Instant::now(), None);
    let mut rests = |micros| {
        let rests = Rests::and_now(lately, begin + Duration::from_micros(micros));
        lately = rests.or(lately);
        rests.is_some()
    };
    assert!((0..8).all(|turn| rests(turn * 200)), "all of a few");
    assert!(!(8..80).any(|turn| rests(turn * 200)), "so many in so much time");
    assert!(rests(16_000), "then again");
}
