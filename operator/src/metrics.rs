//! What Prometheus is told: one place that names every metric. Serving them is `health.rs`.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A label and its value; values are words of ours, so that no user makes a new series.
pub type Label = (&'static str, &'static str);

/// A label and its value where the value is a node's word.
type Word = (&'static str, String);

/// Different pairs of capability and rule that have a series of their own. The host knows fewer; a node that lies
/// gets no more.
pub const DENIAL_SERIES_MAX: usize = 128;

/// What is counted once there is no room for another series.
const OTHER: &str = "other";

/// Every metric of the operator.
pub struct Metrics {
    registry: Registry,
    /// 1 while this replica leads.
    pub leader: Gauge,
    /// Passes over a Morph, by result.
    pub reconciles: Family<[Label; 1], Counter>,
    /// How long a pass takes.
    pub reconcile_seconds: Histogram,
    /// Writes to the API server, by verb and resource.
    pub writes: Family<[Label; 2], Counter>,
    /// What became of images that were looked for in a registry.
    pub resolutions: Family<[Label; 1], Counter>,
    /// Events that could not be written.
    pub events_lost: Counter,
    /// Objects deleted because their Morph is gone, by resource.
    pub swept: Family<[Label; 1], Counter>,
    /// Sweeps that came to an error.
    pub sweeps_failed: Counter,
    /// Errors of watches; each is tried again.
    pub watch_errors: Counter,
    /// What was refused to guests, by capability and rule.
    denials: Family<[Word; 2], Counter>,
    denial_series: Mutex<BTreeSet<(String, String)>>,
    /// Reports of denials that came to no Event, by reason.
    pub denials_refused: Family<[Label; 1], Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("morph_operator");
        // 5 ms to 2.7 min: from a pass that reads to one that pulls a large component.
        let reconcile_seconds = Histogram::new(exponential_buckets(0.005, 2.0, 16));
        let all = Self {
            registry: Registry::default(),
            leader: Gauge::default(),
            reconciles: Family::default(),
            reconcile_seconds,
            writes: Family::default(),
            resolutions: Family::default(),
            events_lost: Counter::default(),
            swept: Family::default(),
            sweeps_failed: Counter::default(),
            watch_errors: Counter::default(),
            denials: Family::default(),
            denial_series: Mutex::default(),
            denials_refused: Family::default(),
        };
        registry.register("leader", "1 while this replica leads", all.leader.clone());
        registry.register("reconciles", "Passes over a Morph, by result", all.reconciles.clone());
        let help = "How long a pass over a Morph takes";
        registry.register("reconcile_seconds", help, all.reconcile_seconds.clone());
        registry.register("writes", "Writes to the API server, by verb and resource", all.writes.clone());
        let help = "Images looked for in a registry, by what became of it";
        registry.register("resolutions", help, all.resolutions.clone());
        registry.register("events_lost", "Events that could not be written", all.events_lost.clone());
        let help = "Objects deleted because their Morph is gone, by resource";
        registry.register("swept", help, all.swept.clone());
        registry.register("sweeps_failed", "Sweeps that came to an error", all.sweeps_failed.clone());
        registry.register("watch_errors", "Errors of watches", all.watch_errors.clone());
        let help = "What was refused to guests, by capability and rule";
        registry.register("denials", help, all.denials.clone());
        let help = "Reports of denials that came to no Event, by reason";
        registry.register("denials_refused", help, all.denials_refused.clone());
        Self { registry, ..all }
    }
}

impl Metrics {
    /// One write to the API server.
    pub fn wrote(&self, verb: &'static str, resource: &'static str) {
        self.writes.get_or_create(&[("verb", verb), ("resource", resource)]).inc();
    }

    /// One pass over a Morph.
    pub fn reconciled(&self, result: &'static str, seconds: f64) {
        self.reconciles.get_or_create(&[("result", result)]).inc();
        self.reconcile_seconds.observe(seconds);
    }

    /// One look into a registry.
    pub fn resolved(&self, result: &'static str) {
        self.resolutions.get_or_create(&[("result", result)]).inc();
    }

    /// One denial of which a node told.
    pub fn denied(&self, capability: &str, rule: &str) {
        let kind = (capability.to_owned(), rule.to_owned());
        let mut series = self.denial_series.lock().unwrap_or_else(PoisonError::into_inner);
        let known = series.contains(&kind) || series.len() < DENIAL_SERIES_MAX && series.insert(kind.clone());
        let (capability, rule) = if known { kind } else { (OTHER.to_owned(), OTHER.to_owned()) };
        self.denials.get_or_create(&[("capability", capability), ("rule", rule)]).inc();
    }

    /// All of them in the text form of OpenMetrics.
    ///
    /// # Errors
    /// None that a text could cause; the encoder's signature has one.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.leader.set(1);
        metrics.wrote("patch", "deployments");
        metrics.wrote("patch", "deployments");
        metrics.reconciled("done", 0.004);
        metrics.resolved("ImageResolved");
        let text = metrics.text().unwrap();
        for line in [
            "morph_operator_leader 1",
            "morph_operator_writes_total{verb=\"patch\",resource=\"deployments\"} 2",
            "morph_operator_reconciles_total{result=\"done\"} 1",
            "morph_operator_reconcile_seconds_bucket{le=\"0.005\"} 1",
            "morph_operator_resolutions_total{result=\"ImageResolved\"} 1",
            "morph_operator_events_lost_total 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_metric_has_its_help() {
        let metrics = Metrics::default();
        metrics.wrote("patch", "services");
        metrics.reconciled("done", 0.1);
        metrics.resolved("ImageResolved");
        metrics.swept.get_or_create(&[("resource", "pods")]).inc();
        metrics.denied("http", "host");
        metrics.denials_refused.get_or_create(&[("reason", "pod")]).inc();
        let text = metrics.text().unwrap();
        let helps = text.lines().filter(|line| line.starts_with("# HELP")).count();
        let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!((helps, types), (11, 11), "{text}");
    }

    #[test]
    fn nodes_that_invent_rules_make_so_many_series() {
        let metrics = Metrics::default();
        for n in 0..1_000 {
            metrics.denied("http", &format!("rule-{n}"));
        }
        metrics.denied("http", "rule-0");
        let text = metrics.text().unwrap();
        let series = text.lines().filter(|line| line.starts_with("morph_operator_denials_total{"));
        assert_eq!(series.count(), DENIAL_SERIES_MAX + 1);
        let first = "morph_operator_denials_total{capability=\"http\",rule=\"rule-0\"} 2";
        assert!(text.contains(first), "{text}");
        let rest = format!("capability=\"other\",rule=\"other\"}} {}", 1_000 - DENIAL_SERIES_MAX);
        assert!(text.contains(&rest), "{text}");
    }
}
