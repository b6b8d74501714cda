//! Leader election by a Lease, as client-go does it: only who holds the lease works. One that can't renew it
//! in time is an error, which ends the process. Remote clocks are never compared with ours.

use crate::metrics::Metrics;
use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Name of the Lease.
pub const LEASE_NAME: &str = "morph-operator";

/// How long a lease holds after its last renewal, in seconds. Others take it then.
pub const LEASE_SECONDS: i32 = 15;

/// How long the holder tries to renew before it gives up, in milliseconds; below [`LEASE_SECONDS`]: two
/// never hold it at once, whatever the clocks say.
pub const RENEW_MS_MAX: u64 = 10_000;

/// Time between two tries, in milliseconds.
pub const RETRY_MS: u64 = 2_000;

/// How long one request may take, in milliseconds.
pub const REQUEST_MS_MAX: u64 = 5_000;

/// One replica's part in the election.
pub struct Leader {
    api: Api<Lease>,
    identity: String,
    observed: Option<Observed>,
    elected: watch::Sender<bool>,
    metrics: Arc<Metrics>,
}

/// What was last seen of the lease, and since when it looks like that by our own clock.
#[derive(Debug, Clone)]
struct Observed {
    lease: Lease,
    since: Instant,
}

/// What to do about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// There is none.
    Create,
    /// It is free or has run out.
    Take,
    /// It is ours.
    Renew,
    /// Somebody else holds it.
    Wait,
}

fn decide(observed: Option<&Observed>, identity: &str, now: Instant) -> Decision {
    let Some(observed) = observed else { return Decision::Create };
    let spec = observed.lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    if holder == identity {
        return Decision::Renew;
    }
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(LEASE_SECONDS);
    let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if holder.is_empty() || now.duration_since(observed.since) >= duration {
        return Decision::Take;
    }
    Decision::Wait
}

/// The lease as `identity` writes it.
fn written(before: Option<&Lease>, identity: &str, now: Timestamp) -> Lease {
    let old = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let is_ours = old.holder_identity.as_deref() == Some(identity);
    let transitions = old.lease_transitions.unwrap_or(0);
    let spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(LEASE_SECONDS),
        acquire_time: if is_ours { old.acquire_time } else { Some(MicroTime(now)) },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(match before {
            Some(_) if !is_ours => transitions.saturating_add(1),
            _ => transitions,
        }),
        ..LeaseSpec::default()
    };
    let metadata = before.map_or_else(
        || ObjectMeta { name: Some(LEASE_NAME.to_owned()), ..ObjectMeta::default() },
        |lease| lease.metadata.clone(),
    );
    Lease { metadata, spec: Some(spec) }
}

impl Leader {
    /// A replica that takes part; `elected` is told when it leads.
    #[must_use]
    pub fn new(
        api: Api<Lease>,
        identity: String,
        elected: watch::Sender<bool>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { api, identity, observed: None, elected, metrics }
    }

    /// Waits for the lease, holds it, and gives it back when told to stop.
    ///
    /// # Errors
    /// The lease is lost.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            match self.try_hold().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = format!("{error:#}"), "lease can't be had"),
            }
            if wait_or_stop(&stop).await {
                return Ok(());
            }
        }
        tracing::info!(identity = self.identity, "leading");
        self.metrics.leader.set(1);
        self.elected.send_replace(true);
        let held = self.hold(&stop).await;
        self.elected.send_replace(false);
        self.metrics.leader.set(0);
        held?;
        self.release().await
    }

    /// Renews until told to stop.
    async fn hold(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut renewed = Instant::now();
        while !wait_or_stop(stop).await {
            // The clock starts before the request: the server counts from its arrival.
            let started = Instant::now();
            let deadline = renewed + Duration::from_millis(RENEW_MS_MAX);
            match tokio::time::timeout_at(deadline, self.try_hold()).await {
                Ok(Ok(true)) => renewed = started,
                Ok(Ok(false)) => anyhow::bail!("the lease is lost: somebody else holds it"),
                Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "lease is not renewed"),
                Err(_) => anyhow::bail!("the lease is lost: not renewed for {RENEW_MS_MAX} ms"),
            }
        }
        Ok(())
    }

    /// One try to take or renew the lease: whether it is ours now.
    async fn try_hold(&mut self) -> anyhow::Result<bool> {
        let limit = Duration::from_millis(REQUEST_MS_MAX);
        tokio::time::timeout(limit, self.try_hold_now())
            .await
            .context("the API server doesn't answer in time")?
    }

    async fn try_hold_now(&mut self) -> anyhow::Result<bool> {
        let found = self.api.get_opt(LEASE_NAME).await.context("get lease")?;
        self.observe(found);
        let decision = decide(self.observed.as_ref(), &self.identity, Instant::now());
        let lease = written(self.observed.as_ref().map(|seen| &seen.lease), &self.identity, Timestamp::now());
        let params = PostParams::default();
        let written = match decision {
            Decision::Wait => return Ok(false),
            Decision::Create => self.api.create(&params, &lease).await,
            // The resourceVersion in it makes this fail if somebody else was faster.
            Decision::Take | Decision::Renew => self.api.replace(LEASE_NAME, &params, &lease).await,
        };
        match written {
            Ok(lease) => {
                self.observe(Some(lease));
                Ok(true)
            }
            // Seen anew at the next try: it is ours still, or somebody else's.
            Err(kube::Error::Api(status)) if status.code == 409 && decision == Decision::Renew => {
                Err(kube::Error::Api(status)).context("renew lease")
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error).context("write lease"),
        }
    }

    fn observe(&mut self, found: Option<Lease>) {
        let Some(lease) = found else {
            self.observed = None;
            return;
        };
        let version = |lease: &Lease| (lease.metadata.uid.clone(), lease.metadata.resource_version.clone());
        if self.observed.as_ref().is_none_or(|seen| version(&seen.lease) != version(&lease)) {
            self.observed = Some(Observed { lease, since: Instant::now() });
        }
    }

    /// Gives the lease back, so that the next one needn't wait for its end.
    async fn release(&mut self) -> anyhow::Result<()> {
        let Some(observed) = &self.observed else { return Ok(()) };
        let mut lease = observed.lease.clone();
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let limit = Duration::from_millis(SERVICE_RELEASE_MS_MAX);
        let params = PostParams::default();
        let replaced = self.api.replace(LEASE_NAME, &params, &lease);
        tokio::time::timeout(limit, replaced)
            .await
            .context("the API server doesn't answer in time")?
            .context("release lease")?;
        tracing::info!("lease released");
        Ok(())
    }
}

/// How long giving the lease back may take, in milliseconds; below the supervisor's limit for services.
const SERVICE_RELEASE_MS_MAX: u64 = 4_000;

/// Waits for the next try; whether to stop instead.
async fn wait_or_stop(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(Duration::from_millis(RETRY_MS)) => false,
    }
}

#[cfg(test)]
mod tests;
