//! Every way in which a container can end: its exit code, its termination message, and the line on its
//! standard error, as people find them in the pod's status and log.

use crate::harness::{Node, delete, kill, patience, start, wait, wait_for};
use crate::pod::{Pod, creation};
use crate::spec::{Spec, document};
use crate::store::Store;
use containerd_shim_protos::api::CreateTaskRequest;
use morph_grant::Document;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::time::Duration;

/// How long a compilation to its limits may take, on a machine that does much else.
const COMPILE_PATIENCE: Duration = Duration::from_secs(120);

/// How a guest comes to its end.
enum By {
    /// By itself.
    Itself,
    /// A call of Kill with this signal, once it runs.
    Call(i32),
    /// Somebody on the node, once it runs.
    Somebody,
}

/// One way to end.
struct Case {
    name: &'static str,
    image: String,
    grant: Document,
    /// Memory of the container's cgroup, in bytes.
    memory: u64,
    by: By,
    code: u32,
    /// What the termination message says; nothing where the guest has said all itself.
    words: &'static str,
}

fn case(name: &'static str, image: &str, args: &[&str], code: u32, words: &'static str) -> Case {
    let grant = document(image, "command", args);
    Case { name, image: image.into(), grant, memory: 256 << 20, by: By::Itself, code, words }
}

/// Calls in one function, each a chain of its own for the compiler: it would need gigabytes.
const GROWTHS: usize = 1_400_000;

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A valid component that takes more memory to compile than there is for that. Made by hand: as text it would
/// be far too long.
fn too_much_to_compile() -> Vec<u8> {
    let growth = [0x20, 0x00, 0x40, 0x00, 0x1a]; // local.get 0, memory.grow, drop
    let body = [&[0x01, 0x01, 0x7f][..], &growth.repeat(GROWTHS), &[0x41, 0x00, 0x0b]].concat();
    let code = [&[0x01][..], &leb(body.len()), &body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[0x01, 0x60, 0x00, 0x01, 0x7f]), // one type: () -> i32
        section(3, &[0x01, 0x00]),
        section(5, &[0x01, 0x00, 0x01]),
        section(7, b"\x01\x03run\x00\x00"),
        section(10, &code),
    ]
    .concat();
    let small = crate::walk::component("i32.const 0");
    // Behind the preamble stands the core module, with its length in one byte.
    assert!(small[8] == 1 && small[9] < 0x80);
    [&small[..8], &section(1, &module), &small[10 + usize::from(small[9])..]].concat()
}

/// A case of a component that is no guest of `hack/guests`.
fn other(name: &'static str, store: &Store, component: Vec<u8>, code: u32, words: &'static str) -> Case {
    let content = morph_grant::Digest::of(&component);
    let mut case = case(name, &store.image(name, component), &[], code, words);
    case.grant.components[0].content = content;
    case
}

fn cases(store: &Store) -> Vec<Case> {
    let command = store.guest("command");
    let of = |name, args: &[&str], code, words| case(name, &command, args, code, words);
    let mut all = vec![
        of("well", &["exit", "0"], 0, ""),
        of("own-code", &["exit", "3"], 3, ""),
        of("trap", &["trap"], 134, "the guest trapped: wasm `unreachable`"),
        of("limit", &["memory", "64"], 135, "limits.memory"),
        of("grant", &["exit", "0"], 125, "grant refused: the grant is for namespace other"),
        of("memory", &["memory", "200"], 137, "the container's memory limit is too small"),
        of("stopped", &["loop"], 143, "told to stop before its end"),
        of("killed", &["loop"], 137, ""),
        of("murdered", &["loop"], 137, "killed by signal 9"),
        other("garbage", store, b"garbage".into(), 127, "does not start with"),
        other("compiler", store, too_much_to_compile(), 124, "compiling took more than 1280 MiB of memory"),
        other(
            "import",
            store,
            crate::harness::guest_bytes("imports-http"),
            126,
            "import wasi:http/outgoing-handler",
        ),
    ];
    for case in &mut all {
        let limits = &mut case.grant.components[0].limits;
        match case.name {
            "limit" => limits.memory_bytes = Some(16 << 20),
            "memory" => {
                limits.memory_bytes = Some(1 << 30);
                case.memory = 64 << 20;
            }
            "grant" => case.grant.subject.namespace = "other".into(),
            "stopped" => case.by = By::Call(libc::SIGTERM),
            "killed" => case.by = By::Call(libc::SIGKILL),
            "murdered" => case.by = By::Somebody,
            _ => {}
        }
    }
    all
}

/// The container's files: its output, its errors, and the message that the kubelet has mounted.
pub(crate) struct Files {
    pub(crate) stdout: PathBuf,
    stderr: PathBuf,
    pub(crate) message: PathBuf,
}

impl Files {
    pub(crate) fn of(node: &Node, sandbox: &str) -> Self {
        let directory = node.path(&format!("kubelet/pods/uid-{sandbox}/containers/morph"));
        std::fs::create_dir_all(&directory).unwrap();
        let message = directory.join("0a1b2c3d");
        std::fs::write(&message, "").unwrap();
        let output = |name: &str| node.path(&format!("{sandbox}.{name}"));
        Self { stdout: output("stdout"), stderr: output("stderr"), message }
    }

    pub(crate) fn request(&self, node: &Node, id: &str, spec: Spec) -> CreateTaskRequest {
        let uri = |path: &PathBuf| format!("file://{}", path.display());
        CreateTaskRequest {
            stdout: uri(&self.stdout),
            stderr: uri(&self.stderr),
            ..creation(node, id, &spec.mounted(&self.message, "/dev/termination-log"))
        }
    }
}

async fn check(node: &Node, case: &Case) {
    let (sandbox, id) = (format!("s-{}", case.name), format!("c-{}", case.name));
    let pod = Pod::start(node, &sandbox, case.grant.clone()).await;
    let files = Files::of(node, &sandbox);
    let spec = pod.container(&id, &case.image).memory(case.memory);
    let compiling = ttrpc::context::with_duration(COMPILE_PATIENCE);
    let created = pod.client.create(compiling, &files.request(node, &id, spec)).await.unwrap();
    pod.client.start(patience(), &start(&id)).await.unwrap();
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    if !matches!(case.by, By::Itself) {
        wait_for("looping", || read(&files.stdout).contains("looping"));
    }
    match case.by {
        By::Itself => {}
        By::Call(signal) => drop(pod.client.kill(patience(), &kill(&id, signal)).await.unwrap()),
        By::Somebody => {
            let pid = Pid::from_raw(created.pid.cast_signed()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        }
    }
    let end = pod.client.wait(patience(), &wait(&id)).await.unwrap();
    let (message, stderr) = (read(&files.message), read(&files.stderr));
    assert_eq!(end.exit_status, case.code, "{}: {message:?} {stderr:?}", case.name);
    assert!(message.contains(case.words), "{}: {message:?}", case.name);
    assert_eq!(message.is_empty(), case.words.is_empty(), "{}: {message:?}", case.name);
    assert!(stderr.contains(case.words), "{}: {stderr:?}", case.name);
    for id in [&id, &sandbox] {
        drop(pod.client.kill(patience(), &kill(id, libc::SIGKILL)).await);
        pod.client.wait(patience(), &wait(id)).await.unwrap();
        pod.client.delete(patience(), &delete(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_has_its_code_its_message_and_its_line_in_the_log() {
    let mut node = Node::new().await;
    // The quick compiler would take what is too much for the other one.
    let config = std::fs::read_to_string(node.path("node.toml")).unwrap();
    std::fs::write(node.path("node.toml"), format!("{config}baseline_first = false\n")).unwrap();
    let store = node.store();
    let cases = cases(&store);
    for case in &cases {
        check(&node, case).await;
    }
    let mut told = Vec::new();
    while told.iter().filter(|topic| *topic == "/tasks/delete").count() < 2 * cases.len() {
        told.push(node.next_topic().await);
    }
    let ooms: Vec<usize> = (0..told.len()).filter(|at| told[*at] == "/tasks/oom").collect();
    assert_eq!(ooms.len(), 1, "for one of them alone: {told:?}");
    assert_eq!(told[ooms[0] + 1], "/tasks/exit", "and before its end: {told:?}");
}
