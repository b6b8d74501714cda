//! The 17 calls, one life after the other.

use crate::harness::{
    Node, client, code, connect, delete, is_alive, kill, occupied, patience, start, told, wait, wait_for,
};
use containerd_shim_protos::api::{
    CheckpointTaskRequest, CloseIORequest, CreateTaskRequest, DeleteResponse, ExecProcessRequest,
    PauseRequest, PidsRequest, ResizePtyRequest, ResumeRequest, ShutdownRequest, StateRequest, StatsRequest,
    Status, UpdateTaskRequest,
};
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::shim_async::TaskClient;
use ttrpc::Code;

async fn status(client: &TaskClient, id: &str) -> Status {
    let request = StateRequest { id: id.into(), ..StateRequest::default() };
    client.state(patience(), &request).await.unwrap().status.enum_value().unwrap()
}

async fn pids(client: &TaskClient, id: &str) -> Vec<u32> {
    let request = PidsRequest { id: id.into(), ..PidsRequest::default() };
    client
        .pids(patience(), &request)
        .await
        .unwrap()
        .processes
        .into_iter()
        .map(|process| process.pid)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_lives_from_create_to_delete() {
    let mut node = Node::new().await;
    let (client, pid) = node.created("s1").await;
    assert!(is_alive(pid));
    assert_eq!(status(&client, "s1").await, Status::CREATED);
    assert_eq!(client.start(patience(), &start("s1")).await.unwrap().pid, pid);
    assert_eq!(status(&client, "s1").await, Status::RUNNING);
    assert_eq!(pids(&client, "s1").await, [pid]);
    client.kill(patience(), &kill("s1", libc::SIGKILL)).await.unwrap();
    let end = client.wait(patience(), &wait("s1")).await.unwrap();
    assert_eq!(end.exit_status, 137);
    assert!(end.exited_at.seconds > 0);
    assert_eq!(status(&client, "s1").await, Status::STOPPED);
    let deleted = client.delete(patience(), &delete("s1")).await.unwrap();
    assert_eq!((deleted.pid, deleted.exit_status), (pid, 137));
    for topic in ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"] {
        assert_eq!(node.next_topic().await, topic);
    }
    assert!(!is_alive(pid));
    assert!(node.told.try_recv().is_err(), "an event too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_ends_at_sigterm() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    client.start(patience(), &start("s1")).await.unwrap();
    client.kill(patience(), &kill("s1", libc::SIGTERM)).await.unwrap();
    client.wait(patience(), &wait("s1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    assert_eq!(code(client.start(patience(), &start("s2")).await), Code::NOT_FOUND);
    assert_eq!(code(client.connect(patience(), &connect("s2")).await), Code::NOT_FOUND);
    assert_eq!(code(client.wait(patience(), &wait("s2")).await), Code::NOT_FOUND);
    assert_eq!(code(client.delete(patience(), &delete("s2")).await), Code::NOT_FOUND);
    let exec = StateRequest { id: "s1".into(), exec_id: "e1".into(), ..StateRequest::default() };
    assert_eq!(code(client.state(patience(), &exec).await), Code::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_what_has_ended_is_not_found_and_it_is_still_there() {
    let node = Node::new().await;
    let (client, pid) = node.created("s1").await;
    client.start(patience(), &start("s1")).await.unwrap();
    client.kill(patience(), &kill("s1", libc::SIGKILL)).await.unwrap();
    client.wait(patience(), &wait("s1")).await.unwrap();
    assert_eq!(code(client.kill(patience(), &kill("s1", libc::SIGKILL)).await), Code::NOT_FOUND);
    assert_eq!(client.connect(patience(), &connect("s1")).await.unwrap().task_pid, pid);
    assert_eq!(pids(&client, "s1").await, [pid], "a task that has ended is no leak");
    let figures = StatsRequest { id: "s1".into(), ..StatsRequest::default() };
    assert!(!client.stats(patience(), &figures).await.unwrap().stats.value.is_empty());
    client.delete(patience(), &delete("s1")).await.unwrap();
    assert_eq!(code(client.connect(patience(), &connect("s1")).await), Code::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_task_can_be_deleted() {
    let node = Node::new().await;
    let (client, pid) = node.created("s1").await;
    client.delete(patience(), &delete("s1")).await.unwrap();
    assert!(!is_alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_cannot_be_deleted_nor_started_twice() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    client.start(patience(), &start("s1")).await.unwrap();
    assert_eq!(code(client.delete(patience(), &delete("s1")).await), Code::FAILED_PRECONDITION);
    assert_eq!(code(client.start(patience(), &start("s1")).await), Code::FAILED_PRECONDITION);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_taken_once_and_free_again_after_delete() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    let bundle = node.path("bundles/s1").display().to_string();
    let again = CreateTaskRequest { id: "s1".into(), bundle, ..CreateTaskRequest::default() };
    assert_eq!(code(client.create(patience(), &again).await), Code::ALREADY_EXISTS);
    client.delete(patience(), &delete("s1")).await.unwrap();
    client.create(patience(), &again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_fails_leaves_nothing() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    let spec = serde_json::json!({
        "annotations": {
            "io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-namespace": "demo",
        },
        "linux": {
            "cgroupsPath": format!("/morph-test/service-{}-bad", std::process::id()),
            "namespaces": [{ "type": "network", "path": node.path("missing") }],
        },
    });
    let bundle = node.bundle("bad", &spec);
    let request = CreateTaskRequest {
        id: "bad".into(),
        bundle: bundle.display().to_string(),
        ..CreateTaskRequest::default()
    };
    let error = client.create(patience(), &request).await.unwrap_err().to_string();
    assert!(error.contains("/missing"), "{error}");
    let left: Vec<_> = std::fs::read_dir(bundle).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["config.json"]);
    assert_eq!(code(client.connect(patience(), &connect("bad")).await), Code::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cgroup_with_somebody_in_it_is_refused_and_left_as_it_is() {
    let node = Node::new().await;
    let place = format!("morph-test/service-{}-taken", std::process::id());
    let (cgroup, mut somebody) = occupied(place.as_ref());
    let spec = serde_json::json!({
        "annotations": {
            "io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-id": "s1",
            "io.kubernetes.cri.sandbox-namespace": "demo",
        },
        "linux": { "cgroupsPath": format!("/{place}"), "namespaces": [{ "type": "network" }] },
    });
    let bundle = node.bundle("s1", &spec).display().to_string();
    let request = CreateTaskRequest { id: "s1".into(), bundle, ..CreateTaskRequest::default() };
    let client = client(&node.start("s1")).await;
    let error = client.create(patience(), &request).await.unwrap_err().to_string();
    assert!(error.contains(&place) && error.contains(&format!("process {}", somebody.id())), "{error}");
    assert_eq!(code(client.connect(patience(), &connect("s1")).await), Code::NOT_FOUND);
    // What containerd does next.
    assert!(node.command("s1", "delete").output().unwrap().status.success());
    assert!(somebody.try_wait().unwrap().is_none());
    assert_eq!(cgroup.processes().unwrap(), [somebody.id().cast_signed()]);
    somebody.kill().unwrap();
    somebody.wait().unwrap();
    cgroup.remove().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_freezes_and_a_resume_thaws() {
    let mut node = Node::new().await;
    let (client, _) = node.created("s1").await;
    client.start(patience(), &start("s1")).await.unwrap();
    let pause = PauseRequest { id: "s1".into(), ..PauseRequest::default() };
    let resume = ResumeRequest { id: "s1".into(), ..ResumeRequest::default() };
    client.pause(patience(), &pause).await.unwrap();
    assert_eq!(status(&client, "s1").await, Status::PAUSED);
    assert_eq!(code(client.pause(patience(), &pause).await), Code::FAILED_PRECONDITION);
    client.resume(patience(), &resume).await.unwrap();
    assert_eq!(status(&client, "s1").await, Status::RUNNING);
    client.pause(patience(), &pause).await.unwrap();
    client.kill(patience(), &kill("s1", libc::SIGKILL)).await.unwrap();
    client.wait(patience(), &wait("s1")).await.unwrap();
    for topic in ["create", "start", "paused", "resumed", "paused", "exit"] {
        assert_eq!(node.next_topic().await, format!("/tasks/{topic}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_cannot_have_is_unimplemented() {
    let node = Node::new().await;
    let (client, _) = node.created("s1").await;
    let exec = ExecProcessRequest { id: "s1".into(), ..ExecProcessRequest::default() };
    assert_eq!(code(client.exec(patience(), &exec).await), Code::UNIMPLEMENTED);
    let checkpoint = CheckpointTaskRequest { id: "s1".into(), ..CheckpointTaskRequest::default() };
    assert_eq!(code(client.checkpoint(patience(), &checkpoint).await), Code::UNIMPLEMENTED);
    let resize = ResizePtyRequest { id: "s1".into(), ..ResizePtyRequest::default() };
    assert_eq!(code(client.resize_pty(patience(), &resize).await), Code::FAILED_PRECONDITION);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_is_ok_while_tasks_live_and_ends_nothing() {
    let node = Node::new().await;
    let (client, pid) = node.created("s1").await;
    let shutdown = ShutdownRequest { id: "s1".into(), now: true, ..ShutdownRequest::default() };
    client.shutdown(patience(), &shutdown).await.unwrap();
    assert!(is_alive(pid));
    let close = CloseIORequest { id: "s1".into(), stdin: true, ..CloseIORequest::default() };
    client.close_io(patience(), &close).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_writes_limits() {
    let node = Node::new().await;
    let (client, pid) = node.created("s1").await;
    let update = |json: &str| UpdateTaskRequest {
        id: "s1".into(),
        resources: MessageField::some(Any { value: json.into(), ..Any::default() }),
        ..UpdateTaskRequest::default()
    };
    client.update(patience(), &update(r#"{"pids": {"limit": 17}}"#)).await.unwrap();
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let own = text.lines().find_map(|line| line.split_once(":pids:")).map(|(_, path)| path.to_owned());
    let file = match own {
        Some(path) => format!("/sys/fs/cgroup/pids{path}/pids.max"),
        None => format!("/sys/fs/cgroup{}/pids.max", text.trim().rsplit_once(':').unwrap().1),
    };
    assert_eq!(std::fs::read_to_string(file).unwrap().trim(), "17");
    assert_eq!(code(client.update(patience(), &update("nonsense")).await), Code::INVALID_ARGUMENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_names_of_the_service_are_answered() {
    let node = Node::new().await;
    let (_, pid) = node.created("s1").await;
    let raw = ttrpc::r#async::Client::connect(&node.start("s1")).await.unwrap();
    for service in ["containerd.task.v2.Task", "containerd.task.v3.Task"] {
        let mut request = ttrpc::Request::new();
        request.service = service.into();
        request.method = "Connect".into();
        request.payload = connect("s1").write_to_bytes().unwrap();
        let response = raw.request(request).await.unwrap();
        let answer =
            containerd_shim_protos::api::ConnectResponse::parse_from_bytes(&response.payload).unwrap();
        assert_eq!(answer.task_pid, pid, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_of_its_own_process_is_right_beside_a_server_and_without() {
    let node = Node::new().await;
    let (client, pid) = node.created("s1").await;
    client.delete(patience(), &delete("s1")).await.unwrap();
    let beside = node.command("s1", "delete").output().unwrap();
    assert!(beside.status.success(), "{}", told(&beside));
    let (_, second) = node.created("s2").await;
    let server = node.server(&node.start("s2"), "s2").await;
    let process = rustix::process::Pid::from_raw(server.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    wait_for("gone", || !is_alive(second));
    for _ in 0..2 {
        let without = node.command("s2", "delete").output().unwrap();
        assert!(without.status.success(), "{}", told(&without));
        let answer = DeleteResponse::parse_from_bytes(&without.stdout).unwrap();
        assert_eq!(answer.exit_status, 137);
    }
    assert!(!is_alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_the_sandboxes_of_many_pods() {
    let node = Node::new().await;
    let (first, _) = node.created("s1").await;
    let (_, second) = node.created("s2").await;
    assert_eq!(first.connect(patience(), &connect("s2")).await.unwrap().task_pid, second);
    let other = client(&node.start("s1")).await;
    assert_eq!(other.connect(patience(), &connect("s2")).await.unwrap().task_pid, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_deleted_while_it_is_made_never_comes_and_its_server_ends() {
    let node = Node::new().await;
    // A containerd that takes a question and never answers.
    let deaf = std::os::unix::net::UnixListener::bind(node.path("grpc")).unwrap();
    let spec = serde_json::json!({
        "annotations": { "io.kubernetes.cri.image-name": "registry.test/x:1" },
        "linux": { "cgroupsPath": format!("/morph-test/service-{}-late", std::process::id()) },
    });
    let bundle = node.bundle("c1", &spec);
    let client = client(&node.start("c1")).await;
    let making = {
        let (client, bundle) = (client.clone(), bundle.display().to_string());
        let request = CreateTaskRequest { id: "c1".into(), bundle, ..CreateTaskRequest::default() };
        tokio::spawn(async move { client.create(patience(), &request).await })
    };
    let asked = deaf.accept().unwrap();
    assert_eq!(code(client.delete(patience(), &delete("c1")).await), Code::NOT_FOUND);
    drop((asked, deaf));
    assert!(making.await.unwrap().is_err());
    assert_eq!(code(client.connect(patience(), &connect("c1")).await), Code::NOT_FOUND);
    let entries = std::fs::read_dir(bundle).unwrap().flatten();
    let mut left: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["address", "config.json"], "what was there before");
    drop(client);
    wait_for("ended by itself", || std::fs::read_dir(node.path("run")).unwrap().count() == 0);
}
