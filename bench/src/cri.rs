//! A client of CRI: the calls with which a kubelet makes and removes a pod. It measures nothing.

mod messages;

pub use messages::{
    ContainerConfig, ContainerMetadata, ImageSpec, Int64Value, LinuxContainerConfig, LinuxContainerResources,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceOption,
    PodSandboxConfig, PodSandboxMetadata, container_state, namespace_mode,
};

use anyhow::{Context, Result, bail};
use messages::{
    ContainerId, ContainerStatusRequest, ContainerStatusResponse, CreateContainerRequest, Nothing, PodId,
    PodSandboxStatusResponse, RunPodSandboxRequest, StopContainerRequest, VersionRequest, VersionResponse,
};
use std::path::Path;
use std::time::Duration;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// How long one call may take, in seconds: a peer may compile a large component in StartContainer.
const CALL_SECONDS_MAX: u64 = 120;

/// A client of one containerd.
#[derive(Debug, Clone)]
pub struct Cri {
    channel: Channel,
}

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerLook {
    /// One of [`container_state`].
    pub state: i32,
    /// Its code, once it has ended.
    pub exit_code: i32,
    /// Its process on the node, if containerd says it.
    pub pid: Option<i32>,
}

impl Cri {
    /// A client of the containerd behind this socket; it connects at the first call.
    ///
    /// # Errors
    /// A path that can't be an address.
    pub fn new(socket: &Path) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
        let channel = endpoint.timeout(Duration::from_secs(CALL_SECONDS_MAX)).connect_lazy();
        Ok(Self { channel })
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A>
    where
        Q: prost::Message + Default + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.with_context(|| format!("{method}: containerd isn't there"))?;
        let path: PathAndQuery = format!("/runtime.v1.RuntimeService/{method}").parse()?;
        let answer = grpc.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await;
        // What has a source isn't containerd's own word.
        let answer = answer.map_err(|status| match std::error::Error::source(&status) {
            Some(_) => anyhow::anyhow!("{method}: containerd isn't there: {}", status.message()),
            None => anyhow::anyhow!("{method}: {}", status.message()),
        })?;
        Ok(answer.into_inner())
    }

    /// Version of the runtime; an error until containerd serves CRI.
    ///
    /// # Errors
    /// As with every call: what containerd says.
    pub async fn version(&self) -> Result<String> {
        let answer: VersionResponse = self.call("Version", VersionRequest::default()).await?;
        Ok(answer.runtime_version)
    }

    /// Makes a pod; answers its id.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn run_pod(&self, config: &PodSandboxConfig, runtime: &str) -> Result<String> {
        let request = RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: runtime.into() };
        let answer: PodId = self.call("RunPodSandbox", request).await?;
        Ok(answer.pod_sandbox_id)
    }

    /// Makes a container in a pod; answers its id.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn create(
        &self,
        pod: &str,
        container: &ContainerConfig,
        config: &PodSandboxConfig,
    ) -> Result<String> {
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.into(),
            config: Some(container.clone()),
            sandbox_config: Some(config.clone()),
        };
        let answer: ContainerId = self.call("CreateContainer", request).await?;
        Ok(answer.container_id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn start(&self, container: &str) -> Result<()> {
        let request = ContainerId { container_id: container.into() };
        self.call::<_, Nothing>("StartContainer", request).await.map(drop)
    }

    /// Stops a container; without a grace period it is killed.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn stop(&self, container: &str, timeout_seconds: i64) -> Result<()> {
        let request = StopContainerRequest { container_id: container.into(), timeout_seconds };
        self.call::<_, Nothing>("StopContainer", request).await.map(drop)
    }

    /// Stops and removes a pod with its containers.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn remove_pod(&self, pod: &str) -> Result<()> {
        let request = PodId { pod_sandbox_id: pod.into() };
        self.call::<_, Nothing>("StopPodSandbox", request.clone()).await?;
        self.call::<_, Nothing>("RemovePodSandbox", request).await.map(drop)
    }

    /// Address of a pod.
    ///
    /// # Errors
    /// What containerd says, or a pod without an address of its own.
    pub async fn address(&self, pod: &str) -> Result<std::net::IpAddr> {
        let request = PodId { pod_sandbox_id: pod.into() };
        let answer: PodSandboxStatusResponse = self.call("PodSandboxStatus", request).await?;
        let network = answer.status.and_then(|status| status.network).unwrap_or_default();
        network.ip.parse().with_context(|| format!("pod {pod}: {:?} is no address", network.ip))
    }

    /// How a container is.
    ///
    /// # Errors
    /// What containerd says.
    pub async fn look(&self, container: &str) -> Result<ContainerLook> {
        let request = ContainerStatusRequest { container_id: container.into(), verbose: true };
        let answer: ContainerStatusResponse = self.call("ContainerStatus", request).await?;
        let Some(status) = answer.status else { bail!("container {container} has no status") };
        let pid = answer.info.get("info").and_then(|info| pid(info));
        Ok(ContainerLook { state: status.state, exit_code: status.exit_code, pid })
    }
}

/// The process in what containerd tells besides.
fn pid(info: &str) -> Option<i32> {
    let info: serde_json::Value = serde_json::from_str(info).ok()?;
    i32::try_from(info.get("pid")?.as_i64()?).ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use prost::Message as _;

    #[test]
    fn a_process_is_found_in_what_containerd_tells() {
        assert_eq!(pid(r#"{"sandboxID": "s", "pid": 4711}"#), Some(4711));
        assert_eq!(pid(r#"{"pid": 0}"#), None);
        assert_eq!(pid("nonsense"), None);
    }

    #[test]
    fn messages_are_what_the_protocol_says() {
        let config =
            ContainerConfig { args: vec!["a".into()], log_path: "l".into(), ..ContainerConfig::default() };
        // Field 4, text of one byte; field 11, text of one byte.
        assert_eq!(config.encode_to_vec(), [0x22, 1, b'a', 0x5a, 1, b'l']);
        let stop = StopContainerRequest { container_id: "c".into(), timeout_seconds: 3 };
        assert_eq!(stop.encode_to_vec(), [0x0a, 1, b'c', 0x10, 3]);
    }

    #[test]
    fn fields_that_nobody_asked_for_are_passed_over() {
        let network = messages::PodSandboxNetworkStatus { ip: "10.0.0.1".into() };
        let mut status = messages::PodSandboxStatus { network: Some(network) }.encode_to_vec();
        // Field 9, a text of one byte.
        status.extend([0x4a, 1, b'r']);
        let read = messages::PodSandboxStatus::decode(status.as_slice()).unwrap();
        assert_eq!(read.network.unwrap().ip, "10.0.0.1");
    }

    #[tokio::test]
    async fn a_containerd_that_is_not_there_is_said() {
        let cri = Cri::new(Path::new("/nonexistent/c.sock")).unwrap();
        let error = format!("{:#}", cri.version().await.unwrap_err());
        assert!(error.contains("Version: containerd isn't there"), "{error}");
    }
}
