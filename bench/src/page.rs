//! A record as a short page: tables for people, a picture for each measure. Pure text.

use crate::plot::plot;
use crate::record::Record;
use crate::report::{Measure, Report, Side};
use crate::target::{Judged, Verdict};
use std::fmt::Write as _;

/// A page and its pictures.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Markdown.
    pub text: String,
    /// Name of a picture's file, and its SVG.
    pub pictures: Vec<(String, String)>,
}

/// Makes the page; pictures are looked for in a directory beside it.
#[must_use]
pub fn page(record: &Record, pictures: &str) -> Page {
    let mut page = Page { text: head(record), pictures: Vec::new() };
    for row in &record.rows {
        add_row(&mut page, row, pictures);
    }
    page
}

fn head(record: &Record) -> String {
    let mut text = format!(
        "<!-- Made by `morph-bench page` from a record of `morph-bench all`. Do not edit. -->\n\
         # Performance\n\n\
         Measured {} on {}. Sides take turns in one run; each figure is the median of its rounds, with the \
         least and the greatest. Times of different machines can't be compared: ratios within a run can. \
         Memory is the proportional set size of every process that belongs to a pod.\n\n\
         `cargo run --release -p morph-bench -- all` takes them anew.\n",
        record.begun,
        record.machine.line()
    );
    if !record.programs.is_empty() {
        text.push_str("\n| program | SHA-256 |\n|---|---|\n");
        for (name, digest) in &record.programs {
            let _ = writeln!(text, "| {name} | `{digest}` |");
        }
    }
    text
}

fn add_row(page: &mut Page, row: &Report, pictures: &str) {
    let _ = write!(page.text, "\n## {}: {}\n", row.row, row.work);
    if let Some(why) = &row.absent {
        let _ = write!(page.text, "\n{why}\n");
    }
    for (index, measure) in row.measures.iter().enumerate() {
        let file = format!("{}-{}.svg", row.row.to_lowercase(), index + 1);
        let _ = write!(page.text, "\n### {}\n\n![{0}]({pictures}/{file})\n\n", measure.name);
        page.text.push_str("| | median | least to greatest | beside Morph |\n|---|---|---|---|\n");
        for side in &measure.sides {
            page.text.push_str(&side_line(measure, side));
        }
        page.text.push('\n');
        for judged in &measure.targets {
            let _ = writeln!(page.text, "- {}", target_line(judged));
        }
        page.pictures.push((file, plot(measure)));
    }
}

fn side_line(measure: &Measure, side: &Side) -> String {
    let Some(figures) = &side.figures else {
        // A reason may have lines and bars, which would end the table's cell.
        let why = side.unable.as_deref().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        return format!("| {} | can't do this | {why} | |\n", side.name);
    };
    let (unit, median) = (measure.unit, figures.median());
    let spread = format!("{} to {}", unit.number(figures.min()), unit.number(figures.max()));
    let ratio = measure.ratio(side).map(|ratio| format!("{ratio:.2}×")).unwrap_or_default();
    format!("| {} | {} | {spread} | {ratio} |\n", side.name, unit.show(median))
}

fn target_line(judged: &Judged) -> String {
    let verdict = match judged.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "**missed**",
        Verdict::Unjudged => "not judged",
    };
    format!("target {}: {verdict}", judged.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests_support::machine;
    use crate::report::tests_support::report;
    use std::collections::BTreeMap;

    fn made() -> Page {
        let programs = BTreeMap::from([("shim".to_owned(), "00ff".to_owned())]);
        let begun = "2026-01-01T00:00:00Z".into();
        page(&Record { begun, machine: machine(), programs, rows: vec![report()] }, "performance")
    }

    #[test]
    fn the_page_says_when_where_and_with_what() {
        let text = made().text;
        for words in
            ["2026-01-01", "2 × Example", "cgroup v2", "load 0.1", "| shim | `00ff` |", "Do not edit"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn each_side_has_a_line_of_the_table() {
        let text = made().text;
        assert!(text.contains("| morph | 11.0 ms | 10.0 to 30.0 |  |"), "{text}");
        assert!(text.contains("| peer | 81.0 ms | 80.0 to 82.0 | 7.36× |"), "{text}");
        assert!(text.contains("| runc | can't do this |"), "{text}");
    }

    #[test]
    fn what_was_missed_stands_out() {
        let text = made().text;
        assert!(text.contains("- target ≤ 12.0 ms: 11.0 ms: met\n"), "{text}");
        assert!(text.contains("- target peer takes ≥ 9×: 7.36×: **missed**\n"), "{text}");
    }

    #[test]
    fn each_picture_that_the_page_shows_is_made() {
        let page = made();
        assert_eq!(page.pictures.len(), 1);
        let (file, svg) = &page.pictures[0];
        assert!(page.text.contains(&format!("![start of a pod](performance/{file})")), "{}", page.text);
        assert!(svg.starts_with("<svg "), "{svg}");
    }

    #[test]
    fn a_row_that_was_not_run_says_why() {
        let mut page = Page { text: String::new(), pictures: Vec::new() };
        add_row(&mut page, &Report::absent("P12", "no cluster".into()), "performance");
        assert_eq!(page.text, "\n## P12: not run\n\nno cluster\n");
    }

    #[test]
    fn the_same_record_makes_the_same_page() {
        assert_eq!(made(), made());
    }
}
