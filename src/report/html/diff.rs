//! A value before and after, line by line beside each other, with the words that differ marked.

use serde::Serialize;
use similar::{ChangeTag, DiffOp, TextDiff};

use crate::report::clean::clean_lines;

/// Lines on either side of a change that are shown.
const CONTEXT: usize = 3;
/// Lines of two texts together that are compared; of more, the old text goes and the new one comes.
const COMPARED: usize = 8_000;
/// Bytes of two lines together of which the words are compared.
const WORDS: usize = 8_000;
/// How much alike two lines must be for their words to be marked, in hundredths.
const ALIKE: u8 = 30;

/// A line, or what is left out between two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// How many lines are left out here, in words; everything else is empty then.
    pub(super) gap: Option<String>,
    /// `same` or `changed`.
    pub(super) class: &'static str,
    /// The old line; nothing where there is none.
    pub(super) old: Option<Vec<Span>>,
    /// The new line; nothing where there is none.
    pub(super) new: Option<Vec<Span>>,
}

/// A part of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    pub(super) text: String,
    /// Whether the other side says something else here.
    pub(super) marked: bool,
}

/// What stands for a value that is not there.
const NONE: &str = "(none)";

/// The rows of a field.
pub(super) fn rows(old: Option<&str>, new: Option<&str>) -> Vec<Row> {
    let told = |text: Option<&str>| text.map(|text| clean_lines(text).into_owned());
    let (Some(old), Some(new)) = (told(old), told(new)) else {
        let side = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        return changed(&lines(&side(told(old))), &lines(&side(told(new))));
    };
    let (old, new) = (lines(&old), lines(&new));
    if old.len() + new.len() > COMPARED {
        return changed(&old, &new);
    }
    let diff = TextDiff::from_slices(&old, &new);
    let mut rows = Vec::new();
    let mut shown = 0;
    for group in diff.grouped_ops(CONTEXT) {
        let first = group.first().map_or(shown, |op| op.old_range().start);
        rows.extend(gap(first - shown));
        for op in &group {
            let (before, after) = (part(&old, op.old_range()), part(&new, op.new_range()));
            match op {
                DiffOp::Equal { .. } => rows.extend(before.iter().map(|line| same(line))),
                _ => rows.extend(changed(before, after)),
            }
        }
        shown = group.last().map_or(shown, |op| op.old_range().end);
    }
    rows.extend(gap(old.len() - shown));
    rows
}

fn lines(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.split('\n').collect();
    match lines.split_last() {
        // A text that ends with a line feed has no line after it.
        Some((&"", rest)) if !rest.is_empty() => rest.to_vec(),
        _ => lines,
    }
}

fn part<'a, 'b>(lines: &'a [&'b str], range: std::ops::Range<usize>) -> &'a [&'b str] {
    lines.get(range).unwrap_or_default()
}

fn gap(lines: usize) -> Option<Row> {
    let told = match lines {
        0 => return None,
        1 => "1 line as before".to_owned(),
        lines => format!("{lines} lines as before"),
    };
    Some(Row { gap: Some(told), class: "same", ..Row::default() })
}

/// An empty line is a space, so that it is seen to be there.
fn plain(line: &str) -> Vec<Span> {
    vec![Span { text: if line.is_empty() { " ".to_owned() } else { line.to_owned() }, marked: false }]
}

fn same(line: &str) -> Row {
    Row { gap: None, class: "same", old: Some(plain(line)), new: Some(plain(line)) }
}

/// Old lines beside new ones, as far as there are both.
fn changed(old: &[&str], new: &[&str]) -> Vec<Row> {
    let row = |at: usize| {
        let (old, new) = match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) => {
                let (old, new) = marked(old, new);
                (Some(old), Some(new))
            }
            (old, new) => (old.map(|line| plain(line)), new.map(|line| plain(line))),
        };
        Row { gap: None, class: "changed", old, new }
    };
    (0..old.len().max(new.len())).map(row).collect()
}

/// Two lines with what differs marked, where they have something in common.
fn marked(old: &str, new: &str) -> (Vec<Span>, Vec<Span>) {
    if old.len() + new.len() > WORDS {
        return (plain(old), plain(new));
    }
    let (before, after) = (words(old), words(new));
    let diff = TextDiff::from_slices(&before, &after);
    let diff: Vec<_> = diff.iter_all_changes().map(|change| (change.tag(), change.value())).collect();
    let common: usize = diff.iter().filter(|(tag, _)| *tag == ChangeTag::Equal).map(|(_, text)| text.len()).sum();
    if common * 200 < usize::from(ALIKE) * (old.len() + new.len()) {
        return (plain(old), plain(new));
    }
    let side = |wanted: ChangeTag, line: &str| {
        let mut spans: Vec<Span> = Vec::new();
        for (tag, text) in diff.iter().filter(|(tag, _)| *tag == ChangeTag::Equal || *tag == wanted) {
            let marked = *tag == wanted;
            match spans.last_mut() {
                Some(span) if span.marked == marked => span.text.push_str(text),
                _ => spans.push(Span { text: (*text).to_owned(), marked }),
            }
        }
        if spans.is_empty() { plain(line) } else { spans }
    };
    (side(ChangeTag::Delete, old), side(ChangeTag::Insert, new))
}

/// Runs of letters and digits, and every other character by itself: a tag or a port of a long name is a word of its own.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut within = false;
    for (at, c) in line.char_indices() {
        let letter = c.is_alphanumeric() || c == '_';
        if at > start && !(letter && within) {
            words.extend(line.get(start..at));
            start = at;
        }
        within = letter;
    }
    words.extend(line.get(start..).filter(|rest| !rest.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(spans: Option<&Vec<Span>>) -> String {
        spans
            .into_iter()
            .flatten()
            .map(|span| if span.marked { format!("[{}]", span.text) } else { span.text.clone() })
            .collect()
    }

    #[track_caller]
    fn check(old: Option<&str>, new: Option<&str>, expect: &[&str]) {
        let found: Vec<String> = rows(old, new)
            .iter()
            .map(|row| match &row.gap {
                Some(gap) => format!("… {gap}"),
                None => format!("{} | {}", told(row.old.as_ref()), told(row.new.as_ref())),
            })
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn words_that_differ_are_marked() {
        check(Some("shop/cart:1.4.0"), Some("shop/cart:1.5.0"), &["shop/cart:1.[4].0 | shop/cart:1.[5].0"]);
        check(Some("3"), Some("4"), &["3 | 4"]);
        check(None, Some("4"), &["(none) | 4"]);
        check(Some("a\nb\n"), None, &["a | (none)", "b | "]);
        check(Some("one\n\nthree"), Some("one\ntwo\nthree"), &["one | one", "  | two", "three | three"]);
        check(Some("a \u{202e}b"), Some("a c"), &["a \\u{202e}b | a c"]);
    }

    #[test]
    fn what_is_far_from_a_change_is_left_out() {
        let text = |changed: &str| {
            (0..12).map(|at| if at == 6 { changed.to_owned() } else { at.to_string() } + "\n").collect::<String>()
        };
        check(
            Some(&text("old")),
            Some(&text("new")),
            &[
                "… 3 lines as before",
                "3 | 3",
                "4 | 4",
                "5 | 5",
                "old | new",
                "7 | 7",
                "8 | 8",
                "9 | 9",
                "… 2 lines as before",
            ],
        );
    }

    proptest! {
        /// Both texts can be read off the two sides.
        #[test]
        fn nothing_is_lost(old in "([ab]{0,3}\n){0,6}[ab ]{1,5}", new in "([ab]{0,3}\n){0,6}[ab ]{1,5}") {
            let found = rows(Some(&old), Some(&new));
            let mut before = old.split('\n');
            let mut after = new.split('\n');
            for row in &found {
                if let Some(gap) = &row.gap {
                    let many: usize = gap.split(' ').next().and_then(|many| many.parse().ok()).unwrap_or(0);
                    (0..many).for_each(|_| { before.next(); after.next(); });
                    continue;
                }
                let text = |spans: &Vec<Span>| spans.iter().map(|span| span.text.as_str()).collect::<String>();
                for (spans, rest) in [(&row.old, &mut before), (&row.new, &mut after)] {
                    if let Some(spans) = spans {
                        let line = rest.next().unwrap_or("?");
                        prop_assert_eq!(text(spans), if line.is_empty() { " " } else { line });
                    }
                }
            }
            if old != new {
                prop_assert_eq!((before.next(), after.next()), (None, None));
            }
        }
    }
}
