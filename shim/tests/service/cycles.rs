//! Tasks come and go, and nothing of them stays in the processes that made them. `MORPH_TEST_CYCLES` says how
//! many.

use crate::harness::{Node, client, connect, delete, kill, number, patience, start, wait};
use crate::pod::creation;
use crate::spec::Spec;
use containerd_shim_protos::shim_async::TaskClient;

/// Cycles where nobody says how many.
const CYCLES_DEFAULT: u64 = 300;

/// Cycles before the first look: caches fill, allocators take what they need.
const FIRST_CYCLES: u64 = 100;

/// Cycles between two words about how far it has come.
const PROGRESS_CYCLES: u64 = 500;

/// What memory may have grown by, in kilobytes, and by how much more for each thousand cycles: allocators
/// keep something of every high tide.
const GROWTH_KB_MAX: u64 = 1_024;
const GROWTH_KB_PER_THOUSAND: u64 = 100;

/// Threads that serve blocking work come and go with it; there are so many at most where one task after the
/// other is served.
const THREADS_MORE_MAX: u64 = 4;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    descriptors: usize,
    threads: u64,
    memory_kb: u64,
}

impl Held {
    fn by(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            threads: field("Threads"),
            memory_kb: field("RssAnon"),
        }
    }
}

/// The process among a server's children that has this name.
fn child(server: u32, name: &str) -> u32 {
    let threads = std::fs::read_dir(format!("/proc/{server}/task")).unwrap().flatten();
    let mut children = threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>());
    let named = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() == name;
    children.find(named).unwrap()
}

/// A life of each kind: a sandbox, a guest that is killed, a guest that ends, one that can't be run.
async fn cycle(node: &Node, client: &TaskClient, specs: &[(&str, Spec)]) {
    for (id, spec) in specs {
        client.create(patience(), &creation(node, id, spec)).await.unwrap();
        client.start(patience(), &start(id)).await.unwrap();
        // One that has ended by itself is not found.
        drop(client.kill(patience(), &kill(id, libc::SIGKILL)).await);
        client.wait(patience(), &wait(id)).await.unwrap();
        client.delete(patience(), &delete(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_come_and_go_leave_nothing_in_server_and_zygote() {
    let cycles = number("MORPH_TEST_CYCLES").unwrap_or(CYCLES_DEFAULT);
    let mut node = Node::new().await;
    let store = node.store();
    // Nobody looks at the events, and they are not to wait for that.
    node.told.close();
    let specs = [
        ("sandbox", Spec::sandbox("sandbox", "demo")),
        ("killed", Spec::alone("killed", &store.guest("command"))),
        ("missing", Spec::alone("missing", &format!("registry.test/x@{}", morph_grant::Digest::of(b"x")))),
    ];
    node.bundle("sandbox", specs[0].1.json());
    let client = client(&node.start("sandbox")).await;
    for _ in 0..FIRST_CYCLES {
        cycle(&node, &client, &specs).await;
    }
    let (_standing, _) = node.created("standing").await;
    let server = client.connect(patience(), &connect("standing")).await.unwrap().shim_pid;
    let processes = [("server", server), ("zygote", child(server, "morph-zygote"))];
    let before = processes.map(|(_, pid)| Held::by(pid));
    for number in 1..=cycles {
        cycle(&node, &client, &specs).await;
        if number % PROGRESS_CYCLES == 0 {
            println!("{number} of {cycles} cycles");
        }
    }
    for ((name, pid), before) in processes.into_iter().zip(before) {
        let after = Held::by(pid);
        println!("{name} before and after {cycles} cycles: {before:?}, {after:?}");
        assert_eq!(after.descriptors, before.descriptors, "descriptors of the {name}");
        assert!(after.threads <= before.threads + THREADS_MORE_MAX, "threads of the {name}: {after:?}");
        let most = before.memory_kb + GROWTH_KB_MAX + cycles * GROWTH_KB_PER_THOUSAND / 1_000;
        assert!(after.memory_kb <= most, "memory of the {name}: {before:?}, {after:?}");
    }
}
