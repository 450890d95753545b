//! Text with a terminal's colours, taken apart: ECMA-48's "select graphic rendition", as far as programs use it.

use anyhow::{bail, ensure};

/// One of the sixteen colours that every terminal has, 0 to 15: black, red, green, yellow, blue, magenta, cyan, white, and
/// the same bright.
pub(super) type Colour = u8;

/// How text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: Option<Colour>,
    pub(super) behind: Option<Colour>,
    pub(super) bold: bool,
    pub(super) dim: bool,
    pub(super) italic: bool,
    pub(super) underlined: bool,
    pub(super) reversed: bool,
}

/// Text of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) look: Look,
    pub(super) text: String,
}

/// The lines of a text, each as what follows what.
///
/// # Errors
/// When something is asked of the terminal that is not known here.
pub(super) fn spans(text: &str) -> anyhow::Result<Vec<Vec<Span>>> {
    let mut look = Look::default();
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut spans: Vec<Span> = Vec::new();
        let mut add = |look: Look, text: &str| match spans.last_mut() {
            Some(last) if last.look == look => last.text.push_str(text),
            _ if text.is_empty() => {}
            _ => spans.push(Span { look, text: text.to_owned() }),
        };
        let mut rest = line;
        while let Some((plain, after)) = rest.split_once('\u{1b}') {
            add(look, plain);
            let asked = after.strip_prefix('[').and_then(|after| after.split_once('m'));
            let Some((codes, after)) = asked else { bail!("not known: escape {after:?}") };
            for code in codes.split(';') {
                look = changed(look, code)?;
            }
            rest = after;
        }
        add(look, rest);
        lines.push(spans);
    }
    Ok(lines)
}

/// The look after one code.
fn changed(look: Look, code: &str) -> anyhow::Result<Look> {
    // Nothing is zero.
    let code: u8 = if code.is_empty() { 0 } else { code.parse()? };
    Ok(match code {
        0 => Look::default(),
        1 => Look { bold: true, ..look },
        2 => Look { dim: true, ..look },
        3 => Look { italic: true, ..look },
        4 => Look { underlined: true, ..look },
        7 => Look { reversed: true, ..look },
        22 => Look { bold: false, dim: false, ..look },
        23 => Look { italic: false, ..look },
        24 => Look { underlined: false, ..look },
        27 => Look { reversed: false, ..look },
        30..=37 => Look { colour: Some(code - 30), ..look },
        39 => Look { colour: None, ..look },
        40..=47 => Look { behind: Some(code - 40), ..look },
        49 => Look { behind: None, ..look },
        90..=97 => Look { colour: Some(code - 82), ..look },
        _ => {
            ensure!((100..=107).contains(&code), "not known: the look {code}");
            Look { behind: Some(code - 92), ..look }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(text: &str, expect: &[(Look, &str)]) {
        let expect = expect.iter().map(|(look, text)| Span { look: *look, text: (*text).to_owned() }).collect();
        assert_eq!(spans(text).ok(), Some(vec![expect]), "{text:?}");
    }

    #[test]
    fn looks_begin_and_end() {
        let plain = Look::default();
        let red = Look { colour: Some(1), ..plain };
        found("plain", &[(plain, "plain")]);
        found("a\u{1b}[31mb\u{1b}[0mc", &[(plain, "a"), (red, "b"), (plain, "c")]);
        found("a\u{1b}[31;1mb\u{1b}[22mc", &[(plain, "a"), (Look { bold: true, ..red }, "b"), (red, "c")]);
        found("\u{1b}[91ma\u{1b}[39mb", &[(Look { colour: Some(9), ..plain }, "a"), (plain, "b")]);
        found("\u{1b}[44;7ma\u{1b}[mb", &[(Look { behind: Some(4), reversed: true, ..plain }, "a"), (plain, "b")]);
        found("a\u{1b}[0mb", &[(plain, "ab")]);
        found("\u{1b}[2m\u{1b}[0m", &[]);
    }

    #[test]
    fn a_look_lasts_over_the_end_of_a_line() {
        let lines = spans("\u{1b}[1ma\nb").unwrap_or_default();
        assert!(lines.len() == 2 && lines.iter().flatten().all(|span| span.look.bold), "{lines:?}");
    }

    #[test]
    fn what_moves_the_cursor_is_not_known() {
        for text in ["\u{1b}[2J", "\u{1b}]0;title\u{7}", "\u{1b}[38;5;9ma", "\u{1b}[5mm"] {
            assert!(spans(text).is_err(), "{text:?}");
        }
    }
}
