//! How long each step of a call took: one line of the log, where the log is that of debugging.

use std::fmt;
use std::time::Instant;

/// Steps of one call.
#[derive(Debug)]
pub(super) struct Laps {
    begun: Instant,
    last: Instant,
    steps: Vec<(&'static str, f64)>,
}

impl Laps {
    /// The call begins.
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, last: now, steps: Vec::new() }
    }

    /// A step ends, and the next begins.
    pub(super) fn lap(&mut self, step: &'static str) {
        let now = Instant::now();
        self.steps.push((step, millis(now - self.last)));
        self.last = now;
    }
}

fn millis(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl fmt::Display for Laps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, millis) in &self.steps {
            write!(f, "{step} {millis:.2} ms, ")?;
        }
        write!(f, "in all {:.2} ms", millis(self.last - self.begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn steps_are_told_in_their_order_and_in_all() {
        let begun = Instant::now();
        let laps = Laps {
            begun,
            last: begun + Duration::from_micros(3_500),
            steps: vec![("cgroup", 1.25), ("fork", 2.25)],
        };
        assert_eq!(laps.to_string(), "cgroup 1.25 ms, fork 2.25 ms, in all 3.50 ms");
        let mut laps = Laps::begin();
        laps.lap("one");
        laps.lap("two");
        let steps: Vec<&str> = laps.steps.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, ["one", "two"]);
    }
}
