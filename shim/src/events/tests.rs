//! A containerd that is there, away, or refuses.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use async_trait::async_trait;
use containerd_shim_protos::api::Empty;
use containerd_shim_protos::events::task::{TaskExit, TaskOOM};
use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::shim_async::{Events, create_events};
use std::sync::Arc;
use ttrpc::r#async::{Server, TtrpcContext};

struct Containerd {
    seen: mpsc::Sender<Envelope>,
    refuse: Option<&'static str>,
}

#[async_trait]
impl Events for Containerd {
    async fn forward(&self, _: &TtrpcContext, request: ForwardRequest) -> ttrpc::Result<Empty> {
        let envelope = request.envelope.unwrap();
        if self.refuse == Some(envelope.topic.as_str()) {
            return Err(ttrpc::Error::RpcStatus(ttrpc::get_status(ttrpc::Code::INVALID_ARGUMENT, "no")));
        }
        self.seen.send(envelope).await.unwrap();
        Ok(Empty::new())
    }
}

async fn containerd(address: &str, refuse: Option<&'static str>) -> (Server, mpsc::Receiver<Envelope>) {
    let (seen, envelopes) = mpsc::channel(2_000);
    let service = create_events(Arc::new(Containerd { seen, refuse }));
    let mut server = Server::new().bind(&format!("unix://{address}")).unwrap().register_service(service);
    server.start().await.unwrap();
    (server, envelopes)
}

fn exit(status: u32) -> TaskExit {
    TaskExit { exit_status: status, ..TaskExit::default() }
}

async fn next_status(envelopes: &mut mpsc::Receiver<Envelope>) -> u32 {
    let envelope = timeout(Duration::from_secs(20), envelopes.recv()).await.unwrap().unwrap();
    TaskExit::parse_from_bytes(&envelope.event.value).unwrap().exit_status
}

fn socket() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let address = directory.path().join("ttrpc").to_str().unwrap().to_owned();
    (directory, address)
}

#[tokio::test]
async fn events_arrive_in_order_even_when_containerd_comes_later() {
    let (_directory, address) = socket();
    let (publisher, forwarding) = Publisher::start(&address, "k8s.io");
    for status in 0..100 {
        publisher.publish("/tasks/exit", &exit(status)).await;
    }
    let (mut server, mut envelopes) = containerd(&address, None).await;
    for status in 0..100 {
        assert_eq!(next_status(&mut envelopes).await, status);
    }
    drop(publisher);
    forwarding.await.unwrap();
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_restart_of_containerd_loses_nothing() {
    let (_directory, address) = socket();
    let (publisher, _forwarding) = Publisher::start(&address, "k8s.io");
    let (mut server, mut envelopes) = containerd(&address, None).await;
    publisher.publish_and_wait("/tasks/exit", &exit(1)).await;
    assert_eq!(next_status(&mut envelopes).await, 1);
    server.shutdown().await.unwrap();
    std::fs::remove_file(&address).unwrap();
    publisher.publish("/tasks/exit", &exit(2)).await;
    publisher.publish("/tasks/exit", &exit(3)).await;
    let (_server, mut envelopes) = containerd(&address, None).await;
    assert_eq!(next_status(&mut envelopes).await, 2);
    assert_eq!(next_status(&mut envelopes).await, 3);
}

#[tokio::test]
async fn an_event_that_containerd_refuses_does_not_stop_the_others() {
    let (_directory, address) = socket();
    let (_server, mut envelopes) = containerd(&address, Some("/tasks/oom")).await;
    let (publisher, _forwarding) = Publisher::start(&address, "k8s.io");
    publisher.publish_and_wait("/tasks/oom", &TaskOOM::new()).await;
    publisher.publish("/tasks/exit", &exit(7)).await;
    assert_eq!(next_status(&mut envelopes).await, 7);
}

#[tokio::test]
async fn waiting_means_that_containerd_has_it() {
    let (_directory, address) = socket();
    let (_server, mut envelopes) = containerd(&address, None).await;
    let (publisher, _forwarding) = Publisher::start(&format!("unix://{address}"), "k8s.io");
    publisher.publish_and_wait("/tasks/exit", &exit(9)).await;
    let envelope = envelopes.try_recv().unwrap();
    assert_eq!(envelope.namespace, "k8s.io");
    assert_eq!(envelope.event.type_url, "containerd.events.TaskExit");
    assert!(envelope.timestamp.seconds > 0);
}
