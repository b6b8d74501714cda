//! Guests with a terminal: what is typed and written, its keys, its size.

use crate::harness::{Node, code, kill, patience, wait, wait_for};
use crate::pod::Pod;
use crate::spec::document;
use crate::stops::settled;
use crate::store::Store;
use containerd_shim_protos::api::{CloseIORequest, CreateTaskRequest, DeleteRequest, ResizePtyRequest};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{Read as _, Write as _};
use ttrpc::Code;

/// containerd's ends of the fifos of a task with a terminal.
struct Fifos {
    request: CreateTaskRequest,
    typed: File,
    shown: File,
}

impl Fifos {
    fn new(node: &Node, request: CreateTaskRequest) -> Self {
        let make = |name: &str| {
            let path = node.path(&format!("{}.{name}", request.id));
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from(0o600), 0).unwrap();
            path
        };
        let (stdin, stdout) = (make("stdin"), make("stdout"));
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let open = |path, flags| File::from(rustix::fs::openat(CWD, path, flags, Mode::empty()).unwrap());
        let (typed, shown) = (open(&stdin, flags), open(&stdout, OFlags::RDONLY | OFlags::NONBLOCK));
        let name = |path: std::path::PathBuf| path.display().to_string();
        let request =
            CreateTaskRequest { stdin: name(stdin), stdout: name(stdout), terminal: true, ..request };
        Self { request, typed, shown }
    }

    fn typed(&mut self, keys: &str) {
        self.typed.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until this was shown.
    fn wait_for(&mut self, text: &str) -> String {
        let mut shown = String::new();
        wait_for(text, || {
            let mut piece = [0; 1024];
            // Nothing yet is an error here.
            let read = self.shown.read(&mut piece).unwrap_or(0);
            shown.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            shown.contains(text)
        });
        shown
    }
}

async fn started<'a>(node: &'a Node, store: &Store, args: &[&str]) -> (Pod<'a>, Fifos, u32) {
    let image = store.guest("command");
    let pod = Pod::start(node, "s1", document(&image, "command", args)).await;
    let fifos = Fifos::new(node, pod.creation("c1", &image));
    let pid = pod.run(fifos.request.clone()).await;
    (pod, fifos, pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_shown_and_read_and_what_is_written_is_shown_whole() {
    let node = Node::new().await;
    let store = node.store();
    let (pod, mut fifos, _) = started(&node, &store, &["echo"]).await;
    fifos.typed("a line\n");
    fifos.wait_for("a line\r\n");
    // The end of what is typed, as keyboards say it.
    fifos.typed("\u{4}");
    let end = pod.client.wait(patience(), &wait("c1")).await.unwrap();
    assert_eq!(end.exit_status, 0);
    // It is all there once the end is told.
    let mut shown = String::new();
    drop(fifos.shown.read_to_string(&mut shown));
    assert_eq!(shown, "a line\r\n");
    let delete = DeleteRequest { id: "c1".into(), ..DeleteRequest::default() };
    pod.client.delete(patience(), &delete).await.unwrap();
    assert_eq!(fifos.shown.read(&mut [0; 1]).unwrap(), 0, "nobody has it open any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_that_is_typed_stops_the_guest() {
    let node = Node::new().await;
    let store = node.store();
    let (pod, mut fifos, _) = started(&node, &store, &["loop"]).await;
    fifos.wait_for("looping\r\n");
    fifos.typed("\u{3}");
    let end = pod.client.wait(patience(), &wait("c1")).await.unwrap();
    assert_eq!(end.exit_status, 143);
    fifos.wait_for("told to stop before its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_the_size_that_was_said_last() {
    let node = Node::new().await;
    let store = node.store();
    let (pod, mut fifos, pid) = started(&node, &store, &["loop"]).await;
    fifos.wait_for("looping\r\n");
    for (width, height) in [(80, 25), (132, 43)] {
        let resize = ResizePtyRequest { id: "c1".into(), width, height, ..ResizePtyRequest::default() };
        pod.client.resize_pty(patience(), &resize).await.unwrap();
        let terminal = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
        let size = rustix::termios::tcgetwinsize(File::open(terminal).unwrap()).unwrap();
        assert_eq!((u32::from(size.ws_col), u32::from(size.ws_row)), (width, height));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_nobody_reads_keeps_no_task_from_its_end() {
    let node = Node::new().await;
    let store = node.store();
    let (pod, fifos, pid) = started(&node, &store, &["flood", "1"]).await;
    // Nothing more can be written.
    settled(pid, false);
    let close = CloseIORequest { id: "c1".into(), stdin: true, ..CloseIORequest::default() };
    pod.client.close_io(patience(), &close).await.unwrap();
    pod.client.kill(patience(), &kill("c1", libc::SIGTERM)).await.unwrap();
    let end = pod.client.wait(patience(), &wait("c1")).await.unwrap();
    assert_eq!(end.exit_status, 143);
    drop(fifos);
    let delete = DeleteRequest { id: "c1".into(), ..DeleteRequest::default() };
    pod.client.delete(patience(), &delete).await.unwrap();
    let resize = ResizePtyRequest { id: "c1".into(), ..ResizePtyRequest::default() };
    assert_eq!(code(pod.client.resize_pty(patience(), &resize).await), Code::NOT_FOUND);
}
