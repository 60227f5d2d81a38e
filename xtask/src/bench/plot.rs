//! Plots of the benchmarks' documents: bars, in panels of which two stand side by side.

use std::fmt::Write as _;

const ROW: usize = 30;
const BARS_FROM: usize = 130;
const BAR_MAX: f64 = 230.0;
const PANEL: usize = 460;
const COLUMNS: usize = 2;

/// Bars that are compared with each other.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

/// A bar.
pub(super) struct Bar {
    pub(super) name: String,
    /// How long it is, against the others of its panel.
    pub(super) amount: f64,
    /// What stands behind it.
    pub(super) text: String,
    pub(super) is_ours: bool,
}

/// Draws panels.
pub(super) fn draw(panels: &[Panel]) -> String {
    let most = panels.iter().map(|panel| panel.bars.len()).max().unwrap_or_default();
    let tall = ROW * most + 50;
    let (width, height) = (PANEL * COLUMNS, tall * panels.len().div_ceil(COLUMNS));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (index, Panel { title, bars }) in panels.iter().enumerate() {
        let (left, above) = (index % COLUMNS * PANEL, index / COLUMNS * tall);
        let longest = bars.iter().map(|bar| bar.amount).fold(f64::MIN_POSITIVE, f64::max);
        // Writing to a String cannot fail.
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{title}</text>",
            left + BARS_FROM,
            above + 24
        )
        .ok();
        for (row, Bar { name, amount, text, is_ours }) in bars.iter().enumerate() {
            let top = above + ROW * row + 40;
            let width = amount / longest * BAR_MAX;
            let colour = if *is_ours { "#3b6ea5" } else { "#b8b8b8" };
            let (from, middle) = (left + BARS_FROM, top + 16);
            writeln!(svg, "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{name}</text>", from - 8).ok();
            writeln!(
                svg,
                "<rect x=\"{from}\" y=\"{top}\" width=\"{width:.1}\" height=\"22\" fill=\"{colour}\"/>"
            )
            .ok();
            writeln!(svg, "<text x=\"{from}\" dx=\"{:.1}\" y=\"{middle}\">{text}</text>", width + 6.0).ok();
        }
    }
    svg.push_str("</svg>\n");
    svg
}
