//! Units of figures, and how many digits are worth showing.

use serde::{Deserialize, Serialize};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Nanoseconds.
    Nanos,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Mebibytes of memory.
    Mebibytes,
    /// Events in a second.
    PerSecond,
    /// Microseconds of processor time.
    CpuMicros,
    /// Things.
    Count,
}

impl Unit {
    /// Its sign.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Nanos => "ns",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Mebibytes => "MiB",
            Self::PerSecond => "/s",
            Self::CpuMicros => "µs CPU",
            Self::Count => "",
        }
    }

    /// A figure without its unit.
    #[must_use]
    pub fn number(self, figure: f64) -> String {
        match self {
            Self::Micros | Self::Mebibytes => format!("{figure:.2}"),
            Self::Count => format!("{figure:.0}"),
            Self::PerSecond if figure >= 100.0 => format!("{figure:.0}"),
            Self::Nanos | Self::Millis | Self::PerSecond | Self::CpuMicros => format!("{figure:.1}"),
        }
    }

    /// A figure with its unit.
    #[must_use]
    pub fn show(self, figure: f64) -> String {
        format!("{} {}", self.number(figure), self.sign()).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_show_the_digits_that_matter() {
        for (unit, figure, shown) in [
            (Unit::Nanos, 2.61, "2.6 ns"),
            (Unit::Micros, 0.254, "0.25 µs"),
            (Unit::Millis, 12.345, "12.3 ms"),
            (Unit::Mebibytes, 0.789, "0.79 MiB"),
            (Unit::PerSecond, 20_412.7, "20413 /s"),
            (Unit::PerSecond, 0.44, "0.4 /s"),
            (Unit::CpuMicros, 43.21, "43.2 µs CPU"),
            (Unit::Count, 3.0, "3"),
        ] {
            assert_eq!(unit.show(figure), shown);
        }
    }
}
