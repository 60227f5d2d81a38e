//! The plot of `docs/benchmarks.md`: bars of time and of memory.

use std::fmt::Write as _;

use serde_json::Value;

use super::document::{name, number};

const ROW: usize = 30;
const BARS_FROM: usize = 130;
const BAR_MAX: f64 = 230.0;
const PANEL: usize = 460;

/// A panel: its title, and what a bar is long for and says.
type Panel = (&'static str, fn(&Value) -> f64, &'static str);

const PANELS: [Panel; 2] = [
    ("Until all are Ready", |result| number(result, "seconds"), "s"),
    ("Memory of the operator at most", |result| number(result, "memory") / 1_048_576.0, "MiB"),
];

/// Draws the results.
pub(super) fn draw(results: &[Value]) -> String {
    let (width, height) = (PANEL * PANELS.len(), ROW * results.len() + 50);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (index, (title, value, unit)) in PANELS.iter().enumerate() {
        let left = index * PANEL;
        let longest = results.iter().map(value).fold(f64::MIN_POSITIVE, f64::max);
        // Writing to a String cannot fail.
        writeln!(svg, "<text x=\"{}\" y=\"24\" font-weight=\"bold\">{title}</text>", left + BARS_FROM).ok();
        for (row, result) in results.iter().enumerate() {
            let (top, amount) = (ROW * row + 40, value(result));
            let width = amount / longest * BAR_MAX;
            let colour = if result["subject"] == "kro" { "#b8b8b8" } else { "#3b6ea5" };
            let (from, middle) = (left + BARS_FROM, top + 16);
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
                from - 8,
                name(result)
            )
            .ok();
            writeln!(
                svg,
                "<rect x=\"{from}\" y=\"{top}\" width=\"{width:.1}\" height=\"22\" fill=\"{colour}\"/>"
            )
            .ok();
            writeln!(
                svg,
                "<text x=\"{from}\" dx=\"{:.1}\" y=\"{middle}\">{amount:.0} {unit}</text>",
                width + 6.0
            )
            .ok();
        }
    }
    svg.push_str("</svg>\n");
    svg
}
