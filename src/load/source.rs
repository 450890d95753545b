//! The text of one file, safe to parse: read within its limit, UTF-8, without characters that deceive.
//!
//! What is found here is about bytes and characters; what they mean is the business of [`super::tree`].

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::decode::{MAX_COLLECTED, limited};
use super::error::LoadError;
use super::rules;
use crate::finding::{Finding, Location};
use crate::report::clean::is_deceptive;

/// The largest file that is read: 16 MiB.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A stretch of a file, in bytes, with the place of its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
}

/// A file's name and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the file, relative to the root.
    pub file: String,
    /// Its text, without a byte order mark.
    pub text: String,
}

impl Source {
    /// Text that is at hand already.
    #[must_use]
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// Reads a file, at most [`MAX_BYTES`] of it.
    ///
    /// # Errors
    ///
    /// A finding when it cannot be read, is too large, is not UTF-8, or holds characters that deceive its reader.
    pub fn read(path: &Path, file: &str) -> Result<Self, LoadError> {
        let failed = |error: std::io::Error| {
            LoadError::from(
                Finding::new(&rules::UNREADABLE, format!("could not read {file}: {error}"))
                    .help("check that the file exists and that you may read it".to_owned()),
            )
        };
        let mut bytes = Vec::new();
        let opened = File::open(path).map_err(failed)?;
        opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        Self::from_bytes(file, bytes)
    }

    /// Makes text of bytes.
    ///
    /// # Errors
    ///
    /// A finding when there are too many, when they are not UTF-8, or when characters among them deceive a reader.
    pub fn from_bytes(file: &str, bytes: Vec<u8>) -> Result<Self, LoadError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(LoadError::from(
                Finding::new(&rules::TOO_LARGE, format!("{file} is larger than 16 MiB"))
                    .help("a stack of a thousand services is far smaller: is this the right file?".to_owned()),
            ));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(LoadError::from(
                Finding::new(&rules::NOT_UTF8, format!("{file} is UTF-16, expected UTF-8"))
                    .at(place(file, 1, 1))
                    .help("save the file as UTF-8".to_owned()),
            ));
        }
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let before = String::from_utf8_lossy(bytes.get(..offset).unwrap_or_default()).into_owned();
            let byte = bytes.get(offset).copied().unwrap_or_default();
            let (line, column) = end_of(&before);
            LoadError::from(
                Finding::new(
                    &rules::NOT_UTF8,
                    format!("{file} is not UTF-8: byte 0x{byte:02x} at offset {offset} belongs to no character"),
                )
                .at(place(file, line, column))
                .help("save the file as UTF-8".to_owned()),
            )
            .with_source(file, String::from_utf8_lossy(bytes).into_owned())
        })?;
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let source = Self { file: file.to_owned(), text };
        let findings = source.deceptive();
        if findings.is_empty() {
            Ok(source)
        } else {
            Err(LoadError::new(limited(findings)).with_source(file, source.text))
        }
    }

    /// One finding a line that holds control, bidirectional or zero-width characters.
    fn deceptive(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, line) in self.text.split('\n').enumerate() {
            if findings.len() >= MAX_COLLECTED {
                break;
            }
            let line = line.strip_suffix('\r').unwrap_or(line);
            let hidden = |c: char| c != '\t' && is_deceptive(c);
            if let Some((column, c)) = line.chars().enumerate().find(|(_, c)| hidden(*c)) {
                findings.push(
                    Finding::new(&rules::HIDDEN_CHARACTER, format!("found {}, which a reader cannot see", naming(c)))
                        .at(place(&self.file, index + 1, column + 1))
                        .help(format!(
                            "remove it, or where a value needs it write it as \"\\u{:04X}\" in double quotes",
                            u32::from(c)
                        )),
                );
            }
        }
        findings
    }

    /// Where a span is, for a finding: its first line only.
    #[must_use]
    pub fn location(&self, span: Span) -> Location {
        let text = self.text.get(span.start..span.end.max(span.start)).unwrap_or_default();
        let length = text.lines().next().map_or(0, |line| line.trim_end().chars().count()).max(1);
        Location { file: self.file.clone(), line: span.line, column: span.column, length }
    }

    /// What the file says in a span.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

fn place(file: &str, line: usize, column: usize) -> Location {
    Location { file: file.to_owned(), line, column, length: 1 }
}

/// Line and column (from 1) behind the last character.
fn end_of(text: &str) -> (usize, usize) {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

fn naming(c: char) -> String {
    let name = match c {
        '\0' => "the NUL character",
        '\u{1b}' => "the escape character",
        '\r' => "a carriage return without a line feed",
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => "a zero-width character",
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            "a character that reorders text"
        }
        '\u{2028}' | '\u{2029}' | '\u{85}' => "a line separator that is no line feed",
        _ if c.is_control() => "a control character",
        _ => "an invisible character",
    };
    format!("{name} (U+{:04X})", u32::from(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &[&str]) {
        let findings = Source::from_bytes("f.yaml", bytes.to_vec()).map_or_else(|error| error.findings, |_| Vec::new());
        let said: Vec<String> = findings
            .iter()
            .map(|f| format!("{} {} {}", f.rule, f.at.as_ref().map(ToString::to_string).unwrap_or_default(), f.message))
            .collect();
        assert_eq!(said, expect);
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_place() {
        check(b"stack: ok\n", &[]);
        check(b"\xef\xbb\xbfstack: ok\r\nnext: line\r\n", &[]);
        check(
            b"stack: ok\nna\xc3\xafve: \xff\n",
            &["S-load-003 f.yaml:2:8 f.yaml is not UTF-8: byte 0xff at offset 18 belongs to no character"],
        );
        check(b"\xff\xfes\0", &["S-load-003 f.yaml:1:1 f.yaml is UTF-16, expected UTF-8"]);
        check(b"a: \0b\n", &["S-load-004 f.yaml:1:4 found the NUL character (U+0000), which a reader cannot see"]);
        check(
            "a: 1\nb: x\u{202e}y\u{200b}\nc: \u{1b}[31m\n".as_bytes(),
            &[
                "S-load-004 f.yaml:2:5 found a character that reorders text (U+202E), which a reader cannot see",
                "S-load-004 f.yaml:3:4 found the escape character (U+001B), which a reader cannot see",
            ],
        );
        check(
            b"a: 1\rb: 2\n",
            &["S-load-004 f.yaml:1:5 found a carriage return without a line feed (U+000D), which a reader cannot see"],
        );
    }

    #[test]
    fn a_file_over_the_limit_is_refused_unread() {
        check(&vec![b'#'; usize::try_from(MAX_BYTES).unwrap() + 1], &["S-load-002  f.yaml is larger than 16 MiB"]);
        check(&vec![b'#'; usize::try_from(MAX_BYTES).unwrap()], &[]);
    }

    #[test]
    fn a_location_covers_the_first_line_of_its_span() {
        let source = Source::new("f.yaml", "a: [1,\n  2]\n");
        let location = source.location(Span { start: 3, end: 11, line: 1, column: 4 });
        assert_eq!((location.line, location.column, location.length), (1, 4, 3));
        let beyond = source.location(Span { start: 99, end: 120, line: 7, column: 1 });
        assert_eq!(beyond.length, 1);
    }
}
