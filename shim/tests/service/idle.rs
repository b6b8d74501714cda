//! What a server costs that has nothing to do.

use crate::harness::{Node, patience, start};
use std::io::Write;
use std::time::{Duration, Instant};

/// How long a server is watched.
const WATCHED: Duration = Duration::from_secs(4);

/// How often it may be woken meanwhile: once a second.
const WAKEUPS_MAX: u64 = 4;

/// Most memory that a server and its zygote may have, in bytes, in a build for tests; one for distribution
/// has less.
const BYTES_MAX: u64 = 20 << 20;

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// The process and its zygote.
fn of_server(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let children =
        tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let children: Vec<u32> = children
        .flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect();
    let is_zygote = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "morph-zygote")
    };
    std::iter::once(pid).chain(children.into_iter().filter(is_zygote)).collect()
}

fn wakeups(pids: &[u32]) -> u64 {
    let of = |pid: &u32| -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        tasks
            .map(|task| std::fs::read_to_string(task.path().join("status")).unwrap_or_default())
            .map(|text| field(&text, "voluntary_ctxt_switches:"))
            .sum()
    };
    pids.iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_pod_that_does_nothing_is_hardly_ever_woken() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    client.start(patience(), &start("s1")).await.unwrap();
    let pids = of_server(node.server(&node.start("s1"), "s1").await);
    assert_eq!(pids.len(), 2, "a server and its zygote");
    let end = Instant::now() + Duration::from_secs(30);
    let woken = loop {
        let before = wakeups(&pids);
        // The time in which it is watched.
        tokio::time::sleep(WATCHED).await;
        let woken = wakeups(&pids) - before;
        if woken <= WAKEUPS_MAX || Instant::now() >= end {
            break woken;
        }
    };
    let of = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        field(&text, "Pss:") << 10
    };
    let bytes: Vec<u64> = pids.iter().map(of).collect();
    let told = format!("woken {woken} times in {WATCHED:?}; server and zygote have {bytes:?} bytes\n");
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    assert!(woken <= WAKEUPS_MAX, "{told}");
    assert!(bytes.iter().sum::<u64>() < BYTES_MAX, "{told}");
}
