//! When Start is answered: of a Server once it listens, of a Command at once; and what is answered until
//! then.

use crate::harness::{Node, Told, code, kill, patience, start, wait};
use crate::pod::Pod;
use crate::spec::document;
use crate::stops::served;
use containerd_shim_protos::api::{PauseRequest, StateRequest, Status};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use ttrpc::Code;

/// How long a Start is watched that must not be answered, and how much less one takes that must be.
const LOOK: Duration = Duration::from_millis(500);

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Starts a container whose worker can't do anything; answers whether Start was answered meanwhile, and then
/// sends the worker a signal.
async fn answered_while_it_stands(pod: &Pod<'_>, id: &str, image: &str, then: Signal) -> bool {
    let pid = pod.client.create(patience(), &pod.creation(id, image)).await.unwrap().pid;
    send(pid, Signal::STOP);
    let (client, request) = (pod.client.clone(), start(id));
    let mut started = tokio::spawn(async move { client.start(patience(), &request).await });
    let answered = timeout(LOOK, &mut started).await;
    send(pid, then);
    match answered {
        Ok(answer) => answer.unwrap().map(|_| true).unwrap(),
        Err(_) => started.await.unwrap().map(|_| false).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_started_once_it_listens() {
    let node = Node::new().await;
    let store = node.store();
    for module in ["hello", "hello-p3"] {
        let image = store.guest(module);
        let pod = Pod::start(&node, module, served(document(&image, module, &[]))).await;
        assert!(
            !answered_while_it_stands(&pod, &format!("{module}-1"), &image, Signal::CONT).await,
            "{module}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_started_at_once() {
    let node = Node::new().await;
    let store = node.store();
    let image = store.guest("command");
    let pod = Pod::start(&node, "s1", document(&image, "command", &["sleep", "600000"])).await;
    assert!(answered_while_it_stands(&pod, "c1", &image, Signal::CONT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_server_that_has_ended() {
    let node = Node::new().await;
    let store = node.store();
    let image = store.guest("hello");
    let pod = Pod::start(&node, "s1", served(document(&image, "hello", &[]))).await;
    assert!(!answered_while_it_stands(&pod, "c1", &image, Signal::KILL).await);
    assert_eq!(pod.client.wait(patience(), &wait("c1")).await.unwrap().exit_status, 137);
    assert!(!node.logs().contains("does not listen yet"), "{}", node.logs());
}

/// Begins to start a container whose worker can't do anything, and sees that it has begun: a second Start is
/// refused. Answers the first, which waits.
async fn starting(pod: &Pod<'_>, id: &str) -> tokio::task::JoinHandle<ttrpc::Result<u32>> {
    let starts = [(); 2].map(|()| {
        let (client, request) = (pod.client.clone(), start(id));
        tokio::spawn(async move { client.start(patience(), &request).await.map(|started| started.pid) })
    });
    let (refused, _, mut waits) = futures::future::select_all(starts).await;
    assert_eq!(code(refused.unwrap()), Code::FAILED_PRECONDITION, "one of two");
    waits.remove(0)
}

/// What is told of a task, up to its end.
async fn told(events: &mut mpsc::Receiver<Told>, id: &str) -> Vec<String> {
    let mut topics = Vec::new();
    while topics.last().is_none_or(|topic| topic != "/tasks/exit") {
        let event = timeout(Duration::from_secs(60), events.recv()).await.unwrap().unwrap();
        topics.extend((event.id == id).then_some(event.topic));
    }
    topics
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_listen_yet_is_seen_as_created_and_can_be_stopped() {
    let mut node = Node::new().await;
    let mut events = std::mem::replace(&mut node.told, mpsc::channel(1).1);
    let store = node.store();
    let image = store.guest("hello");
    let pod = Pod::start(&node, "s1", served(document(&image, "hello", &[]))).await;
    for (id, signal, status) in [("killed", libc::SIGKILL, 137), ("asked", libc::SIGTERM, 0)] {
        let pid = pod.client.create(patience(), &pod.creation(id, &image)).await.unwrap().pid;
        send(pid, Signal::STOP);
        let started = starting(&pod, id).await;
        let look = StateRequest { id: id.into(), ..StateRequest::default() };
        let pause = PauseRequest { id: id.into(), ..PauseRequest::default() };
        // Both at once: Start waits for two seconds only.
        let (seen, paused) =
            tokio::join!(pod.client.state(patience(), &look), pod.client.pause(patience(), &pause));
        assert_eq!(seen.unwrap().status.enum_value(), Ok(Status::CREATED), "{id}");
        assert_eq!(code(paused), Code::FAILED_PRECONDITION, "{id}");
        pod.client.kill(patience(), &kill(id, signal)).await.unwrap();
        if signal == libc::SIGTERM {
            send(pid, Signal::CONT);
        }
        assert_eq!(started.await.unwrap().unwrap(), pid, "{id}");
        let end = pod.client.wait(patience(), &wait(id)).await.unwrap();
        assert_eq!(end.exit_status, status, "{id}");
        let topics = ["/tasks/create", "/tasks/start", "/tasks/exit"];
        assert_eq!(told(&mut events, id).await, topics, "{id}");
    }
}
