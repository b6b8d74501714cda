//! Runs sides in turn, A-B-A-B, so that whatever else the machine does befalls all of them alike. It knows
//! nothing of what is measured.

use crate::samples::Samples;
use anyhow::{Result, bail};

/// Least repetitions: below, a median says nothing.
pub const REPETITIONS_MIN: u32 = 5;

/// Rounds before the first that counts: caches fill, code is compiled.
const WARM_UP_ROUNDS: u32 = 1;

/// What a side's rounds gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Samples of each measure.
    Measured(Vec<Samples>),
    /// The side can't do the work.
    Unable(String),
}

/// One turn: whose, in which round, and whether its figures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Index of the side.
    pub side: usize,
    /// The round, from 0; warm-up rounds come first.
    pub round: u32,
    /// Whether it only warms up.
    pub is_warm_up: bool,
}

/// The order of turns.
pub fn order(sides: usize, repetitions: u32) -> impl Iterator<Item = Turn> {
    (0..WARM_UP_ROUNDS + repetitions).flat_map(move |round| {
        (0..sides).map(move |side| Turn { side, round, is_warm_up: round < WARM_UP_ROUNDS })
    })
}

/// Takes every turn. `measure` answers one figure for each measure; an error makes its side unable, and it
/// has no further turn.
///
/// # Errors
/// A measure that answers another count of figures than before.
pub async fn run(
    sides: usize,
    repetitions: u32,
    mut measure: impl AsyncFnMut(Turn) -> Result<Vec<f64>>,
) -> Result<Vec<Outcome>> {
    let mut found: Vec<Result<Vec<Vec<f64>>, String>> = vec![Ok(Vec::new()); sides];
    for turn in order(sides, repetitions) {
        let Ok(rows) = &mut found[turn.side] else { continue };
        match measure(turn).await {
            Ok(_) if turn.is_warm_up => {}
            Ok(figures) => rows.push(figures),
            Err(error) => found[turn.side] = Err(format!("{error:#}")),
        }
    }
    found.into_iter().map(|side| side.map_or_else(|why| Ok(Outcome::Unable(why)), columns)).collect()
}

/// From one row for each round to one column for each measure.
fn columns(rows: Vec<Vec<f64>>) -> Result<Outcome> {
    let measures = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != measures) {
        bail!("a round gave another count of figures than the first one: {rows:?}");
    }
    let column = |index: usize| Samples::new(rows.iter().map(|row| row[index]).collect());
    match (0..measures).map(column).collect::<Option<Vec<Samples>>>() {
        Some(samples) if !samples.is_empty() => Ok(Outcome::Measured(samples)),
        _ => bail!("no figures: {rows:?}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sides_take_turns_after_one_round_to_warm_up() {
        let turns: Vec<(usize, u32, bool)> =
            order(2, 2).map(|turn| (turn.side, turn.round, turn.is_warm_up)).collect();
        assert_eq!(
            turns,
            [(0, 0, true), (1, 0, true), (0, 1, false), (1, 1, false), (0, 2, false), (1, 2, false)]
        );
    }

    async fn outcomes(measure: impl AsyncFnMut(Turn) -> Result<Vec<f64>>) -> Result<Vec<Outcome>> {
        run(2, 3, measure).await
    }

    #[tokio::test]
    async fn figures_of_the_warm_up_do_not_count() {
        let found = outcomes(async |turn| Ok(vec![f64::from(turn.round), 7.0])).await.unwrap();
        let rounds = Samples::new(vec![1.0, 2.0, 3.0]).unwrap();
        let sevens = Samples::new(vec![7.0; 3]).unwrap();
        assert_eq!(found[0], Outcome::Measured(vec![rounds, sevens]));
        assert_eq!(found[0], found[1]);
    }

    #[tokio::test]
    async fn a_side_that_fails_has_no_further_turn_and_keeps_its_reason() {
        let mut turns = 0;
        let found = outcomes(async |turn| {
            if turn.side == 0 {
                return Ok(vec![1.0]);
            }
            turns += 1;
            bail!("no such program")
        })
        .await
        .unwrap();
        assert_eq!(turns, 1);
        assert_eq!(found[1], Outcome::Unable("no such program".into()));
        assert!(matches!(found[0], Outcome::Measured(_)));
    }

    #[tokio::test]
    async fn a_side_that_fails_late_has_no_figures_either() {
        let found = outcomes(async |turn| {
            if turn.side == 1 && turn.round == 2 {
                bail!("gone")
            }
            Ok(vec![1.0])
        })
        .await
        .unwrap();
        assert_eq!(found[1], Outcome::Unable("gone".into()));
    }

    #[tokio::test]
    async fn rounds_of_unequal_length_are_an_error() {
        let uneven = outcomes(async |turn| Ok(vec![1.0; turn.round as usize])).await;
        assert!(uneven.unwrap_err().to_string().contains("another count"));
        assert!(outcomes(async |_| Ok(Vec::new())).await.is_err());
    }
}
