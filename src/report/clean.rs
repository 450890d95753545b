//! The one place where text that came from a file or a cluster is made safe to show.
//!
//! A terminal acts on control characters, and a reader is misled by marks that reorder text or that cannot be
//! seen. Each is replaced by a visible escape, so that nothing is hidden and nothing acts.

use std::borrow::Cow;

/// Text in which every control, bidirectional and zero-width character is written as `\u{…}`; tabs and line
/// feeds too, so that the result is one line.
///
/// ```
/// use strata::report::clean::clean;
/// assert_eq!(clean("plain text, naïve and 日本語"), "plain text, naïve and 日本語");
/// assert_eq!(clean("red \u{1b}[31m"), r"red \u{1b}[31m");
/// assert_eq!(clean("a\nb"), r"a\nb");
/// ```
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// The same for text of several lines: line feeds and tabs stay.
///
/// ```
/// use strata::report::clean::clean_lines;
/// assert_eq!(clean_lines("a\n\tb\u{202e}c"), "a\n\tb\\u{202e}c");
/// ```
#[must_use]
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    escape(text, true)
}

fn escape(text: &str, lines: bool) -> Cow<'_, str> {
    let acts = |c: char| is_deceptive(c) && !(lines && matches!(c, '\n' | '\t'));
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Characters that act on a terminal or deceive its reader: controls (C0, DEL, C1), bidirectional marks,
/// embeddings, overrides and isolates, zero-width characters, line and paragraph separators, the byte order
/// mark, interlinear annotation and tag characters (Unicode general categories Cc and Cf, with Zl and Zp); and what is no
/// character at all, which neither XML nor HTML may hold.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expect: &str) {
        assert_eq!(clean(input), expect);
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        check("\u{7}\u{8}\u{7f}\u{9b}31m", r"\u{7}\u{8}\u{7f}\u{9b}31m");
        check("\r\n\t", r"\r\n\t");
        check("\u{202e}gnp.exe", r"\u{202e}gnp.exe");
        check("zero\u{200b}width", r"zero\u{200b}width");
        check("a\u{fffe}b\u{1ffff}c\u{fdd0}", r"a\u{fffe}b\u{1ffff}c\u{fdd0}");
        check("", "");
    }
}
