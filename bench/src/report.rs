//! What a row's run says: each measure with a line for each side, ratios, and what became of the targets. It
//! measures nothing and prints nothing.

use crate::rounds::Outcome;
use crate::samples::Samples;
use crate::target::{Judged, Target, Verdict};
use crate::unit::Unit;
use serde::{Deserialize, Serialize};

/// The side that targets are about. It comes first in every row.
pub const MORPH: &str = "morph";

/// One thing that a row measures of every side.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// What Morph's must be.
    pub targets: Vec<Target>,
}

impl Asked {
    /// A measure with its targets.
    #[must_use]
    pub fn new(name: &'static str, unit: Unit, targets: Vec<Target>) -> Self {
        Self { name, unit, targets }
    }
}

/// A row of targets, run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The row's name.
    pub row: String,
    /// The work that was done.
    pub work: String,
    /// What was found.
    pub measures: Vec<Measure>,
    /// Why the row was not run, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

/// One measure of every side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// Each side's.
    pub sides: Vec<Side>,
    /// What became of the targets.
    pub targets: Vec<Judged>,
}

/// A side's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// What was measured, in the order of rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Samples>,
    /// Why there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unable: Option<String>,
}

impl Report {
    /// Puts together what was asked and what the rounds gave.
    #[must_use]
    pub fn new(row: &str, work: String, asked: &[Asked], sides: &[(&str, Outcome)]) -> Self {
        let measure = |(index, asked)| Measure::new(index, asked, sides);
        let measures = asked.iter().enumerate().map(measure).collect();
        Self { row: row.into(), work, measures, absent: None }
    }

    /// A row that was not run.
    #[must_use]
    pub fn absent(row: &str, why: String) -> Self {
        Self { row: row.into(), work: "not run".into(), measures: Vec::new(), absent: Some(why) }
    }

    /// Adds what another run of the same row gave.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.measures.extend(other.measures);
        self
    }

    /// Whether a target was missed, or Morph itself couldn't do the work.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        let missed = |measure: &Measure| {
            let unable = measure.sides.iter().any(|side| side.name == MORPH && side.figures.is_none());
            unable || measure.targets.iter().any(|judged| judged.verdict == Verdict::Missed)
        };
        self.measures.iter().any(missed)
    }

    /// Lines for a terminal.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}  {}", self.row, self.work)];
        lines.extend(self.absent.iter().map(|why| format!("  {why}")));
        for measure in &self.measures {
            lines.push(format!("  {}", measure.name));
            lines.extend(measure.sides.iter().map(|side| format!("    {}", measure.line(side))));
            lines.extend(measure.targets.iter().map(|judged| format!("    {}", target_line(judged))));
        }
        lines
    }
}

/// A target with its verdict.
fn target_line(judged: &Judged) -> String {
    let verdict = match judged.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::Unjudged => "not judged",
    };
    format!("target {}: {verdict}", judged.text)
}

impl Measure {
    fn new(index: usize, asked: &Asked, sides: &[(&str, Outcome)]) -> Self {
        let side = |(name, outcome): &(&str, Outcome)| match outcome {
            Outcome::Measured(samples) => {
                let figures = samples.get(index).cloned();
                let unable = figures.is_none().then(|| "it has no such figure".to_owned());
                Side { name: (*name).into(), figures, unable }
            }
            Outcome::Unable(why) => Side { name: (*name).into(), figures: None, unable: Some(why.clone()) },
        };
        let sides: Vec<Side> = sides.iter().map(side).collect();
        let median =
            |name: &str| sides.iter().find(|side| side.name == name)?.figures.as_ref().map(Samples::median);
        let judge =
            |target: &Target| Some(target.judge(asked.unit, median(MORPH)?, target.side().and_then(median)));
        let targets = asked.targets.iter().filter_map(judge).collect();
        Self { name: asked.name.into(), unit: asked.unit, targets, sides }
    }

    /// Morph's median, if it has one.
    #[must_use]
    pub fn morph(&self) -> Option<f64> {
        let side = self.sides.iter().find(|side| side.name == MORPH)?;
        side.figures.as_ref().map(Samples::median)
    }

    fn line(&self, side: &Side) -> String {
        let Some(figures) = &side.figures else {
            let why = side.unable.as_deref().unwrap_or("no reason is known");
            return format!("{:<16} can't do this: {why}", side.name);
        };
        let median = self.unit.show(figures.median());
        let (min, max) = (self.unit.number(figures.min()), self.unit.number(figures.max()));
        let spread = format!("{min} to {max}, n={}", figures.all().len());
        let line = format!("{:<16} {median:>14}  ({spread})", side.name);
        match self.ratio(side) {
            Some(ratio) => format!("{line}  {ratio:.2}× morph"),
            None => line,
        }
    }

    /// A peer's median as so many times Morph's.
    #[must_use]
    pub fn ratio(&self, side: &Side) -> Option<f64> {
        let morph = self.morph().filter(|morph| *morph > 0.0 && side.name != MORPH)?;
        Some(side.figures.as_ref()?.median() / morph)
    }
}

/// A report for the tests of what shows reports.
#[cfg(test)]
pub(crate) mod tests_support {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One measure of three sides, the last of which can't do the work; one target is met and one missed.
    pub(crate) fn report() -> Report {
        let measured = |figures: &[f64]| Outcome::Measured(vec![Samples::new(figures.to_vec()).unwrap()]);
        let targets = vec![Target::AtMost { value: 12.0 }, Target::times_less("peer", 9.0)];
        let asked = [Asked::new("start of a pod", Unit::Millis, targets)];
        let sides = [
            (MORPH, measured(&[10.0, 11.0, 30.0])),
            ("peer", measured(&[80.0, 82.0, 81.0])),
            ("runc", Outcome::Unable("a < b & \"c\"".into())),
        ];
        Report::new("P1", "one pod".into(), &asked, &sides)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn measured(figures: &[f64]) -> Outcome {
        Outcome::Measured(vec![Samples::new(figures.to_vec()).unwrap()])
    }

    fn report(targets: Vec<Target>, sides: &[(&str, Outcome)]) -> Report {
        let asked = [Asked::new("start", Unit::Millis, targets)];
        Report::new("P1", "work".into(), &asked, sides)
    }

    fn peers(morph: &[f64], peer: Outcome) -> Vec<(&'static str, Outcome)> {
        vec![(MORPH, measured(morph)), ("peer", peer)]
    }

    #[test]
    fn each_side_has_a_line_with_median_spread_and_ratio() {
        let target = Target::times_less("peer", 2.0);
        let lines = report(vec![target], &peers(&[10.0, 12.0, 11.0], measured(&[33.0]))).lines();
        assert_eq!(
            lines,
            [
                "P1  work",
                "  start",
                "    morph                   11.0 ms  (10.0 to 12.0, n=3)",
                "    peer                    33.0 ms  (33.0 to 33.0, n=1)  3.00× morph",
                "    target peer takes ≥ 2×: 3.00×: met",
            ]
        );
    }

    #[test]
    fn a_peer_that_can_not_do_the_work_is_reported_and_fails_nothing() {
        let target = Target::times_less("peer", 2.0);
        let found = report(vec![target], &peers(&[1.0], Outcome::Unable("no such program".into())));
        assert!(!found.is_missed());
        let text = found.lines().join("\n");
        assert!(text.contains("can't do this: no such program"), "{text}");
        assert!(text.contains("no figure of peer: not judged"), "{text}");
    }

    #[test]
    fn a_missed_target_is_a_miss() {
        let target = |times| vec![Target::times_less("peer", times)];
        let sides = peers(&[10.0], measured(&[50.0]));
        assert!(!report(target(5.0), &sides).is_missed());
        let found = report(target(5.1), &sides);
        assert!(found.is_missed());
        assert!(found.lines().join("\n").contains("MISSED"));
    }

    #[test]
    fn morph_itself_unable_is_a_miss_without_any_target() {
        let sides = [(MORPH, Outcome::Unable("refused".into())), ("peer", measured(&[1.0]))];
        assert!(report(Vec::new(), &sides).is_missed());
    }

    #[test]
    fn a_figure_that_a_side_does_not_have_is_no_zero() {
        let asked = [
            Asked::new("start", Unit::Millis, Vec::new()),
            Asked::new("memory", Unit::Mebibytes, vec![Target::share_of("peer", 1.0)]),
        ];
        let one = Samples::new(vec![1.0]).unwrap();
        let sides = [(MORPH, Outcome::Measured(vec![one.clone(), one])), ("peer", measured(&[2.0]))];
        let found = Report::new("P1", "work".into(), &asked, &sides);
        assert_eq!(found.measures[1].sides[1].figures, None);
        assert_eq!(found.measures[1].targets[0].verdict, Verdict::Unjudged);
    }

    #[test]
    fn two_runs_of_a_row_are_one_report() {
        let one = report(Vec::new(), &peers(&[1.0], measured(&[2.0])));
        let both =
            one.clone().and(report(vec![Target::AtMost { value: 0.5 }], &peers(&[1.0], measured(&[2.0]))));
        assert_eq!(both.measures.len(), 2);
        assert!(both.is_missed() && !one.is_missed());
    }

    #[test]
    fn a_row_that_was_not_run_says_why_and_has_missed_nothing() {
        let absent = Report::absent("P12", "no cluster".into());
        assert_eq!(absent.lines(), ["P12  not run", "  no cluster"]);
        assert!(!absent.is_missed());
        let kept: Report = serde_json::from_str(&serde_json::to_string(&absent).unwrap()).unwrap();
        assert_eq!(kept, absent);
    }

    #[test]
    fn a_ratio_is_the_peers_by_morphs() {
        let found = report(Vec::new(), &peers(&[4.0], measured(&[10.0])));
        let measure = &found.measures[0];
        assert_eq!(measure.ratio(&measure.sides[1]), Some(2.5));
        assert_eq!(measure.ratio(&measure.sides[0]), None);
    }
}
