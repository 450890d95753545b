//! A stack as an SVG picture: phases as bands from left to right, services as boxes in them, and an arrow from each service
//! to what it waits for. Drawn here, so that no other program is needed.
//!
//! Names come from files: they are text in the picture and nothing else, escaped for XML.

use std::fmt::Write as _;

use super::layout::{Layout, Problem, Rect, layout};
use crate::report::clean::clean;

/// Around the whole, and between a band and what is in it.
const MARGIN: i32 = 16;
const PADDING: i32 = 12;
/// Where the title of a band stands, above its boxes.
const TITLE: i32 = 30;
/// How wide a letter of a name is at most, in tenths of a pixel: the font has one width for all.
const LETTER: i32 = 73;
/// The same of the title of a band.
const TITLE_LETTER: i32 = 69;
/// Letters of a name that are shown.
const LONGEST: usize = 32;
/// What stands under the picture.
const CAPTION: &str = "An arrow leads from a service to what it waits for.";

/// What a picture looks like where it stands by itself.
const STYLE: &str = "\
:root{color-scheme:light dark}\
.g-band{fill:#f4f4f1}.g-title{fill:#5c5c57;font:600 11px system-ui,sans-serif;letter-spacing:.02em}\
.g-box{fill:#fff;stroke:#b9b9b2}.g-name{fill:#1d1d1b;font:12px ui-monospace,Menlo,Consolas,monospace}\
.g-line{fill:none;stroke:#9a9a92}.g-head{fill:#9a9a92}.g-caption{fill:#5c5c57;font:11px system-ui,sans-serif}\
.g-elsewhere .g-box{stroke-dasharray:3 3}\
@media(prefers-color-scheme:dark){.g-ground{fill:#161615}.g-band{fill:#20201e}.g-title,.g-caption{fill:#a3a39b}\
.g-box{fill:#2a2a28;stroke:#55554f}.g-name{fill:#ededea}.g-line{stroke:#6f6f68}.g-head{fill:#6f6f68}}\
.g-ground{fill:#fff}@media(prefers-color-scheme:dark){.g-ground{fill:#161615}}";

/// What is drawn.
#[derive(Debug, Default)]
pub(in crate::report) struct Drawing {
    /// What it is a picture of.
    pub(in crate::report) title: String,
    /// Bands from left to right.
    pub(in crate::report) bands: Vec<Band>,
    /// Who waits for whom, as places among all boxes in the order of the bands.
    pub(in crate::report) lines: Vec<(usize, usize)>,
}

/// A phase, or what stands beside all of them.
#[derive(Debug, Default)]
pub(in crate::report) struct Band {
    /// What it is called.
    pub(in crate::report) title: String,
    /// What is in it.
    pub(in crate::report) boxes: Vec<Box>,
}

/// A service.
#[derive(Debug, Default)]
pub(in crate::report) struct Box {
    /// What it is called.
    pub(in crate::report) name: String,
    /// What is said of it when somebody points at it, beside its name.
    pub(in crate::report) note: String,
    /// The classes that its look depends on.
    pub(in crate::report) class: &'static str,
    /// Where a click on it leads.
    pub(in crate::report) link: Option<String>,
}

/// The picture as a file of its own, in dark and in light.
pub(in crate::report) fn file(drawing: &Drawing) -> String {
    let mut text = picture(drawing, true);
    text.push('\n');
    text
}

/// The picture within a page, which says what its classes look like.
pub(in crate::report) fn within_page(drawing: &Drawing) -> String {
    picture(drawing, false)
}

fn picture(drawing: &Drawing, alone: bool) -> String {
    let problem = problem(drawing);
    let place = layout(&problem);
    let low = MARGIN + TITLE + place.height + PADDING;
    let caption = letters(CAPTION.chars().count(), TITLE_LETTER);
    let width = (place.width + 2 * (MARGIN + PADDING)).max(caption + 2 * MARGIN);
    let height = low + 2 * MARGIN;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"graph\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 \
         {width} {height}\" role=\"{}\" aria-labelledby=\"graph-title\"><title id=\"graph-title\">{}</title>",
        // What can be clicked on must be reached by those who do not see it.
        if drawing.bands.iter().flat_map(|band| &band.boxes).any(|one| one.link.is_some()) { "group" } else { "img" },
        escape(&drawing.title)
    );
    if alone {
        let _ = write!(out, "<style>{STYLE}</style>\n<rect class=\"g-ground\" width=\"{width}\" height=\"{height}\"/>");
    }
    out.push_str(
        "\n<defs><marker id=\"graph-head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path class=\"g-head\" d=\"M0 1L8 4L0 7z\"/></marker></defs>",
    );
    bands(&mut out, drawing, &place);
    lines(&mut out, drawing, &place);
    let boxes = drawing.bands.iter().flat_map(|band| &band.boxes);
    boxes.zip(&place.boxes).for_each(|(one, rect)| draw_box(&mut out, one, rect));
    let _ = write!(out, "\n<text class=\"g-caption\" x=\"{MARGIN}\" y=\"{}\">{CAPTION}</text></svg>", low + MARGIN + 6);
    out
}

/// Wide enough for what stands in the boxes and above them.
fn problem(drawing: &Drawing) -> Problem {
    let count = drawing.bands.iter().map(|band| band.boxes.len()).sum::<usize>();
    let wide = |name: &str, letter: i32, around: i32| letters(shown(name).chars().map(columns).sum(), letter) + around;
    let group = |band: &Band| {
        let title = wide(&band.title, TITLE_LETTER, 0);
        band.boxes.iter().map(|one| wide(&one.name, LETTER, 20).max(title)).collect()
    };
    // About as wide as it is high, but no phase of an ordinary stack is broken up.
    let rows = (count * 5 / 2).isqrt().max(18);
    Problem { groups: drawing.bands.iter().map(group).collect(), lines: drawing.lines.clone(), rows }
}

fn letters(count: usize, tenths: i32) -> i32 {
    i32::try_from(count).unwrap_or(0) * tenths / 10 + 1
}

/// How many columns a letter takes: those of East Asia take two.
fn columns(c: char) -> usize {
    1 + usize::from(matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}'))
}

/// What of a name is shown.
fn shown(name: &str) -> String {
    let name = clean(name);
    if name.chars().count() <= LONGEST {
        return name.into_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn bands(out: &mut String, drawing: &Drawing, place: &Layout) {
    for (band, (x, width)) in drawing.bands.iter().zip(&place.groups) {
        let (left, wide, high) = (x + MARGIN, width + 2 * PADDING, TITLE + place.height + PADDING);
        let _ = write!(
            out,
            "\n<rect class=\"g-band\" x=\"{left}\" y=\"{MARGIN}\" width=\"{wide}\" height=\"{high}\" rx=\"6\"/><text \
             class=\"g-title\" x=\"{}\" y=\"{}\">{}</text>",
            left + PADDING,
            MARGIN + 19,
            escape(&shown(&band.title))
        );
    }
}

/// Where what was laid out at this point is drawn.
fn at((x, y): (i32, i32)) -> (i32, i32) {
    (x + MARGIN + PADDING, y + MARGIN + TITLE)
}

fn lines(out: &mut String, drawing: &Drawing, place: &Layout) {
    let names: Vec<&str> = drawing.bands.iter().flat_map(|band| &band.boxes).map(|one| one.name.as_str()).collect();
    let name = |at: usize| names.get(at).map_or_else(String::new, |name| escape(name));
    for ((from, to), points) in drawing.lines.iter().zip(&place.lines) {
        let mut path = String::new();
        for run in points.chunks(2) {
            let [start, end] = run else { continue };
            let ((x, y), (to_x, to_y)) = (at(*start), at(*end));
            let _ = write!(path, "{}{x} {y}", if path.is_empty() { "M" } else { "L" });
            // Out of the aisle as straight as into it; what comes back to its own layer goes round.
            let (near, far) = if x == to_x { (x + 24, x + 24) } else { ((x + to_x) / 2, (x + to_x) / 2) };
            let _ = write!(path, "C{near} {y} {far} {to_y} {to_x} {to_y}");
        }
        let (from, to) = (name(*from), name(*to));
        let _ = write!(
            out,
            "\n<path class=\"g-line\" d=\"{path}\" marker-end=\"url(#graph-head)\"><title>{from} waits for {to}</title></path>"
        );
    }
}

fn draw_box(out: &mut String, one: &Box, rect: &Rect) {
    let (x, y) = at((rect.x, rect.y));
    let (width, height) = (rect.width, rect.height);
    let note = if one.note.is_empty() { String::new() } else { format!(": {}", one.note) };
    let (open, close) = match &one.link {
        Some(link) => (format!("<a class=\"g-service {}\" href=\"#{}\">", one.class, escape(link)), "</a>"),
        None => (format!("<g class=\"g-service {}\">", one.class), "</g>"),
    };
    let _ = write!(
        out,
        "\n{open}<title>{}{}</title><rect class=\"g-box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         rx=\"4\"/><text class=\"g-name\" x=\"{}\" y=\"{}\">{}</text>{close}",
        escape(&one.name),
        escape(&note),
        x + 10,
        y + height / 2 + 4,
        escape(&shown(&one.name))
    );
}

/// Text within XML and HTML, in one line.
pub(in crate::report) fn escape(text: &str) -> String {
    markup(&clean(text))
}

/// Text that is clean, within XML and HTML.
pub(in crate::report) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a picture that cannot be read has failed")]

    use proptest::prelude::*;

    use super::*;

    fn drawing(names: &[String]) -> Drawing {
        let one = |name: &String| Box { name: name.clone(), class: "g-own", ..Box::default() };
        let (first, rest) = names.split_at(names.len() / 2);
        let band = |names: &[String]| Band {
            title: names.first().cloned().unwrap_or_default(),
            boxes: names.iter().map(one).collect(),
        };
        let lines = (0..names.len() / 2).map(|at| (names.len() - 1 - at, at)).collect();
        Drawing { title: names.concat(), bands: vec![band(first), band(rest)], lines }
    }

    fn hostile() -> impl Strategy<Value = String> {
        const BAD: [&str; 9] =
            ["<script>alert(1)</script>", "\"><img onerror=x>", "]]>", "<!--", "&amp;", "{{x}}", "'", "\0", "\u{ffff}"];
        prop_oneof![prop::sample::select(&BAD[..]).prop_map(str::to_owned), any::<String>(), "[a-z_]{1,50}"]
    }

    proptest! {
        #[test]
        fn names_are_text_and_nothing_else(names in prop::collection::vec(hostile(), 2..12)) {
            let plain = drawing(&vec!["a".to_owned(); names.len()]);
            let tags = |text: &str| {
                let document = roxmltree::Document::parse(text).unwrap();
                let elements = document.descendants().filter(roxmltree::Node::is_element);
                elements.map(|node| node.tag_name().name().to_owned()).collect::<Vec<_>>()
            };
            let text = file(&drawing(&names));
            prop_assert_eq!(tags(&text), tags(&file(&plain)));
            let document = roxmltree::Document::parse(&text).unwrap();
            let told: Vec<_> = document
                .descendants()
                .filter(|node| node.attribute("class") == Some("g-name"))
                .map(|node| node.text().unwrap_or_default().to_owned())
                .collect();
            let expect: Vec<_> = names.iter().map(|name| shown(name)).collect();
            prop_assert_eq!(told, expect);
        }
    }

    #[test]
    fn a_long_name_is_cut_and_told_whole_to_who_points_at_it() {
        let name = "n".repeat(40);
        let text = file(&drawing(&[name.clone(), "b".to_owned()]));
        assert!(text.contains(&format!(">{}…</text>", "n".repeat(31))), "{text}");
        assert!(text.contains(&format!("<title>{name}</title>")), "{text}");
    }
}
