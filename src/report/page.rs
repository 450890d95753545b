//! Lines for a terminal: cleaned, coloured, and wrapped to its width.
//!
//! What is put into a line cannot act on the terminal, wherever it came from. Where a line is wider than the page it is broken
//! at a space; a word that is wider by itself is broken behind a mark such as `/`, and where it has none, anywhere. What
//! follows hangs under the text. A page without a width breaks nothing.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthChar;

use super::clean::clean;
use crate::secrets::Known;

/// The narrowest page, in columns: what is narrower is written as if it were this wide.
pub const NARROWEST: usize = 20;
/// How far before its end a word may be broken behind a mark, in columns.
const NEAR_END: usize = 16;
const PLAIN: Style = Style::new();

/// Text that grows line by line.
#[derive(Debug)]
pub(super) struct Page {
    width: Option<usize>,
    known: Known,
    text: String,
}

/// One line of a page: pieces of text, each in its style.
#[derive(Debug)]
pub(super) struct Line {
    indent: usize,
    hang: usize,
    pieces: Vec<(Style, String)>,
}

impl Line {
    /// A line that begins in this column; what is broken off it begins four columns further right.
    pub(super) fn at(indent: usize) -> Self {
        Self { indent, hang: 4, pieces: Vec::new() }
    }

    /// The same, with what is broken off so many columns further right.
    pub(super) fn hanging(mut self, hang: usize) -> Self {
        self.hang = hang;
        self
    }

    /// Adds plain text.
    pub(super) fn text(self, text: &str) -> Self {
        self.styled(PLAIN, text)
    }

    /// Adds text in a style.
    pub(super) fn styled(mut self, style: Style, text: &str) -> Self {
        self.push(style, text);
        self
    }

    /// The same, for a line that is at hand.
    pub(super) fn push(&mut self, style: Style, text: &str) {
        let text = clean(text);
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some((last, before)) if *last == style => before.push_str(&text),
            _ => self.pieces.push((style, text.into_owned())),
        }
    }

    fn width(&self) -> usize {
        self.indent + self.pieces.iter().map(|(_, text)| width(text)).sum::<usize>()
    }
}

/// Columns that a text takes at the most.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Columns that a character takes at the most: the mark that makes an emoji of the one before it can widen that.
fn columns(c: char) -> usize {
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

impl Page {
    /// An empty page, so many columns wide, or without an end to its lines; it tells nothing of what is known to be
    /// secret, which could not be found any more once it is broken in two.
    pub(super) fn new(width: Option<usize>, known: Known) -> Self {
        Self { width: width.map(|width| width.max(NARROWEST)), known, text: String::new() }
    }

    /// What may be told of a text.
    pub(super) fn told<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.known.told(text)
    }

    /// Adds a line.
    pub(super) fn add(&mut self, mut line: Line) {
        for (_, text) in &mut line.pieces {
            if let Cow::Owned(told) = self.known.told(text) {
                *text = told;
            }
        }
        match self.width {
            _ if line.pieces.is_empty() => self.gap(),
            Some(width) if line.width() > width => self.wrapped(&line, width),
            _ => {
                self.indent(line.indent);
                line.pieces.iter().for_each(|(style, text)| self.piece(*style, text));
                self.text.push('\n');
            }
        }
    }

    /// Adds an empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The text, with a line feed at the end of each line.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn indent(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }

    fn piece(&mut self, style: Style, text: &str) {
        let _ = match style == PLAIN {
            true => write!(self.text, "{text}"),
            false => write!(self.text, "{style}{text}{style:#}"),
        };
    }

    fn wrapped(&mut self, line: &Line, width: usize) {
        let marks: Vec<(char, Style)> =
            line.pieces.iter().flat_map(|(style, text)| text.chars().map(|c| (c, *style))).collect();
        // At least half of each row is for text.
        let (first, further) = (line.indent.min(width / 2), (line.indent + line.hang).min(width / 2));
        let mut rest: &[(char, Style)] = &marks;
        let mut indent = first;
        while !rest.is_empty() {
            let (row, left) = rest.split_at(row_of(rest, width - indent));
            let end = row.iter().rposition(|(c, _)| *c != ' ').map_or(0, |last| last + 1);
            // Spaces at a break are the break.
            let end = if left.is_empty() { row.len() } else { end };
            self.indent(indent);
            for run in row.get(..end).unwrap_or(row).chunk_by(|(_, a), (_, b)| a == b) {
                let text: String = run.iter().map(|(c, _)| *c).collect();
                self.piece(run.first().map_or(PLAIN, |(_, style)| *style), &text);
            }
            self.text.push('\n');
            let begin = left.iter().position(|(c, _)| *c != ' ').unwrap_or(left.len());
            rest = left.get(begin..).unwrap_or_default();
            indent = further;
        }
    }
}

/// How many characters make the next row of so many columns; at least one.
fn row_of(marks: &[(char, Style)], width: usize) -> usize {
    let mut used = 0;
    let fitting = marks.iter().take_while(|(c, _)| {
        used += columns(*c);
        used <= width
    });
    let most = fitting.count();
    if most == marks.len() {
        return most;
    }
    let begin = marks.iter().position(|(c, _)| *c != ' ').unwrap_or(0);
    // A space that stands just behind the row ends it, too; one behind a sign does not part it from what it is about.
    let space = (begin + 2..=most).rev().find(|at| marks.get(*at).is_some_and(|(c, _)| *c == ' '));
    let mark = |at: &usize| marks.get(at - 1).is_some_and(|(c, _)| "/,;:=.".contains(*c));
    let found = space.or_else(|| (most.saturating_sub(NEAR_END).max(begin + 1)..=most).rev().find(mark));
    found.unwrap_or(most).max(1)
}

/// A text in quotes where it could not be seen otherwise: the empty one, and one with spaces at its ends.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.trim() != text { Cow::Owned(format!("\"{text}\"")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    const RED: Style = AnsiColor::Red.on_default();

    #[track_caller]
    fn check(width: usize, line: Line, expect: &str) {
        let mut page = Page::new(Some(width), Known::default());
        page.add(line);
        assert_eq!(anstream::adapter::strip_str(&page.into_text()).to_string(), expect);
    }

    #[test]
    fn what_is_broken_off_hangs_under_the_text() {
        check(20, Line::at(2).text("one two three"), "  one two three\n");
        check(20, Line::at(2).text("one two three four"), "  one two three four\n");
        check(20, Line::at(2).text("one two three fours"), "  one two three\n      fours\n");
        check(20, Line::at(2).hanging(1).text("one two   three   fours"), "  one two   three\n   fours\n");
        check(20, Line::at(0).text("one-word-that-is-wider"), "one-word-that-is-wid\n    er\n");
        check(20, Line::at(0).text("example.org/path/of:some"), "example.org/path/of:\n    some\n");
        check(20, Line::at(0).text("~ one-word-that-is-wider"), "~ one-word-that-is-w\n    ider\n");
        check(20, Line::at(18).text("far to the right"), "          far to the\n          right\n");
        check(0, Line::at(0).text("as if it were twenty wide"), "as if it were twenty\n    wide\n");
        check(20, Line::at(0).text("日本語日本語日本語日本語"), "日本語日本語日本語日\n    本語\n");
        check(20, Line::at(4).text("  indented code that is long"), "      indented code\n        that is long\n");
    }

    #[test]
    fn each_row_has_its_colours() {
        let mut page = Page::new(Some(20), Known::default());
        page.add(Line::at(0).text("plain ").styled(RED, "red and some more").text("."));
        assert_eq!(page.into_text(), "plain \u{1b}[31mred and some\u{1b}[0m\n    \u{1b}[31mmore\u{1b}[0m.\n");
    }

    #[test]
    fn nothing_in_it_acts_on_the_terminal() {
        check(60, Line::at(0).text("a\u{1b}[2Jb\nc\u{202e}d\te\u{200b}"), "a\\u{1b}[2Jb\\nc\\u{202e}d\\te\\u{200b}\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// No row is wider than the page, and nothing but spaces is lost where a line is broken.
        #[test]
        fn rows_fit_and_lose_nothing(
            width in 0_usize..90,
            indent in 0_usize..30,
            hang in 0_usize..12,
            pieces in proptest::collection::vec((any::<bool>(), "(?s)([a-z/.:]{0,30}| |[日é☺️👩🚀\u{1b}\u{202e}\t]|.){0,12}"), 0..6),
        ) {
            let mut line = Line::at(indent).hanging(hang);
            for (red, text) in &pieces {
                line.push(if *red { RED } else { PLAIN }, text);
            }
            let mut page = Page::new(Some(width), Known::default());
            page.add(line);
            let text = page.into_text();
            let shown = anstream::adapter::strip_str(&text).to_string();
            for row in shown.lines() {
                prop_assert!(row.width() <= width.max(NARROWEST), "{row:?}");
            }
            let words = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '\n')).collect::<String>();
            let put: String = pieces.iter().map(|(_, text)| clean(text).into_owned()).collect();
            prop_assert_eq!(words(&shown), words(&put));
        }
    }
}
