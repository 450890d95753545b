//! The words of HAProxy's configuration language: how any text is written as one of them, and how a file is read back
//! into sections, lines and words (<https://docs.haproxy.org/3.2/configuration.html#2.2>).
//!
//! It reads what it writes, and no more: variables of the environment and macros are refused.

use std::fmt::Write as _;

use thiserror::Error;

/// What begins a section.
const SECTIONS: [&str; 5] = ["global", "defaults", "resolvers", "frontend", "backend"];

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub(super) struct WordError {
    /// Its number, from 1.
    pub(super) line: usize,
    /// What is wrong with it.
    pub(super) what: &'static str,
}

/// A section of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// What it is, and its name where it has one.
    pub(super) head: Vec<String>,
    /// Its lines in words.
    pub(super) lines: Vec<Vec<String>>,
}

/// `text` as one word, whatever it holds: plain where nothing in it has a meaning, or between double quotes.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // It would end the word, in whatever form it was written.
            '\0' => quoted.push(char::REPLACEMENT_CHARACTER),
            c if c.is_ascii_control() => drop(write!(quoted, "\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The sections of a configuration.
///
/// # Errors
/// When a line is none, or stands before the first section.
pub(super) fn sections(text: &str) -> Result<Vec<Section>, WordError> {
    let mut sections: Vec<Section> = Vec::new();
    for (at, line) in text.split('\n').enumerate() {
        let words = words(line).map_err(|what| WordError { line: at + 1, what })?;
        let Some(first) = words.first() else { continue };
        if SECTIONS.contains(&first.as_str()) {
            sections.push(Section { head: words, lines: Vec::new() });
        } else {
            let current = sections.last_mut();
            let outside = WordError { line: at + 1, what: "it stands before any section" };
            current.ok_or(outside)?.lines.push(words);
        }
    }
    Ok(sections)
}

/// The words of a line; none of one that is blank or a comment.
fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let (mut begun, mut quote) = (false, None);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => push(&mut bytes, c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '#') => break,
            (None, c) if c.is_ascii_whitespace() => {
                if std::mem::take(&mut begun) {
                    words.push(finished(&mut bytes)?);
                }
            }
            (quote, '\\') => {
                begun = true;
                escaped(&mut rest, quote.is_some(), &mut bytes)?;
            }
            (Some(_), '$') => return Err("a variable stands in it"),
            (_, c) => {
                begun = true;
                push(&mut bytes, c);
            }
        }
    }
    if quote.is_some() {
        return Err("a quote has no end");
    }
    if begun {
        words.push(finished(&mut bytes)?);
    }
    Ok(words)
}

/// What a backslash and the characters after it stand for. Where they mean nothing together, the backslash is one.
fn escaped(rest: &mut std::str::Chars<'_>, quoted: bool, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    let next = rest.clone().next();
    match next {
        Some(c @ (' ' | '\\' | '#' | '\'' | '"')) => push(bytes, c),
        Some('$') if quoted => push(bytes, '$'),
        Some('n') => bytes.push(b'\n'),
        Some('r') => bytes.push(b'\r'),
        Some('t') => bytes.push(b'\t'),
        Some('x') => {
            rest.next();
            let digits: String = rest.by_ref().take(2).collect();
            let byte = u8::from_str_radix(&digits, 16).ok().filter(|byte| digits.len() == 2 && *byte != 0);
            bytes.push(byte.ok_or("what follows \\x is no byte of a word")?);
            return Ok(());
        }
        _ => {
            bytes.push(b'\\');
            return Ok(());
        }
    }
    rest.next();
    Ok(())
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn finished(bytes: &mut Vec<u8>) -> Result<String, &'static str> {
    String::from_utf8(std::mem::take(bytes)).map_err(|_| "a word is no UTF-8")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Result<&[&str], &'static str>) {
        let expect = expect.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(line), expect, "{line}");
    }

    #[test]
    fn lines_are_read_as_haproxy_reads_them() {
        check("", Ok(&[]));
        check("  # a comment", Ok(&[]));
        check("bind :80 # a comment", Ok(&["bind", ":80"]));
        check("a#b c", Ok(&["a"]));
        check(r"a\#b a\ b", Ok(&["a#b", "a b"]));
        check(r#"log-format "%{+Q}o %t"' %s'\ %{-Q}r"#, Ok(&["log-format", "%{+Q}o %t %s %{-Q}r"]));
        check(r#"a "" ''"#, Ok(&["a", "", ""]));
        check(r#"'a "\n$' "\"\\\$\n""#, Ok(&["a \"\\n$", "\"\\$\n"]));
        check(r"\x41\x7f \q \$", Ok(&["A\u{7f}", "\\q", "\\$"]));
        check("a\tb\rc", Ok(&["a", "b", "c"]));
        check(r#"a "b"#, Err("a quote has no end"));
        check("a 'b", Err("a quote has no end"));
        check(r#""${HOME}""#, Err("a variable stands in it"));
        check(r"\x4", Err("what follows \\x is no byte of a word"));
        check(r"\x00", Err("what follows \\x is no byte of a word"));
        check(r"\xff", Err("a word is no UTF-8"));
    }

    #[test]
    fn texts_are_written_as_one_word() {
        for (text, expect) in [
            ("files-mcp.shop.svc:11101", "files-mcp.shop.svc:11101"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("a\nserver evil 10.0.0.1:80", "\"a\\nserver evil 10.0.0.1:80\""),
            ("\"$HOME\" \\", "\"\\\"\\$HOME\\\" \\\\\""),
            ("#\u{1}\0", "\"#\\x01\u{fffd}\""),
            ("naïve", "\"naïve\""),
        ] {
            assert_eq!(word(text), expect);
        }
    }

    #[test]
    fn sections_hold_the_lines_after_their_heads() {
        let read = sections("# first\nglobal\n  maxconn 1\n\nfrontend a\n  bind :1\n  mode http\nbackend a\n").unwrap();
        let shown: Vec<_> = read.iter().map(|section| (section.head.join(" "), section.lines.len())).collect();
        assert_eq!(shown, [("global".to_owned(), 1), ("frontend a".to_owned(), 2), ("backend a".to_owned(), 0)]);
        let early = sections("\nmode http\n").unwrap_err();
        assert_eq!(early.to_string(), "line 2: it stands before any section");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_the_word_it_was(text in "[ -~\\n\\r\\t\\PC\u{1}\u{7f}\"'\\\\$#{}%]{0,40}", more in any::<String>()) {
            for text in [text, more] {
                let line = format!("description {} end", word(&text));
                prop_assert!(!line.contains('\n'));
                let expect = vec!["description".to_owned(), text.replace('\0', "\u{fffd}"), "end".to_owned()];
                prop_assert_eq!(words(&line), Ok(expect));
            }
        }
    }
}
