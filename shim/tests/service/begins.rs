//! When Start is answered: of a Server once it listens, of a Command at once.

use crate::harness::{Node, patience, start, wait};
use crate::pod::Pod;
use crate::spec::document;
use crate::stops::served;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use tokio::time::timeout;

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
