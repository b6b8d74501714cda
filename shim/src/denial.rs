//! What a worker says was refused to its guest, on its way to the node's agent. Nobody waits for it: a
//! denial that finds no place is counted and forgotten, and the log has it. The worker isn't trusted: who it is
//! is filled in by the server, and how often it may speak is bounded on both sides.

use crate::spec::Pod;
use crate::wire::Denied;
use morph_grant::denial::{self, DenialReport};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Denials that a container may tell of in a row: a guest that tries all doors once.
pub const BURST: u32 = 20;

/// Denials that a container may tell of in the long run, each second: people read them.
pub const PER_SECOND: u32 = 2;

/// Different denials (capability and rule) of one container that are told of at all. The host knows fewer.
pub const KINDS_MAX: usize = 64;

/// What one container may still say. Kept by the worker, so that a guest's flood ends in its own process, and
/// by the server, which doesn't believe workers. The time is handed in.
#[derive(Debug)]
pub struct Allowance {
    kinds: BTreeSet<(String, String)>,
    /// In thousandths of a denial.
    left: u64,
    since: Instant,
    dropped: u64,
}

impl Allowance {
    /// The whole of it.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { kinds: BTreeSet::new(), left: u64::from(BURST) * 1_000, since: now, dropped: 0 }
    }

    /// Whether this one may be told of; counts those that may not.
    pub fn take(&mut self, capability: &str, rule: &str, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_millis() * u128::from(PER_SECOND);
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(u64::from(BURST) * 1_000);
            self.since = now;
        }
        let fits = self.left >= 1_000 && self.knows(capability, rule);
        if fits {
            self.left -= 1_000;
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        fits
    }

    fn knows(&mut self, capability: &str, rule: &str) -> bool {
        let kind = (capability.to_owned(), rule.to_owned());
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains(&kind) {
            return false;
        }
        self.kinds.insert(kind);
        true
    }

    /// How many weren't told of.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Whether who has said `said` denials since `begin` keeps the [`Allowance`] of an honest worker, however late
/// its words are read.
#[must_use]
pub fn is_honest(said: u64, begin: Instant, now: Instant) -> bool {
    let seconds = now.saturating_duration_since(begin).as_secs() + 1;
    said <= u64::from(BURST) + u64::from(PER_SECOND).saturating_mul(seconds)
}

/// The way to the node's agent: a datagram socket that never waits.
#[derive(Debug)]
pub struct Reporter {
    way: Option<(OwnedFd, SocketAddrUnix)>,
    dropped: AtomicU64,
}

impl Reporter {
    /// A way to the socket at `path`, which may appear and vanish. Where there can be none, all is dropped.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let way = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
            .and_then(|socket| Ok((socket, SocketAddrUnix::new(path)?)));
        if let Err(error) = &way {
            tracing::warn!(path = %path.display(), %error, "no denial will be reported");
        }
        Self { way: way.ok(), dropped: AtomicU64::new(0) }
    }

    /// Sends a report, or counts it as dropped: no agent, a full queue, a report that can't be one.
    pub fn send(&self, report: &DenialReport) {
        let sent = self.way.as_ref().is_some_and(|(socket, address)| {
            report.to_bytes().is_ok_and(|bytes| {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                sendto(socket, &bytes, flags, address).is_ok_and(|count| count == bytes.len())
            })
        });
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many reports were dropped since the server began.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Whose denials these are, and the way that they take.
#[derive(Debug, Clone)]
pub struct Witness {
    pod: Pod,
    morph_uid: Option<String>,
    reporter: Arc<Reporter>,
}

impl Witness {
    /// For a container of this pod; the Morph is the one of the pod's pinned grant, if it has one.
    #[must_use]
    pub fn new(pod: Pod, morph_uid: Option<String>, reporter: Arc<Reporter>) -> Self {
        Self { pod, morph_uid, reporter }
    }

    /// The report of a denial; none for a pod without a grant, or of which containerd said no name.
    #[must_use]
    pub fn report(&self, denied: &Denied) -> Option<DenialReport> {
        let report = DenialReport {
            namespace: self.pod.namespace.clone(),
            pod: self.pod.name.clone(),
            pod_uid: self.pod.uid.clone(),
            morph_uid: self.morph_uid.clone()?,
            capability: denied.capability.clone(),
            rule: denied.rule.clone(),
            detail: denial::detail(&denied.detail),
        };
        report.check().is_ok().then_some(report)
    }
}

/// The denials of one container, as its server takes them.
#[derive(Debug)]
pub struct Account {
    task: String,
    witness: Option<Witness>,
    allowance: Allowance,
    begin: Instant,
    said: u64,
}

impl Account {
    /// Nothing was said yet. Without a witness, the log alone is told.
    #[must_use]
    pub fn new(task: &str, witness: Option<Witness>, now: Instant) -> Self {
        Self { task: task.to_owned(), witness, allowance: Allowance::new(now), begin: now, said: 0 }
    }

    /// Takes a denial: a line in the log and a report, if there is room for it. `false` for a worker that says
    /// more than ours do: it isn't ours any more.
    #[must_use]
    pub fn take(&mut self, denied: &Denied, now: Instant) -> bool {
        self.said = self.said.saturating_add(1);
        if !is_honest(self.said, self.begin, now) {
            return false;
        }
        let Denied { capability, rule, .. } = denied;
        if !denial::is_word(capability) || !denial::is_word(rule) {
            return false;
        }
        if self.allowance.take(capability, rule, now) {
            let detail = denial::detail(&denied.detail);
            tracing::info!(task = self.task, capability, rule, detail, "denied");
            let report = self.witness.as_ref().and_then(|witness| Some((witness, witness.report(denied)?)));
            if let Some((witness, report)) = report {
                witness.reporter.send(&report);
            }
        }
        true
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let untold = self.allowance.dropped();
        let lost = self.witness.as_ref().map_or(0, |witness| witness.reporter.dropped());
        if untold > 0 {
            let seconds = self.begin.elapsed().max(Duration::from_secs(1)).as_secs();
            tracing::info!(task = self.task, untold, seconds, "denials beyond what is told of");
        }
        if lost > 0 {
            tracing::debug!(lost, "denials of this server that no agent took");
        }
    }
}

#[cfg(test)]
mod tests;
