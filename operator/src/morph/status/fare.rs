//! How the object that runs a Morph's pods fares: a Deployment, a Job or a CronJob, in a Morph's words.

use super::super::plan;
use super::super::validate::Valid;
use super::super::{Applied, Child, ChildKind, ChildState, Identity, JobEnd, Seen};
use morph_crds::Reason;

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: &'static str,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Verdict {
    pub(super) fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: "True", reason, message: message.into() }
    }

    pub(super) fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: "False", reason, message: message.into() }
    }

    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self { status: "Unknown", reason: Reason::Pending, message: message.into() }
    }
}

/// Where it is going, as kstatus asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trend {
    /// There is nothing left to do.
    Settled,
    /// Work goes on.
    Moving,
    /// The last attempt went wrong; another follows.
    Retrying,
    /// Only a change by somebody helps.
    Stalled,
}

/// How it fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fare {
    /// Whether there is such an object.
    pub(super) exists: bool,
    /// Pods that exist.
    pub(super) pods: i32,
    pub(super) available: Verdict,
    pub(super) ready: Verdict,
    pub(super) trend: Trend,
}

impl Fare {
    /// One verdict for both conditions.
    fn same(pods: i32, verdict: Verdict, trend: Trend) -> Self {
        Self { exists: true, pods, available: verdict.clone(), ready: verdict, trend }
    }
}

/// How the Morph's pods fare. Without a valid Morph it is about those that an earlier spec left serving.
pub(super) fn fare(seen: &Seen, valid: Option<&Valid>, identity: &Identity, applied: &Applied) -> Fare {
    let changed = matches!(applied, Applied::All { changed: true });
    let workload = valid.map(plan::workload);
    let of_kind = |kind| matches!(kind, ChildKind::Deployment | ChildKind::Job | ChildKind::CronJob);
    let mut owned = seen.children.owned(&identity.uid).filter(|child| of_kind(child.kind) && !child.deleting);
    let child = owned.find(|child| {
        workload.as_ref().is_none_or(|(kind, name)| (child.kind, &child.name) == (*kind, name))
    });
    let Some(child) = child else { return missing(workload.map(|(kind, _)| kind)) };
    match &child.state {
        ChildState::Plain => missing(Some(child.kind)),
        ChildState::Deployment { .. } => server(child, valid.map(|valid| valid.spec.replicas), changed),
        ChildState::Job { .. } => job(child, changed),
        ChildState::CronJob { .. } => cron_job(child, changed),
    }
}

fn missing(kind: Option<ChildKind>) -> Fare {
    let message = format!("the {} is being made", kind.map_or("workload", ChildKind::as_str));
    let available = Verdict::no(Reason::PodsUnavailable, message.clone());
    let ready = Verdict::no(Reason::Progressing, message);
    Fare { exists: false, pods: 0, available, ready, trend: Trend::Moving }
}

fn server(child: &Child, asked: Option<i32>, changed: bool) -> Fare {
    let ChildState::Deployment { observed, desired, existing, updated, available, stuck, refused } =
        &child.state
    else {
        return missing(Some(child.kind));
    };
    let wanted = asked.unwrap_or(*desired);
    let rolled_out = *observed && !changed && *updated >= wanted && *existing <= wanted;
    let serving = if wanted == 0 {
        Verdict::yes(Reason::ScaledToZero, "no pod is asked for")
    } else if *available >= wanted {
        Verdict::yes(Reason::PodsAvailable, format!("{available} of {wanted} pods serve"))
    } else {
        let of = format!("{available} of {wanted} pods serve");
        let why = refused.as_ref().map_or(String::new(), |why| format!("; pods are refused: {why}"));
        Verdict::no(Reason::PodsUnavailable, of + &why)
    };
    let (ready, trend) = match (stuck, refused) {
        (Some(why), _) if !changed && *observed => (
            Verdict::no(Reason::RolloutFailed, format!("the roll-out does not get on: {why}")),
            Trend::Stalled,
        ),
        (_, Some(why)) if !changed && *observed => {
            (Verdict::no(Reason::RolloutFailed, format!("pods are refused: {why}")), Trend::Retrying)
        }
        _ if wanted == 0 && rolled_out => (serving.clone(), Trend::Settled),
        _ if !rolled_out => {
            let message = format!("{updated} of {wanted} pods are of the newest template, {existing} exist");
            (Verdict::no(Reason::Progressing, message), Trend::Moving)
        }
        _ if *available >= wanted => (Verdict::yes(Reason::Ready, serving.message.clone()), Trend::Settled),
        _ => (serving.clone(), Trend::Moving),
    };
    Fare { exists: true, pods: *existing, available: serving, ready, trend }
}

fn job(child: &Child, changed: bool) -> Fare {
    let ChildState::Job { suspended, active, succeeded, failed, end } = &child.state else {
        return missing(Some(child.kind));
    };
    let counts = format!("{succeeded} succeeded, {failed} failed, {active} running");
    match end {
        Some(JobEnd::Succeeded) => {
            Fare::same(*active, Verdict::yes(Reason::CommandSucceeded, counts), Trend::Settled)
        }
        Some(JobEnd::Failed { reason, message }) => {
            let message = format!("{reason}: {message} ({counts})");
            Fare::same(*active, Verdict::no(Reason::CommandFailed, message), Trend::Stalled)
        }
        // It has not run, and only who suspended it can make it go on.
        None if *suspended && !changed => {
            Fare::same(*active, Verdict::no(Reason::CommandSuspended, counts), Trend::Stalled)
        }
        None => {
            let available = if active + succeeded > 0 {
                Verdict::yes(Reason::CommandRunning, counts.clone())
            } else {
                Verdict::no(Reason::PodsUnavailable, counts.clone())
            };
            let ready = Verdict::no(Reason::CommandRunning, counts);
            Fare { exists: true, pods: *active, available, ready, trend: Trend::Moving }
        }
    }
}

fn cron_job(child: &Child, changed: bool) -> Fare {
    let ChildState::CronJob { suspended, active, last_schedule, last_success } = &child.state else {
        return missing(Some(child.kind));
    };
    let last = match (last_schedule, last_success) {
        (None, _) => "has not run yet".to_owned(),
        (Some(started), _) if *active > 0 => format!("last started at {started}, {active} running"),
        // Times of one form and zone: their texts are ordered as they are.
        (Some(started), Some(ended)) if ended >= started => format!("last succeeded at {ended}"),
        (Some(started), _) => format!("last started at {started}, and did not succeed"),
    };
    let reason = if *suspended { Reason::CommandSuspended } else { Reason::CommandScheduled };
    let available = Verdict::yes(reason, last.clone());
    let (ready, trend) = if changed {
        (Verdict::no(Reason::Progressing, last), Trend::Moving)
    } else {
        (available.clone(), Trend::Settled)
    };
    Fare { exists: true, pods: *active, available, ready, trend }
}
