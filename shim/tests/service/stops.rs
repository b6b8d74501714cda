//! How long a guest goes on after SIGTERM, from the call to the end that containerd sees, whatever it does at
//! the time. `MORPH_TEST_STOPS` says how often each is stopped.

use crate::harness::{Node, delete, kill, number, patience, wait, wait_for};
use crate::pod::Pod;
use crate::spec::document;
use crate::store::Store;
use containerd_shim_protos::api::CreateTaskRequest;
use morph_grant::{Document, Http, Reuse, RunType};
use rustix::fs::{CWD, FileType, Mode};
use std::time::{Duration, Instant};

/// Stops of each guest where nobody says how many.
const STOPS_DEFAULT: u64 = 10;

/// What a stop may take on a machine that does much else. It is to take 50 ms.
const STOP_MAX: Duration = Duration::from_secs(2);

/// A guest that has to be stopped.
struct Guest {
    name: &'static str,
    module: &'static str,
    args: &'static [&'static str],
    /// The code that it ends with.
    code: u32,
}

const GUESTS: [Guest; 6] = [
    Guest { name: "sleeps", module: "command", args: &["sleep", "600000"], code: 143 },
    Guest { name: "sleeps in 0.3", module: "command-p3", args: &["sleep", "600000"], code: 143 },
    Guest { name: "loops", module: "command", args: &["loop"], code: 143 },
    Guest { name: "reads what never comes", module: "command", args: &["echo"], code: 143 },
    Guest { name: "serves nobody", module: "hello", args: &[], code: 0 },
    Guest { name: "serves nobody in 0.3", module: "hello-p3", args: &[], code: 0 },
];

impl Guest {
    fn document(&self, image: &str) -> Document {
        let document = document(image, self.module, self.args);
        if self.module.starts_with("hello") { served(document) } else { document }
    }
}

/// The same as a Server that is gone as soon as it is told.
pub(crate) fn served(document: Document) -> Document {
    let http = Http {
        port: 8080,
        lame_duck_seconds: 0,
        grace_period_seconds: 30,
        concurrency: None,
        request_timeout_millis: None,
        body_bytes: None,
        reuse: Reuse::default(),
    };
    Document { run: RunType::Server, http: Some(http), ..document }
}

/// Input that nobody ends.
fn open_input(node: &Node, id: &str) -> String {
    let path = node.path(&format!("{id}.stdin"));
    if !path.exists() {
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from(0o600), 0).unwrap();
    }
    path.display().to_string()
}

/// Waits until a process has begun and does the same for a while: it waits, or it doesn't stop working.
pub(crate) fn settled(pid: u32, works: bool) {
    let looks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<String> =
            stat.rsplit(')').next().unwrap().split_whitespace().map(Into::into).collect();
        // Processor time, of user and system.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
    let mut before = looks();
    wait_for("at what it does", || {
        let now = looks();
        let is_so = threads() > 2 && if works { now > before + 2 } else { now == before };
        before = if works { before } else { now };
        is_so
    });
}

async fn stop(pod: &Pod<'_>, request: CreateTaskRequest, guest: &Guest) -> Duration {
    let id = request.id.clone();
    let pid = pod.run(request).await;
    settled(pid, guest.name == "loops");
    let begun = Instant::now();
    pod.client.kill(patience(), &kill(&id, libc::SIGTERM)).await.unwrap();
    let end = pod.client.wait(patience(), &wait(&id)).await.unwrap();
    let taken = begun.elapsed();
    assert_eq!(end.exit_status, guest.code, "{}", guest.name);
    pod.client.delete(patience(), &delete(&id)).await.unwrap();
    taken
}

/// The stops of one guest, sorted.
async fn stops(node: &Node, store: &Store, number: usize, guest: &Guest, count: u64) -> Vec<Duration> {
    let image = store.guest(guest.module);
    let pod = Pod::start(node, &format!("s{number}"), guest.document(&image)).await;
    let mut times = Vec::new();
    for _ in 0..count {
        let id = format!("c{number}");
        let request = CreateTaskRequest { stdin: open_input(node, &id), ..pod.creation(&id, &image) };
        times.push(stop(&pod, request, guest).await);
    }
    times.sort();
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_gone_soon_after_sigterm_whatever_it_does() {
    let mut node = Node::new().await;
    let store = node.store();
    // Nobody looks at the events, and they are not to wait for that.
    node.told.close();
    let count = number("MORPH_TEST_STOPS").unwrap_or(STOPS_DEFAULT);
    for (number, guest) in GUESTS.iter().enumerate() {
        let times = stops(&node, &store, number, guest, count).await;
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "{:24} {} stops: median {:?}, p99 {:?}, longest {:?}",
            guest.name,
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        assert!(at(1.0) < STOP_MAX, "{}: {:?}", guest.name, at(1.0));
    }
}
