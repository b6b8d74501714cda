//! One measure as an SVG: a bar for each side's median, a line for its spread. Pure text.

use crate::report::{MORPH, Measure, Side};
use std::fmt::Write as _;

/// Width of a picture, in pixels.
const WIDTH: f64 = 720.0;
/// Where bars begin: names stand left of it.
const LEFT: f64 = 150.0;
/// Where the longest bar ends: its figure stands right of it.
const RIGHT: f64 = 580.0;
/// Height of a bar's row, in pixels.
const ROW: f64 = 30.0;
/// Height of the title.
const TITLE: f64 = 34.0;

/// The picture.
#[must_use]
pub fn plot(measure: &Measure) -> String {
    let greatest = |side: &Side| side.figures.as_ref().map_or(0.0, |figures| figures.max());
    let most = measure.sides.iter().map(greatest).fold(f64::MIN_POSITIVE, f64::max);
    let height = (measure.sides.len() as f64).mul_add(ROW, TITLE) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"8\" y=\"20\" font-weight=\"bold\">{}</text>\n",
        escaped(&title(measure))
    );
    for (index, side) in measure.sides.iter().enumerate() {
        bar(&mut svg, measure, side, (index as f64).mul_add(ROW, TITLE), most);
    }
    svg.push_str("</svg>\n");
    svg
}

fn title(measure: &Measure) -> String {
    match measure.unit.sign() {
        "" => measure.name.clone(),
        sign => format!("{}, {sign}", measure.name),
    }
}

fn bar(svg: &mut String, measure: &Measure, side: &Side, top: f64, most: f64) {
    let middle = top + ROW / 2.0;
    let text = |x: f64, anchor: &str, words: &str| {
        let (y, words) = (middle + 4.5, escaped(words));
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n")
    };
    svg.push_str(&text(LEFT - 8.0, "end", &side.name));
    let Some(figures) = &side.figures else {
        svg.push_str(&text(LEFT, "start", "can't do this"));
        return;
    };
    let place = |figure: f64| (RIGHT - LEFT).mul_add(figure.max(0.0) / most, LEFT);
    let (min, median, max) = (place(figures.min()), place(figures.median()), place(figures.max()));
    let colour = if side.name == MORPH { "#1b6ca8" } else { "#a9b4be" };
    let width = median - LEFT;
    // Writing to a String can't fail.
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>",
        top + 5.0,
        ROW - 10.0
    );
    let _ = writeln!(
        svg,
        "<line x1=\"{min:.1}\" x2=\"{max:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#222222\" \
         stroke-width=\"1.5\"/>"
    );
    svg.push_str(&text(max + 8.0, "start", &measure.unit.number(figures.median())));
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests_support::report;

    fn svg() -> String {
        plot(&report().measures[0])
    }

    #[test]
    fn each_side_has_its_row_and_its_figure() {
        let svg = svg();
        for words in [">morph<", ">peer<", ">runc<", ">11.0<", ">81.0<", "start of a pod, ms"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        assert_eq!(svg.matches("<line ").count(), 2);
    }

    #[test]
    fn bars_are_as_long_as_their_medians() {
        let svg = svg();
        let width = |colour: &str| -> f64 {
            let line = svg.lines().find(|line| line.contains(colour)).unwrap_or_default();
            let after = line.split("width=\"").nth(1).unwrap_or_default();
            after.split('"').next().unwrap_or_default().parse().unwrap_or_default()
        };
        let (morph, peer) = (width("#1b6ca8"), width("#a9b4be"));
        assert!((peer / morph - 81.0 / 11.0).abs() < 0.05, "{morph} {peer}");
    }

    #[test]
    fn the_longest_line_ends_within_the_picture() {
        assert!(svg().contains(&format!("x2=\"{RIGHT:.1}\"")), "{}", svg());
    }

    #[test]
    fn a_side_without_figures_has_words_and_no_bar() {
        let svg = svg();
        assert!(svg.contains(">can't do this<"), "{svg}");
        assert_eq!(svg.matches("height=\"20\"").count(), 2, "{svg}");
    }

    #[test]
    fn names_can_not_leave_their_text() {
        assert_eq!(escaped("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
    }
}
