//! Takes the reports of one request: whose token it is, whose pods they are, what is worth an Event. The
//! judgements are in `judge.rs`, `ledger.rs` and `tokens.rs`; here the API server is asked.

use super::judge::{self, NoAgent, NoPod};
use super::ledger::{Kind, Ledger, Telling};
use super::tokens::{BELIEVED_MS, Known, Tokens};
use super::{AUDIENCE, REPORTS_MAX};
use crate::clock;
use crate::events::Recorder;
use crate::morph::server::{CallError, Server, within};
use http::StatusCode;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{Api, PostParams};
use lru::LruCache;
use morph_grant::DenialReport;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Longest token that is looked at, in bytes; the API server's own are below two thousand.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Pods whose answers are remembered.
const PODS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// A pod as one node reports of it.
type PodKey = (String, String, String, String, String);

/// Takes reports.
pub struct Receiver {
    server: Server,
    recorder: Recorder,
    account: String,
    begin: Instant,
    memory: Mutex<Memory>,
}

struct Memory {
    ledger: Ledger,
    tokens: Tokens,
    pods: LruCache<PodKey, (u64, Result<ObjectReference, NoPod>)>,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// Not from an agent.
    #[error(transparent)]
    NoAgent(#[from] NoAgent),
    /// It isn't an array of reports.
    #[error("the body is no array of at most {REPORTS_MAX} reports")]
    Malformed,
    /// Too much in too short a time.
    #[error("too many reports; the rest is dropped")]
    Rate,
    /// The API server can't be asked now.
    #[error("the API server can't be asked")]
    Server(#[from] CallError),
}

impl Unheard {
    /// As HTTP says it. Trying again helps with 429 and 503 alone.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoAgent(NoAgent::Unauthenticated) => StatusCode::UNAUTHORIZED,
            Self::NoAgent(_) => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Rate => StatusCode::TOO_MANY_REQUESTS,
            Self::Server(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::NoAgent(_) => "token",
            Self::Malformed => "malformed",
            Self::Rate => "rate",
            Self::Server(_) => "server",
        }
    }
}

impl Receiver {
    /// Takes reports from the ServiceAccount of this name, as the API server spells it.
    #[must_use]
    pub fn new(server: Server, recorder: Recorder, account: String) -> Self {
        let memory =
            Memory { ledger: Ledger::default(), tokens: Tokens::default(), pods: LruCache::new(PODS_MAX) };
        Self { server, recorder, account, begin: Instant::now(), memory: Mutex::new(memory) }
    }

    /// Takes the reports of one request.
    ///
    /// # Errors
    /// None of them was taken, and why.
    pub async fn receive(&self, token: &str, body: &[u8]) -> Result<(), Unheard> {
        let taken = self.take_all(token, body).await;
        if let Err(unheard) = &taken {
            self.refused(unheard.word(), 1);
            tracing::debug!(%unheard, "denials are not taken");
        }
        taken
    }

    async fn take_all(&self, token: &str, body: &[u8]) -> Result<(), Unheard> {
        let node = self.node(token).await?;
        let reports: Vec<DenialReport> = serde_json::from_slice(body).map_err(|_| Unheard::Malformed)?;
        if reports.len() > REPORTS_MAX || reports.iter().any(|report| report.check().is_err()) {
            return Err(Unheard::Malformed);
        }
        if !self.may(&node, reports.len()) {
            return Err(Unheard::Rate);
        }
        let mut judged = Vec::with_capacity(reports.len());
        for report in &reports {
            judged.push(self.morph(&node, report).await?);
        }
        let mut capped = 0;
        for (report, about) in reports.iter().zip(&judged) {
            if let Ok(about) = about {
                capped += u64::from(self.tell(about, report).await == Told::Capped);
            }
        }
        // Last and all at once: an agent whose request came to nothing sends the same again.
        self.refused("capped", capped);
        for (report, about) in reports.iter().zip(&judged) {
            self.count(&node, report, about);
        }
        Ok(())
    }

    fn count(&self, node: &str, report: &DenialReport, about: &Result<ObjectReference, NoPod>) {
        match about {
            Ok(_) => self.server.metrics.denied(&report.capability, &report.rule),
            Err(no_pod) => {
                self.refused("pod", 1);
                let DenialReport { namespace, pod, .. } = report;
                tracing::info!(node, pod, namespace, %no_pod, "a node reports of what is not its own");
            }
        }
    }

    /// The node whose agent's token it is.
    async fn node(&self, token: &str) -> Result<String, Unheard> {
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(NoAgent::Unauthenticated.into());
        }
        let known = self.memory().tokens.known(token, self.now_ms());
        let share = match known {
            Known::Node(node) => return Ok(node),
            Known::NoAgent(no_agent) => return Err(no_agent.into()),
            Known::Ask { share } => share,
        };
        if !self.may(&share, 1) {
            return Err(Unheard::Rate);
        }
        let node = judge::node(&self.review(token).await?, &self.account);
        self.memory().tokens.learn(token, &node, self.now_ms());
        node.map_err(Into::into)
    }

    async fn review(&self, token: &str) -> Result<TokenReviewStatus, CallError> {
        let review = TokenReview {
            spec: TokenReviewSpec { token: token.to_owned(), audiences: Some(vec![AUDIENCE.to_owned()]) },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = self.server.everywhere();
        let answer = within("review a token".to_owned(), api.create(&PostParams::default(), &review)).await?;
        Ok(answer.status.unwrap_or_default())
    }

    /// The Morph whose pod it is.
    async fn morph(
        &self,
        node: &str,
        report: &DenialReport,
    ) -> Result<Result<ObjectReference, NoPod>, CallError> {
        let text = |text: &str| text.to_owned();
        let DenialReport { namespace, pod, pod_uid, morph_uid, .. } = report;
        let key = (text(node), text(namespace), text(pod), text(pod_uid), text(morph_uid));
        // A pod that has moved is noticed as late as a token that was revoked.
        if let Some((since, known)) = self.memory().pods.get(&key)
            && self.now_ms().saturating_sub(*since) < BELIEVED_MS
        {
            return Ok(known.clone());
        }
        let api = self.server.namespaced::<Pod>(namespace);
        let found = within(format!("get pod {namespace}/{pod}"), api.get_opt(pod)).await?;
        let judged = found.map_or(Err(NoPod::Unknown), |pod| judge::morph(&pod, report, node));
        self.memory().pods.put(key, (self.now_ms(), judged.clone()));
        Ok(judged)
    }

    /// Writes the Event that a denial is worth, if it is.
    async fn tell(&self, about: &ObjectReference, report: &DenialReport) -> Told {
        let kind = Kind { capability: report.capability.clone(), rule: report.rule.clone() };
        let name = about.name.as_deref().unwrap_or_default();
        // Before 1970, all is one window.
        let now = clock::unix_seconds().unwrap_or_default();
        let telling = self.memory().ledger.tell(name, &report.morph_uid, &kind, now);
        match telling {
            Telling::Known => Told::Enough,
            Telling::Capped => Told::Capped,
            Telling::Tell(event) => {
                let mut telling = Begun { receiver: self, uid: &report.morph_uid, kind: &kind, told: false };
                telling.told = self.recorder.tell_denial(about, event, &note(report)).await;
                Told::Enough
            }
        }
    }

    fn may(&self, node: &str, reports: usize) -> bool {
        self.memory().ledger.may_report(node, reports, self.now_ms())
    }

    /// Milliseconds since the receiver began.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn refused(&self, reason: &'static str, count: u64) {
        self.server.metrics.denials_refused.get_or_create(&[("reason", reason)]).inc_by(count);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a denial's Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is there, or was tried.
    Enough,
    /// The Morph has had its share.
    Capped,
}

/// A telling that is under way. One that comes to nothing, or whose request is given up meanwhile, is taken
/// back, or its Event would be lost for the whole window.
struct Begun<'a> {
    receiver: &'a Receiver,
    uid: &'a str,
    kind: &'a Kind,
    told: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.receiver.memory().ledger.untell(self.uid, self.kind);
        }
    }
}

/// What the Event says. The quoted part is the guest's words.
fn note(report: &DenialReport) -> String {
    let DenialReport { capability, rule, detail, pod, .. } = report;
    format!("{capability}: refused by {rule}; the guest in pod {pod} asked for {detail:?}")
}
