//! One pass over one Morph, as a table of contents: each step is a file of its own.

use super::apply::Applier;
use super::observe::{Observed, observe};
use super::server::{CallError, Doomed, Server};
use super::{
    Applied, Failure, Fence, Identity, Object, Plan, Refusal, Seen, Valid, drain, lint, plan, report,
    validate,
};
use crate::backoff::{self, Failures};
use crate::events::{Recorder, changes};
use crate::metrics::Metrics;
use crate::registry::Resolver;
use crate::signing::trust::Signing;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::Resource as _;
use morph_crds::{ConditionType, Morph, MorphStatus, Reason};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long to wait after something was written: its events come sooner, but not for what stayed as it was.
const SETTLE: Duration = Duration::from_millis(5_000);

/// What passes share.
pub struct Reconciler {
    pub(super) server: Server,
    applier: Applier,
    pub(super) resolver: Resolver,
    recorder: Recorder,
    cluster: String,
    fence: Option<Arc<Fence>>,
    signing: watch::Receiver<Option<Signing>>,
    resync: Duration,
    refused: Failures<String>,
}

/// When to look again, if nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After this time.
    After(Duration),
    /// Never: there is nothing to look at.
    Gone,
}

impl Reconciler {
    /// What passes share, in a cluster with this uid whose grants this key signs; with a fence, each Morph
    /// gets a NetworkPolicy.
    #[must_use]
    pub fn new(
        server: Server,
        resolver: Resolver,
        recorder: Recorder,
        cluster: String,
        fence: Option<Fence>,
        signing: watch::Receiver<Option<Signing>>,
        resync: Duration,
    ) -> Self {
        let applier = Applier::new(server.clone());
        let (fence, refused) = (fence.map(Arc::new), Failures::default());
        Self { server, applier, resolver, recorder, cluster, fence, signing, resync, refused }
    }

    /// Where passes are counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.server.metrics
    }

    /// One pass.
    ///
    /// # Errors
    /// The API server doesn't answer, or what was seen has changed meanwhile. All else is in the status.
    pub async fn reconcile(&self, namespace: &str, name: &str) -> Result<Next, CallError> {
        let Some(observed) = observe(&self.server, namespace, name).await? else { return Ok(Next::Gone) };
        if observed.morph.metadata.deletion_timestamp.is_some() {
            // The garbage collector takes the rest; a plan now would make it anew.
            self.forget(&observed.morph);
            return Ok(Next::Gone);
        }
        let Some(signing) = self.signing().await else { return Ok(Next::After(SETTLE)) };
        let looked = self.look(&observed).await?;
        let mut seen = Seen {
            morph: Arc::clone(&observed.morph),
            cluster: self.cluster.clone(),
            fence: self.fence.clone(),
            signer: Arc::clone(&signing.signer),
            trusted: Arc::clone(&signing.trusted),
            ceiling: observed.ceiling.clone(),
            resolution: looked.resolution,
            plugs: looked.plugs,
            composed: looked.composed,
            children: observed.children.clone(),
        };
        let judged = validate(&seen);
        let mut told = if is_remembered(&judged) { looked.inspectors } else { Vec::new() };
        if looked.moves && judged.is_ok() {
            // What a tag stood for is in status before anything is made of it: a crash can't lose it.
            self.dismiss(&mut told).await?;
            let pinned = self.write_status(&seen, &judged, &Applied::Not).await?;
            seen.morph = Arc::new(Morph { status: Some(pinned), ..Morph::clone(&seen.morph) });
        }
        let applied = match &judged {
            Ok(valid) => self.carry_out(&plan(valid, &seen), &seen, &observed).await?,
            Err(refusal) if refusal.drains => self.carry_out(&drain(&seen), &seen, &observed).await?,
            Err(_) => Applied::Not,
        };
        self.dismiss(&mut told).await?;
        self.write_status(&seen, &judged, &applied).await?;
        Ok(Next::After(self.wait(&observed.morph, looked.retry, &judged, &applied)))
    }

    /// What grants are signed with, once it is known: keys are published before they sign. Nothing if it
    /// never will be, since the process ends.
    async fn signing(&self) -> Option<Signing> {
        let mut signing = self.signing.clone();
        let known = signing.wait_for(Option::is_some).await.ok()?;
        known.clone()
    }

    async fn carry_out(&self, plan: &Plan, seen: &Seen, observed: &Observed) -> Result<Applied, CallError> {
        if let Err(broken) = lint(plan, seen) {
            let all = broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            tracing::error!(broken = all, "a plan breaks its own rules and is not applied");
            let message = format!("a mistake of the operator, please report it: {all}");
            let failure = Failure { reason: Reason::ApplyRefused, message, transient: false };
            return Ok(Applied::Failed(failure));
        }
        debug_assert!(plan.apply.iter().map(Object::kind).is_sorted(), "what others rest on comes first");
        let namespace = Identity::of(&seen.morph).namespace;
        self.applier.apply(&namespace, plan, &observed.live).await
    }

    /// Writes the status if it says anything new, and tells of what changed.
    async fn write_status(
        &self,
        seen: &Seen,
        judged: &Result<Valid, Refusal>,
        applied: &Applied,
    ) -> Result<MorphStatus, CallError> {
        let status = report(seen, judged, applied, Timestamp::now());
        let before = seen.morph.status.clone().unwrap_or_default();
        if status == before {
            return Ok(status);
        }
        let about = seen.morph.object_ref(&());
        self.patch_status(&about, &status).await?;
        self.recorder.tell(&about, &changes(&before.conditions, &status.conditions)).await;
        Ok(status)
    }

    /// By server-side apply: what we no longer say goes, what others say stays.
    async fn patch_status(&self, about: &ObjectReference, status: &MorphStatus) -> Result<(), CallError> {
        let (namespace, name) = (about.namespace.as_deref().unwrap_or_default(), about.name.as_deref());
        let name = name.unwrap_or_default();
        let patch = json!({
            "apiVersion": Morph::api_version(&()),
            "kind": Morph::kind(&()),
            "metadata": { "name": name, "namespace": namespace, "uid": about.uid },
            "status": status,
        });
        self.server.apply_status::<Morph>(namespace, name, &patch).await
    }

    fn wait(
        &self,
        morph: &Morph,
        retry: Option<Duration>,
        judged: &Result<Valid, Refusal>,
        applied: &Applied,
    ) -> Duration {
        let uid = morph.metadata.uid.clone().unwrap_or_default();
        if let Some(retry) = retry {
            return retry;
        }
        // A tag may be pushed anew, a name become free, a quota be raised: looked at again, ever less often.
        let may_pass = match judged {
            Err(refusal) => {
                let drained = !matches!(applied, Applied::Failed(_));
                refusal.transient || refusal.condition == ConditionType::Resolved || !drained
            }
            Ok(_) => matches!(applied, Applied::Failed(_)),
        };
        if may_pass {
            return backoff::wait(self.refused.add(uid), backoff::spread());
        }
        self.refused.clear(&uid);
        match applied {
            Applied::All { changed: true } => SETTLE,
            _ => backoff::jitter(self.resync, backoff::spread()),
        }
    }

    /// Deletes the pods that told what images are: before status says it, since no pass asks for them once it
    /// does, and no sooner, since a node would look once more after each pass that fails.
    async fn dismiss(&self, told: &mut Vec<Pod>) -> Result<(), CallError> {
        while let Some(pod) = told.last() {
            self.delete_pod(pod).await?;
            told.pop();
        }
        Ok(())
    }

    /// Deletes this very pod; it may be gone already. One that has changed meanwhile is an error, so that it
    /// is looked at again: once status says what it told, nobody would.
    pub(super) async fn delete_pod(&self, pod: &Pod) -> Result<(), CallError> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        match self.server.delete::<Pod>(namespace, &Doomed::of(&pod.metadata)).await {
            // One that has changed since is looked at once more; one that is gone is what was wanted.
            Err(error) if error.code() == Some(404) => Ok(()),
            done => done,
        }
    }

    fn forget(&self, morph: &Morph) {
        let uid = morph.metadata.uid.clone().unwrap_or_default();
        for part in morph.spec.parts() {
            self.resolver.forget(&uid, part.name);
        }
        self.refused.clear(&uid);
    }
}

/// Whether status will tell of all parts, so that nobody has to look again. It doesn't of parts that don't
/// fit together.
fn is_remembered(judged: &Result<Valid, Refusal>) -> bool {
    let found = judged.as_ref().map_or_else(|refusal| refusal.found.as_deref(), |valid| Some(&valid.found));
    found.is_some_and(|found| found.plugs.is_empty() || found.composed.is_some())
}
