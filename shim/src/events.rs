//! Events for containerd's subscribers, in the order in which they happened: one task, one queue, each event
//! tried until containerd has it or refuses it. containerd may be away for a while; nothing is dropped for
//! that.

use containerd_shim_protos::api::ForwardRequest;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{MessageField, MessageFull};
use containerd_shim_protos::shim::event::Envelope;
use containerd_shim_protos::shim_async::{Client, EventsClient};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Events that may wait for containerd. Who publishes more waits for a place.
pub const QUEUE_LENGTH: usize = 1024;

/// How long containerd may take for one event, in milliseconds.
const FORWARD_MILLIS_MAX: u64 = 5_000;

/// How long [`Publisher::publish_and_wait`] waits, in milliseconds: the order of two of containerd's channels
/// is worth this much of a delay when containerd is away, and no more.
const ACKNOWLEDGE_MILLIS_MAX: u64 = 2_000;

/// First and longest pause before containerd is tried again, in milliseconds.
const PAUSE_MILLIS: (u64, u64) = (20, 2_000);

struct Item {
    envelope: Envelope,
    acknowledge: Option<oneshot::Sender<()>>,
}

/// Handle of the queue.
#[derive(Debug, Clone)]
pub struct Publisher {
    queue: mpsc::Sender<Item>,
    namespace: String,
}

/// The task that empties the queue; it ends when all handles are gone and the queue is empty.
pub type Forwarding = tokio::task::JoinHandle<()>;

impl Publisher {
    /// Starts forwarding to containerd's ttrpc socket.
    #[must_use]
    pub fn start(address: &str, namespace: &str) -> (Self, Forwarding) {
        let (queue, items) = mpsc::channel(QUEUE_LENGTH);
        let forwarding = tokio::spawn(forward_all(socket_address(address), items));
        (Self { queue, namespace: namespace.into() }, forwarding)
    }

    /// Puts an event at the end of the queue. The order of calls is the order of events.
    pub async fn publish<E: MessageFull>(&self, topic: &str, event: &E) {
        self.put(topic, event, None).await;
    }

    /// As [`Self::publish`], and waits until containerd has it, or for two seconds.
    pub async fn publish_and_wait<E: MessageFull>(&self, topic: &str, event: &E) {
        let (acknowledge, acknowledged) = oneshot::channel();
        self.put(topic, event, Some(acknowledge)).await;
        if timeout(Duration::from_millis(ACKNOWLEDGE_MILLIS_MAX), acknowledged).await.is_err() {
            tracing::warn!(topic, "containerd has not taken the event yet");
        }
    }

    async fn put<E: MessageFull>(&self, topic: &str, event: &E, acknowledge: Option<oneshot::Sender<()>>) {
        let envelope = match envelope(topic, &self.namespace, event) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::error!(topic, %error, "event can't be encoded");
                return;
            }
        };
        if self.queue.send(Item { envelope, acknowledge }).await.is_err() {
            tracing::error!(topic, "event after the end of forwarding");
        }
    }
}

/// The event in its envelope. The type is named as containerd's typeurl does: without a host.
fn envelope<E: MessageFull>(
    topic: &str,
    namespace: &str,
    event: &E,
) -> Result<Envelope, containerd_shim_protos::protobuf::Error> {
    let any = pack(event)?;
    let mut envelope = Envelope::new();
    envelope.topic = topic.into();
    envelope.namespace = namespace.into();
    envelope.timestamp = MessageField::some(timestamp(SystemTime::now()));
    envelope.event = MessageField::some(any);
    Ok(envelope)
}

/// A message in an `Any` whose type is named as containerd's typeurl does.
///
/// # Errors
/// A message that can't be encoded.
pub fn pack<E: MessageFull>(message: &E) -> Result<Any, containerd_shim_protos::protobuf::Error> {
    Ok(Any {
        type_url: E::descriptor().full_name().to_owned(),
        value: message.write_to_bytes()?,
        ..Any::default()
    })
}

/// A time as protobuf has it.
#[must_use]
pub fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos().cast_signed(),
        ..Timestamp::default()
    }
}

fn socket_address(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("unix://{address}") }
}

async fn forward_all(address: String, mut items: mpsc::Receiver<Item>) {
    let mut client = None;
    while let Some(item) = items.recv().await {
        let mut pause = PAUSE_MILLIS.0;
        while let Err(error) = forward(&address, &mut client, &item.envelope).await {
            match error {
                ttrpc::Error::RpcStatus(status) if !is_transient(&status) => {
                    tracing::error!(topic = item.envelope.topic, ?status, "containerd refused an event");
                    break;
                }
                error => tracing::debug!(topic = item.envelope.topic, %error, "containerd is not there"),
            }
            client = None;
            // containerd says nobody when it is back.
            tokio::time::sleep(Duration::from_millis(pause)).await;
            pause = (pause * 2).min(PAUSE_MILLIS.1);
        }
        if let Some(acknowledge) = item.acknowledge {
            // Who waited may have given up.
            let _ = acknowledge.send(());
        }
    }
}

fn is_transient(status: &ttrpc::Status) -> bool {
    use ttrpc::Code;
    let code = status.code.enum_value_or_default();
    matches!(code, Code::UNAVAILABLE | Code::DEADLINE_EXCEEDED | Code::CANCELLED | Code::ABORTED)
}

async fn forward(address: &str, client: &mut Option<EventsClient>, envelope: &Envelope) -> ttrpc::Result<()> {
    let events = match client {
        Some(events) => events,
        none => none.insert(EventsClient::new(Client::connect(address).await?)),
    };
    let mut request = ForwardRequest::new();
    request.envelope = MessageField::some(envelope.clone());
    let context = ttrpc::context::with_duration(Duration::from_millis(FORWARD_MILLIS_MAX));
    events.forward(context, &request).await.map(drop)
}

#[cfg(test)]
mod tests;
