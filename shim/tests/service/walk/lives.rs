//! One life of a task, from Create to Delete: what its callers were told of it, and whether the events of the
//! time agree.

use super::Kind;
use super::model::{Answer, Call};
use crate::harness::{PATIENCE_SECONDS, Told, code, wait};
use containerd_shim_protos::api::WaitResponse;
use containerd_shim_protos::shim_async::TaskClient;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::task::JoinHandle;
use ttrpc::Code;

/// A life.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) kind: Kind,
    id: String,
    pid: u32,
    process: Option<OwnedFd>,
    starts: usize,
    pauses: usize,
    resumes: usize,
    /// Who has waited for its end from the beginning.
    waiting: Option<JoinHandle<ttrpc::Result<WaitResponse>>>,
    /// What Delete told: pid and exit status.
    deleted: Option<(u32, u32)>,
}

impl Life {
    pub(super) fn new(id: &str, kind: Kind) -> Self {
        let (starts, pauses, resumes) = (0, 0, 0);
        Self {
            kind,
            id: id.into(),
            pid: 0,
            process: None,
            starts,
            pauses,
            resumes,
            waiting: None,
            deleted: None,
        }
    }

    pub(super) fn was_created(&self) -> bool {
        self.waiting.is_some()
    }

    /// Notes what was done.
    pub(super) fn note(&mut self, call: Call, answer: Answer, client: &TaskClient) {
        match call {
            Call::Create => {
                self.pid = answer.told.unwrap().0;
                // Nobody has ended it yet, so the pid is still its own.
                let pid = Pid::from_raw(self.pid.cast_signed()).unwrap();
                self.process = Some(pidfd_open(pid, PidfdFlags::empty()).unwrap());
                let (client, request) = (client.clone(), wait(&self.id));
                // As long as the walk takes.
                let context = ttrpc::context::with_timeout(0);
                self.waiting = Some(tokio::spawn(async move { client.wait(context, &request).await }));
            }
            Call::Start => {
                assert_eq!(answer.told.unwrap().0, self.pid);
                self.starts += 1;
            }
            Call::Pause => self.pauses += 1,
            Call::Resume => self.resumes += 1,
            Call::Delete => self.deleted = answer.told,
            _ => {}
        }
    }

    /// Kills its process behind the service's back.
    pub(super) fn murder(&self) {
        if let Some(process) = &self.process {
            // It may have ended.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    /// Compares with the events of this life; `false` if Wait came too late for it.
    async fn check(self, events: &[&Told]) -> bool {
        let (pid, status) = self.deleted.unwrap();
        assert_eq!(pid, self.pid, "what Delete told");
        assert!(self.kind.ends_with().contains(&status), "{:?} ended with {status}", self.kind);
        let end = tokio::time::timeout(Duration::from_secs(PATIENCE_SECONDS), self.waiting.unwrap());
        let waited = match end.await.expect("whoever waits is answered").unwrap() {
            Ok(answer) => {
                assert_eq!(answer.exit_status, status, "what Wait told");
                true
            }
            late => {
                assert_eq!(code(late), Code::NOT_FOUND);
                false
            }
        };
        let topics: Vec<&str> = events.iter().map(|told| &told.topic["/tasks/".len()..]).collect();
        let count = |topic: &str| topics.iter().filter(|seen| **seen == topic).count();
        let counts = ["create", "start", "paused", "resumed", "exit", "delete"].map(count);
        assert_eq!(counts, [1, self.starts, self.pauses, self.resumes, 1, 1], "{topics:?}");
        assert_eq!(counts.iter().sum::<usize>(), topics.len(), "{topics:?}");
        let (first, middle) = (topics[0], &topics[1..topics.len() - 2]);
        assert_eq!((first, &topics[topics.len() - 2..]), ("create", &["exit", "delete"][..]), "{topics:?}");
        assert!(middle.first().is_none_or(|topic| *topic == "start"), "{topics:?}");
        for told in events.iter().filter(|told| !["/tasks/paused", "/tasks/resumed"].contains(&&*told.topic))
        {
            assert_eq!(told.pid, self.pid, "{told:?}");
        }
        for told in &events[events.len() - 2..] {
            assert_eq!(told.status, status, "{told:?}");
        }
        waited
    }
}

/// Compares all lives of an id with the events.
pub(super) async fn check(lives: Vec<Life>, id: &str, events: &[Told]) {
    let mut told: Vec<Vec<&Told>> = Vec::new();
    for event in events.iter().filter(|event| event.id == id) {
        if event.topic == "/tasks/create" {
            told.push(Vec::new());
        }
        told.last_mut().unwrap_or_else(|| panic!("{event:?} before all others")).push(event);
    }
    assert_eq!(told.len(), lives.len(), "lives that were told of {id}");
    let (all, mut waited) = (lives.len(), 0);
    for (life, events) in lives.into_iter().zip(told) {
        waited += usize::from(life.check(&events).await);
    }
    assert!(2 * waited >= all, "only {waited} of {all} were waited for in time");
}
