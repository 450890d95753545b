//! A terminal, drawn: every letter in a cell of a grid, whatever font the reader has.

use std::fmt::Write;

use super::colours::{Colour, Look, Span};

/// The size of a letter, and of its cell.
const SIZE: u32 = 14;
const WIDTH: f64 = 8.4;
const HEIGHT: u32 = 20;
/// Around the text.
const EDGE: u32 = 18;
/// The bar above it.
const BAR: u32 = 34;
/// Of the picture, of the bar, of text.
const GROUND: &str = "#15181e";
const ABOVE: &str = "#23272f";
const TEXT: &str = "#d4d9e2";
/// The sixteen colours, light enough for that ground.
const COLOURS: [&str; 16] = [
    "#5b6472", "#f2777a", "#8fc98b", "#e6c07b", "#79aef0", "#c795e6", "#65c4ce", "#d4d9e2", "#7d8796", "#ff9396",
    "#a8dba4", "#f2d59b", "#9cc4f7", "#d9b1f2", "#8bd8e0", "#f4f6fa",
];

/// Draws lines of text in a window with this title.
pub(super) fn draw(title: &str, lines: &[Vec<Span>]) -> String {
    let columns = lines.iter().map(|line| line.iter().map(cells).sum()).max().unwrap_or(0).max(60);
    let width = across(columns) + 2.0 * f64::from(EDGE);
    let rows = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let height = BAR + 2 * EDGE + rows * HEIGHT;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.1}\" height=\"{height}\" viewBox=\"0 0 {width:.1} \
         {height}\" font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"{SIZE}\" role=\"img\" aria-label=\"a terminal: {title}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <path d=\"M0 {BAR}V8a8 8 0 0 1 8-8H{:.1}a8 8 0 0 1 8 8V{BAR}z\" fill=\"{ABOVE}\"/>\n",
        width - 8.0,
        title = escaped(title),
    );
    for (number, colour) in ["#f2777a", "#e6c07b", "#8fc98b"].iter().enumerate() {
        let _ = writeln!(picture, "<circle cx=\"{}\" cy=\"{}\" r=\"6\" fill=\"{colour}\"/>", 20 + 20 * number, BAR / 2);
    }
    let mut below = BAR + EDGE;
    for line in lines {
        let mut column = 0;
        for span in line {
            place(&mut picture, span, f64::from(EDGE) + across(column), below);
            column += cells(span);
        }
        below += HEIGHT;
    }
    picture + "</svg>\n"
}

/// One span: what is behind it, and its text.
fn place(picture: &mut String, span: &Span, left: f64, top: u32) {
    let Look { colour, behind, bold, dim, italic, underlined, reversed } = span.look;
    let (mut letters, mut ground) = (named(colour).unwrap_or(TEXT), named(behind));
    if reversed {
        (letters, ground) = (ground.unwrap_or(GROUND), Some(letters));
    }
    let wide = across(cells(span));
    if let Some(ground) = ground {
        let _ = writeln!(
            picture,
            "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"{ground}\"/>"
        );
    }
    // Blanks at either end need not be drawn.
    let text = span.text.trim_start();
    let left = left + across(span.text.chars().count() - text.chars().count());
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    let mut how = String::new();
    for (wanted, form) in [
        (bold, " font-weight=\"bold\""),
        (dim, " opacity=\"0.65\""),
        (italic, " font-style=\"italic\""),
        (underlined, " text-decoration=\"underline\""),
    ] {
        how.push_str(if wanted { form } else { "" });
    }
    let _ = writeln!(
        picture,
        "<text x=\"{left:.1}\" y=\"{}\" fill=\"{letters}\"{how} textLength=\"{:.1}\" xml:space=\"preserve\">{}</text>",
        top + 15,
        across(text.chars().count()),
        escaped(text),
    );
}

/// How many cells a span takes: one a character, which is all that the program's own words need.
fn cells(span: &Span) -> usize {
    span.text.chars().count()
}

/// How far so many cells reach.
fn across(cells: usize) -> f64 {
    f64::from(u32::try_from(cells).unwrap_or(u32::MAX)) * WIDTH
}

fn named(colour: Option<Colour>) -> Option<&'static str> {
    COLOURS.get(usize::from(colour?)).copied()
}

/// Text as XML takes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::colours::spans;
    use super::*;

    #[track_caller]
    fn drawn(text: &str, expect: &[&str]) {
        let picture = draw("t", &spans(text).unwrap_or_default());
        let found: Vec<&str> =
            picture.lines().filter(|line| line.starts_with("<text") || line.contains("height=\"20\"")).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn letters_stand_in_their_cells() {
        drawn(
            "  a\n\u{1b}[1;31mb\u{1b}[0m <c>",
            &[
                "<text x=\"34.8\" y=\"67\" fill=\"#d4d9e2\" textLength=\"8.4\" xml:space=\"preserve\">a</text>",
                "<text x=\"18.0\" y=\"87\" fill=\"#f2777a\" font-weight=\"bold\" textLength=\"8.4\" \
                 xml:space=\"preserve\">b</text>",
                "<text x=\"34.8\" y=\"87\" fill=\"#d4d9e2\" textLength=\"25.2\" xml:space=\"preserve\">&lt;c&gt;</text>",
            ],
        );
    }

    #[test]
    fn what_is_behind_is_drawn_first() {
        drawn(
            "\u{1b}[7m a\u{1b}[0m",
            &[
                "<rect x=\"18.0\" y=\"52\" width=\"16.8\" height=\"20\" fill=\"#d4d9e2\"/>",
                "<text x=\"26.4\" y=\"67\" fill=\"#15181e\" textLength=\"8.4\" xml:space=\"preserve\">a</text>",
            ],
        );
    }

    #[test]
    fn a_title_is_text() {
        assert!(draw("<a & b>", &[]).contains("a terminal: &lt;a &amp; b&gt;\""));
    }
}
