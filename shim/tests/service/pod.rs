//! A pod of a node without containerd: its sandbox, and containers whose guests run as a grant says.

use crate::harness::{Node, client, patience, start};
use crate::spec::Spec;
use crate::store::Store;
use containerd_shim_protos::api::CreateTaskRequest;
use containerd_shim_protos::shim_async::TaskClient;
use morph_grant::Document;

/// A pod whose sandbox runs. Its containers are granted what its document says.
pub(crate) struct Pod<'a> {
    pub(crate) node: &'a Node,
    pub(crate) client: TaskClient,
    pub(crate) pid: u32,
    id: String,
    grant: Document,
}

impl<'a> Pod<'a> {
    pub(crate) async fn start(node: &'a Node, id: &str, grant: Document) -> Self {
        let request = creation(node, id, &Spec::sandbox(id, "demo").granted(&grant));
        let client = client(&node.start(id)).await;
        let pid = client.create(patience(), &request).await.unwrap().pid;
        client.start(patience(), &start(id)).await.unwrap();
        Self { node, client, pid, id: id.into(), grant }
    }

    /// The spec of a container of this pod.
    pub(crate) fn container(&self, id: &str, image: &str) -> Spec {
        self.added(id, "morph", image)
    }

    /// The spec of a container by another name, which somebody has added.
    pub(crate) fn added(&self, id: &str, name: &str, image: &str) -> Spec {
        let spec = Spec::container(id, &self.id, "demo", name, image);
        spec.joined(self.pid.cast_signed()).granted(&self.grant)
    }

    /// What creates a container of this pod.
    pub(crate) fn creation(&self, id: &str, image: &str) -> CreateTaskRequest {
        creation(self.node, id, &self.container(id, image))
    }

    /// Creates and starts a container; answers its pid.
    pub(crate) async fn run(&self, request: CreateTaskRequest) -> u32 {
        let pid = self.client.create(patience(), &request).await.unwrap().pid;
        self.client.start(patience(), &start(&request.id)).await.unwrap();
        pid
    }
}

/// What creates a task of this spec, whose bundle is made.
pub(crate) fn creation(node: &Node, id: &str, spec: &Spec) -> CreateTaskRequest {
    let bundle = node.bundle(id, spec.json()).display().to_string();
    CreateTaskRequest { id: id.into(), bundle, ..CreateTaskRequest::default() }
}

impl Node {
    /// A store of components for this node.
    pub(crate) fn store(&self) -> Store {
        Store::start(&self.path("grpc"))
    }
}
