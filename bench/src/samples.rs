//! Figures of one side, and what is said of them: the median and how far they spread.

use serde::{Deserialize, Serialize};

/// Figures in the order in which they were taken; at least one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Samples(Vec<f64>);

impl Samples {
    /// `None` of no figures, or of one that isn't a finite number.
    #[must_use]
    pub fn new(figures: Vec<f64>) -> Option<Self> {
        let are_numbers = figures.iter().all(|figure| figure.is_finite());
        (are_numbers && !figures.is_empty()).then_some(Self(figures))
    }

    /// The middle one; of an even count, the mean of the two in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    /// The least.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.sorted()[0]
    }

    /// The greatest.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.sorted()[self.0.len() - 1]
    }

    /// All, as they were taken.
    #[must_use]
    pub fn all(&self) -> &[f64] {
        &self.0
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl TryFrom<Vec<f64>> for Samples {
    type Error = &'static str;

    fn try_from(figures: Vec<f64>) -> Result<Self, Self::Error> {
        Self::new(figures).ok_or("figures are finite numbers, at least one")
    }
}

impl From<Samples> for Vec<f64> {
    fn from(samples: Samples) -> Self {
        samples.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn samples(figures: &[f64]) -> Samples {
        Samples::new(figures.to_vec()).unwrap()
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(samples(&[9.0, 1.0, 5.0]).median(), 5.0);
        assert_eq!(samples(&[7.0]).median(), 7.0);
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert_eq!(samples(&[10.0, 1.0, 2.0, 4.0]).median(), 3.0);
    }

    #[test]
    fn one_slow_run_moves_the_spread_and_not_the_median() {
        let figures = samples(&[10.0, 11.0, 900.0, 10.5, 10.2]);
        assert_eq!(figures.median(), 10.5);
        assert_eq!((figures.min(), figures.max()), (10.0, 900.0));
    }

    #[test]
    fn figures_stay_in_their_order() {
        assert_eq!(samples(&[3.0, 1.0, 2.0]).all(), [3.0, 1.0, 2.0]);
    }

    #[test]
    fn no_figure_and_no_number_make_no_samples() {
        for figures in [vec![], vec![f64::NAN], vec![1.0, f64::INFINITY]] {
            assert_eq!(Samples::new(figures), None);
        }
    }

    #[test]
    fn a_record_without_figures_is_refused() {
        assert!(serde_json::from_str::<Samples>("[]").is_err());
        assert_eq!(serde_json::from_str::<Samples>("[1.5]").unwrap(), samples(&[1.5]));
    }
}
