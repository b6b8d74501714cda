//! What containerd is told of a task's life: an event for each topic of `state`'s table, and one more where
//! memory was too small. When each is told is the table's matter.

use super::life::End;
use crate::events::{Publisher, timestamp};
use crate::state::Topic;
use containerd_shim_protos::events::task::{
    TaskDelete, TaskExit, TaskOOM, TaskPaused, TaskResumed, TaskStart,
};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::topics;
use std::time::SystemTime;

/// Publishes the event of a task with this id and process; those of an end say how it ended.
pub(super) async fn publish(publisher: &Publisher, topic: Topic, id: &str, pid: i32, end: Option<End>) {
    let (container_id, pid) = (id.to_owned(), pid.unsigned_abs());
    let end = end.unwrap_or(End { status: 0, at: SystemTime::now() });
    let exited_at = MessageField::some(timestamp(end.at));
    match topic {
        Topic::Start => {
            let event = TaskStart { container_id, pid, ..TaskStart::default() };
            publisher.publish(topics::TASK_START_EVENT_TOPIC, &event).await;
        }
        Topic::Paused => {
            let event = TaskPaused { container_id, ..TaskPaused::default() };
            publisher.publish(topics::TASK_PAUSED_EVENT_TOPIC, &event).await;
        }
        Topic::Resumed => {
            let event = TaskResumed { container_id, ..TaskResumed::default() };
            publisher.publish(topics::TASK_RESUMED_EVENT_TOPIC, &event).await;
        }
        Topic::Exit => {
            let (id, exit_status) = (container_id.clone(), end.status);
            let event = TaskExit { container_id, id, pid, exit_status, exited_at, ..TaskExit::default() };
            publisher.publish(topics::TASK_EXIT_EVENT_TOPIC, &event).await;
        }
        Topic::Delete => {
            let exit_status = end.status;
            let event = TaskDelete { container_id, pid, exit_status, exited_at, ..TaskDelete::default() };
            publisher.publish(topics::TASK_DELETE_EVENT_TOPIC, &event).await;
        }
    }
}

/// Says that a task's memory was too small, and waits until it is said: it must come before the end.
pub(super) async fn out_of_memory(publisher: &Publisher, id: &str) {
    let event = TaskOOM { container_id: id.to_owned(), ..TaskOOM::default() };
    publisher.publish_and_wait(topics::TASK_OOM_EVENT_TOPIC, &event).await;
}
