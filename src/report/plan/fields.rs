//! A field with its old value and its new one: in a line where both are short, else line by line, with what is alike folded
//! and what is different marked.
//!
//! Within a line, `[-…-]` stands around what goes and `{+…+}` around what comes, as `git diff --word-diff` writes it.

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices, group_diff_ops};

use super::Detail;
use crate::report::manifests::yaml;
use crate::report::page::{Line, Page, visible};

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const ADD: Style = AnsiColor::Green.on_default();
pub(super) const CHANGE: Style = AnsiColor::Yellow.on_default();
pub(super) const REMOVE: Style = AnsiColor::Red.on_default();

/// Lines of a text on either side of a change that are shown.
const CONTEXT: usize = 2;
/// Characters a value may take before it is shown as a text of several lines.
const INLINE: usize = 72;
/// Characters that two values may have and still stand whole beside each other.
const SHORT: usize = 24;
/// Lines of two texts together that are compared line by line; where there are more, the old text goes and the new one
/// comes.
const COMPARED: usize = 8_000;
/// Words of two lines together that are compared word by word.
const WORDS: usize = 2_000;
/// What stands for the end of a text that has no line feed there, where the other text has.
const NO_FEED: &str = "(no line feed at the end)";
/// What two lines must have in common to be shown as one, in hundredths of their characters.
const ALIKE: usize = 50;

/// A field that changes.
pub(in crate::report) struct Field<'a> {
    /// Where.
    pub(in crate::report) path: &'a str,
    /// The old value; absent where there was none.
    pub(in crate::report) before: Option<&'a Value>,
    /// The new value; absent where it goes.
    pub(in crate::report) after: Option<&'a Value>,
    /// What is to be said of the change; may be empty.
    pub(in crate::report) note: &'a str,
}

impl Field<'_> {
    /// Writes the field, its sign in column `indent`.
    pub(in crate::report) fn write(&self, page: &mut Page, indent: usize, detail: Detail) {
        let Self { path, before, after, note } = *self;
        let (sign, style) = match (before, after) {
            (None, Some(_)) => ("+ ", ADD),
            (Some(_), None) => ("- ", REMOVE),
            _ => ("~ ", CHANGE),
        };
        let note = if note.is_empty() { String::new() } else { format!("  ({note})") };
        let mut line = Line::at(indent).styled(style, sign).text(path).text(":");
        let (old, new) = texts(before, after);
        let told = |text: Option<String>| text.map(|text| page.told(&text).into_owned());
        let (old, new) = (told(old), told(new));
        let fits = |text: &Option<String>| {
            text.as_ref().is_none_or(|text| !text.contains('\n') && text.chars().count() <= INLINE)
        };
        if fits(&old) && fits(&new) {
            line.push(Style::new(), " ");
            match (old, new) {
                (Some(old), Some(new)) => match marked(&old, &new).filter(|_| old.len().max(new.len()) > SHORT) {
                    Some(marked) => marked.into_iter().for_each(|(style, text)| line.push(style, &text)),
                    None => line = line.styled(REMOVE, &visible(&old)).text(" → ").styled(ADD, &visible(&new)),
                },
                (old, new) => line.push(style, &visible(&old.or(new).unwrap_or_default())),
            }
            page.add(line.styled(DIM, &note));
            return;
        }
        page.add(line.styled(DIM, &note));
        difference(page, indent + 2, &old.unwrap_or_default(), &new.unwrap_or_default(), detail);
    }
}

/// Both values as text. Where values are others and their texts the same, as with `3` and `"3"`, each is written as JSON.
pub(in crate::report) fn texts(before: Option<&Value>, after: Option<&Value>) -> (Option<String>, Option<String>) {
    let (old, new) = (before.map(show), after.map(show));
    match before != after && old == new {
        true => (before.map(Value::to_string), after.map(Value::to_string)),
        false => (old, new),
    }
}

/// A value as text: a string as it is, a number or a truth value as JSON, anything else as JSON where that is short, and as
/// YAML where it is not.
pub(in crate::report) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            let short = value.to_string();
            if short.chars().count() <= INLINE { short } else { yaml(value, "it").unwrap_or(short) }
        }
        _ => value.to_string(),
    }
}

/// Every line of a text that is new.
pub(super) fn new_text(page: &mut Page, indent: usize, text: &str) {
    text.lines().for_each(|line| row(page, indent, '+', ADD, line));
}

/// Lines that go, come and stay; of those that stay, the ones near a change.
fn difference(page: &mut Page, indent: usize, old: &str, new: &str, detail: Detail) {
    let (before, after) = lines(old, new);
    let ops = match before.len() + after.len() <= COMPARED {
        true => capture_diff_slices(Algorithm::Myers, &before, &after),
        false => {
            let (old_index, new_index) = (0, 0);
            vec![DiffOp::Replace { old_index, old_len: before.len(), new_index, new_len: after.len() }]
        }
    };
    let groups = match detail {
        Detail::Whole => vec![ops],
        _ => group_diff_ops(ops, CONTEXT),
    };
    let mut told = 0;
    for op in groups.iter().flatten() {
        let (gone, come) = (op.old_range(), op.new_range());
        folded(page, indent, gone.start.saturating_sub(told));
        told = gone.end;
        let (gone, come) = (before.get(gone).unwrap_or_default(), after.get(come).unwrap_or_default());
        match op {
            DiffOp::Equal { .. } => gone.iter().for_each(|line| row(page, indent, ' ', Style::new(), line)),
            _ if gone.len() == come.len() => pairs(page, indent, gone, come),
            _ => {
                gone.iter().for_each(|line| row(page, indent, '-', REMOVE, line));
                come.iter().for_each(|line| row(page, indent, '+', ADD, line));
            }
        }
    }
    folded(page, indent, before.len().saturating_sub(told));
}

/// The lines of two texts. Where only one of them ends with a line feed, the other has a line that says so.
fn lines<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut before, mut after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    match (old.ends_with('\n'), new.ends_with('\n')) {
        (true, false) if !new.is_empty() => after.push(NO_FEED),
        (false, true) if !old.is_empty() => before.push(NO_FEED),
        _ => {}
    }
    (before, after)
}

fn folded(page: &mut Page, indent: usize, lines: usize) {
    match lines {
        0 => {}
        1 => page.add(Line::at(indent).styled(DIM, "… 1 line unchanged")),
        lines => page.add(Line::at(indent).styled(DIM, &format!("… {lines} lines unchanged"))),
    }
}

/// As many lines as there were before in their place: those that are much alike are shown as one.
fn pairs(page: &mut Page, indent: usize, gone: &[&str], come: &[&str]) {
    let marks: Vec<_> = gone.iter().zip(come).map(|(old, new)| marked(old, new)).collect();
    if marks.iter().any(Option::is_none) {
        gone.iter().for_each(|line| row(page, indent, '-', REMOVE, line));
        come.iter().for_each(|line| row(page, indent, '+', ADD, line));
        return;
    }
    for pieces in marks.into_iter().flatten() {
        let within = pieces.first().map_or(0, |(_, text)| text.len() - text.trim_start().len());
        let line = Line::at(indent).hanging(4 + within).styled(CHANGE, "~").text(" ");
        page.add(pieces.iter().fold(line, |line, (style, text)| line.styled(*style, text)));
    }
}

fn row(page: &mut Page, indent: usize, sign: char, style: Style, line: &str) {
    let within = line.len() - line.trim_start().len();
    let text = match (sign, line) {
        (' ', "") => String::new(),
        (_, "") => sign.to_string(),
        _ => format!("{sign} {line}"),
    };
    page.add(Line::at(indent).hanging(4 + within).styled(style, &text));
}

/// Two lines as one, with marks around what goes and what comes; `None` where they have too little in common, or hold what
/// would be taken for a mark.
fn marked(old: &str, new: &str) -> Option<Vec<(Style, String)>> {
    if ["[-", "-]", "{+", "+}"].iter().any(|mark| old.contains(mark) || new.contains(mark)) {
        return None;
    }
    let (before, after) = (words(old), words(new));
    if before.len() + after.len() > WORDS {
        return None;
    }
    let diff = TextDiff::from_slices(&before, &after);
    let of = |range: std::ops::Range<usize>, words: &[&str]| words.get(range).unwrap_or_default().concat();
    let (mut parts, mut alike): (Vec<(String, String, String)>, usize) = (Vec::new(), 0);
    for op in diff.ops() {
        let (gone, come) = (of(op.old_range(), &before), of(op.new_range(), &after));
        let same = matches!(op, DiffOp::Equal { .. });
        let before_it = parts.last_mut().filter(|(stays, ..)| stays.is_empty());
        match (same, before_it) {
            // What stays between two changes and is no word belongs to both.
            (true, Some((_, old, new))) if !gone.chars().any(char::is_alphanumeric) => {
                old.push_str(&gone);
                new.push_str(&gone);
            }
            (true, _) => {
                alike += gone.chars().count();
                parts.push((gone, String::new(), String::new()));
            }
            (false, Some((_, old, new))) => {
                old.push_str(&gone);
                new.push_str(&come);
            }
            (false, None) => parts.push((String::new(), gone, come)),
        }
    }
    if alike * 100 < ALIKE * old.chars().count().max(new.chars().count()) {
        return None;
    }
    let mut pieces = Vec::new();
    for (stays, mut gone, mut come) in parts {
        pieces.push((Style::new(), stays));
        // What the last word of a change and what follows it have in common was put into both.
        let tail = common_tail(&gone, &come);
        let behind = gone.split_off(gone.len() - tail);
        come.truncate(come.len() - tail);
        if !gone.is_empty() {
            pieces.push((REMOVE, format!("[-{gone}-]")));
        }
        if !come.is_empty() {
            pieces.push((ADD, format!("{{+{come}+}}")));
        }
        pieces.push((Style::new(), behind));
    }
    pieces.retain(|(_, text)| !text.is_empty());
    Some(pieces)
}

/// Bytes of the marks and spaces that both texts end with.
fn common_tail(one: &str, other: &str) -> usize {
    let pairs = one.chars().rev().zip(other.chars().rev());
    pairs.take_while(|(a, b)| a == b && !a.is_alphanumeric()).map(|(a, _)| a.len_utf8()).sum()
}

/// A line in words, runs of spaces, and single marks. A version and a name with hyphens are words.
fn words(line: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_alphanumeric() || "_-.".contains(c) => 0,
        ' ' => 1,
        _ => 2,
    };
    let (mut words, mut begin, mut last) = (Vec::new(), 0, None);
    for (at, c) in line.char_indices() {
        if at > begin && (last != Some(class(c)) || class(c) == 2) {
            words.extend(line.get(begin..at));
            begin = at;
        }
        last = Some(class(c));
    }
    words.extend(line.get(begin..).filter(|rest| !rest.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::secrets::Known;

    fn written(before: Option<Value>, after: Option<Value>, detail: Detail) -> String {
        let mut page = Page::new(None, Known::default());
        Field { path: ".f", before: before.as_ref(), after: after.as_ref(), note: "" }.write(&mut page, 0, detail);
        anstream::adapter::strip_str(&page.into_text()).to_string()
    }

    #[track_caller]
    fn check(before: impl Into<Option<Value>>, after: impl Into<Option<Value>>, expect: &str) {
        assert_eq!(written(before.into(), after.into(), Detail::Changes), expect);
    }

    #[test]
    fn short_values_stand_beside_each_other() {
        check(json!(3), json!(4), "~ .f: 3 → 4\n");
        check(None, json!("yes"), "+ .f: yes\n");
        check(json!(["a"]), None, "- .f: [\"a\"]\n");
        check(json!(""), json!(" x"), "~ .f: \"\" → \" x\"\n");
        check(json!("3"), json!(3), "~ .f: \"3\" → 3\n");
        check(json!("one\u{1b}[31m"), json!("two"), "~ .f: one\\u{1b}[31m → two\n");
    }

    #[test]
    fn long_values_that_are_much_alike_are_marked() {
        check(
            json!("registry.example/shop/cart:1.0.0-dev"),
            json!("registry.example/shop/cart:1.0.1"),
            "~ .f: registry.example/shop/cart:[-1.0.0-dev-]{+1.0.1+}\n",
        );
        check(
            json!("one two three four five six"),
            json!("one two 3 4 five six seven"),
            "~ .f: one two [-three four-]{+3 4+} five six{+ seven+}\n",
        );
        check(
            json!("nothing of this is in the other"),
            json!("quite another text, of course"),
            "~ .f: nothing of this is in the other → quite another text, of course\n",
        );
        check(
            json!("what holds a [-mark-] is not marked"),
            json!("what holds a [-mark-] is never marked"),
            "~ .f: what holds a [-mark-] is not marked → what holds a [-mark-] is never marked\n",
        );
    }

    #[test]
    fn texts_are_folded_where_they_are_alike() {
        let text =
            |n: u32| (0..9).map(|line| format!("line {line}\n")).collect::<String>() + &format!("the last: {n}\n");
        check(
            json!(text(1)),
            json!(text(2)),
            "~ .f:\n  … 7 lines unchanged\n    line 7\n    line 8\n  ~ the last: [-1-]{+2+}\n",
        );
        check(json!("a\nb\n"), json!("a\nb"), "~ .f:\n    a\n    b\n  + (no line feed at the end)\n");
        check(json!("a\nb\n"), None, "- .f:\n  - a\n  - b\n");
        check(json!("a\n\nb\n"), json!("a\n\nc\n"), "~ .f:\n    a\n\n  - b\n  + c\n");
        let list = |port: u32| json!([{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "cart"}}}], "port": port}]);
        let yaml = "  - from:\n      - podSelector:\n          matchLabels:\n            app.kubernetes.io/name: cart\n    port:";
        let found = written(Some(list(1)), Some(list(2)), Detail::Whole);
        let rows: Vec<&str> = found.lines().skip(1).map(|row| row.get(2..).unwrap_or_default()).collect();
        assert_eq!(rows.join("\n").replace("~ ", "  "), format!("{yaml} [-1-]{{+2+}}"));
    }

    /// What stood before and what stands after, read back from what was written of it.
    fn read_back(text: &str) -> (String, String) {
        let without = |line: &str, begin: &str, end: &str, keep: (&str, &str)| {
            let mut rest = line.to_owned();
            while let Some((head, tail)) = rest.split_once(begin) {
                let (_, tail) = tail.split_once(end).unwrap_or_default();
                rest = format!("{head}{tail}");
            }
            rest.replace(keep.0, "").replace(keep.1, "")
        };
        let (mut old, mut new) = (String::new(), String::new());
        for row in text.lines().skip(1) {
            let row = row.get(2..).unwrap_or_default();
            let (sign, line) = (row.get(..1).unwrap_or(" "), row.get(2..).unwrap_or_default());
            let line = format!("{line}\n");
            match sign {
                "-" => old.push_str(&line),
                "+" => new.push_str(&line),
                "~" => {
                    old.push_str(&without(&line, "{+", "+}", ("[-", "-]")));
                    new.push_str(&without(&line, "[-", "-]", ("{+", "+}")));
                }
                _ => {
                    old.push_str(&line);
                    new.push_str(&line);
                }
            }
        }
        (old, new)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// What is written of two texts, unfolded, is both texts.
        #[test]
        fn both_texts_can_be_read_back(
            old in "(([a-d]{1,3}|[ =.:-]){0,9}\n){2,9}",
            new in "(([a-d]{1,3}|[ =.:-]){0,9}\n){2,9}",
        ) {
            prop_assume!(old != new);
            let found = written(Some(json!(old)), Some(json!(new)), Detail::Whole);
            prop_assert_eq!(read_back(&found), (old, new), "{}", found);
        }
    }
}
