//! Values that have been seen and must not be told: every text that leaves the program, or enters it from a server, is
//! looked through for them, in each way they may be written.
//!
//! Looked for is what is long and mixed enough not to stand in a text by chance ([`is_telling`]). A value that is also
//! part of a name that the stack itself gives is no secret, and blotting it out would make every text unreadable. Where a
//! Secret holds such a value, that place is withheld all the same.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;

use crate::observe::HIDDEN;

/// The shortest value that is looked for, in bytes.
const SHORTEST: usize = 6;
/// The shortest one that is looked for although all of it is of one class: letters of one case, or digits.
const SHORTEST_OF_ONE_CLASS: usize = 12;
/// The longest value that is looked for as a whole, in bytes; of longer ones their lines are.
const LONGEST: usize = 64 << 10;

/// What escaping a query leaves as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What escaping a part of a path leaves as it is.
const PATH: &AsciiSet = &QUERY.remove(b'$').remove(b'&').remove(b'+').remove(b'=').remove(b':').remove(b'@');
/// What a browser leaves as it is.
const COMPONENT: &AsciiSet = &QUERY.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
/// What stands for itself in no URL.
const RESERVED: &AsciiSet = &PATH
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b';')
    .remove(b'/')
    .remove(b'?');

/// Values that must not be told. Clones share them.
#[derive(Clone, Default)]
pub struct Known {
    shared: Arc<RwLock<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Each form in which a value may be written.
    forms: BTreeSet<String>,
    /// Names that are no secret.
    names: BTreeSet<String>,
    /// What finds the forms; none while there are none, or new ones.
    finder: Option<AhoCorasick>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(…)")
    }
}

impl Known {
    /// Takes names that the stack itself gives: a value that is part of one is not looked for.
    pub fn spare(&self, names: impl IntoIterator<Item = String>) {
        self.shared.write().unwrap_or_else(PoisonError::into_inner).names.extend(names);
    }

    /// Adds a value, with each line of one that has several.
    pub fn note(&self, value: &[u8]) {
        let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let parts: BTreeSet<&[u8]> = lines.chain([value, value.trim_ascii()]).filter(|part| is_telling(part)).collect();
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        for part in parts {
            let named = |text: &str| shared.names.iter().any(|name| name.contains(text));
            if part.len() > LONGEST || std::str::from_utf8(part).is_ok_and(named) {
                continue;
            }
            for form in forms(part) {
                if shared.forms.insert(form) {
                    shared.finder = None;
                }
            }
        }
    }

    /// Whether no value is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.read().unwrap_or_else(PoisonError::into_inner).forms.is_empty()
    }

    /// Whether a text holds one of the values, however it is written.
    #[must_use]
    pub fn gives_away(&self, text: &str) -> bool {
        self.finder().is_some_and(|finder| finder.is_match(text))
    }

    /// The text with [`HIDDEN`] in the place of each value.
    ///
    /// ```
    /// let known = strata::secrets::Known::default();
    /// known.note(b"s3cret/value");
    /// assert_eq!(known.told("refused: s3cret%2Fvalue, czNjcmV0L3ZhbHVl"), "refused: (secret), (secret)");
    /// ```
    #[must_use]
    pub fn told<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.finder() {
            Some(finder) if finder.is_match(text) => {
                let mut told = String::with_capacity(text.len());
                finder.replace_all_with(text, &mut told, |_, _, told| {
                    told.push_str(HIDDEN);
                    true
                });
                Cow::Owned(told)
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// The same for every text in a value.
    pub fn clean(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(told) = self.told(text) {
                    *text = told;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.clean(field)),
            _ => {}
        }
    }

    fn finder(&self) -> Option<AhoCorasick> {
        {
            let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
            if shared.finder.is_some() || shared.forms.is_empty() {
                return shared.finder.clone();
            }
        }
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if shared.finder.is_none() {
            // Only more forms than there are numbers for could not be looked for.
            shared.finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&shared.forms).ok();
        }
        shared.finder.clone()
    }
}

/// Whether a value is one that does not stand in a text by chance: six bytes of two classes (small letters, capital
/// letters, digits, others), or twelve.
fn is_telling(value: &[u8]) -> bool {
    let class = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let classes: BTreeSet<u8> = value.iter().map(class).collect();
    value.len() >= SHORTEST_OF_ONE_CLASS || (value.len() >= SHORTEST && classes.len() > 1)
}

/// How a value may stand in a text: as it is, quoted, percent-encoded, hexadecimal, or as base64 wherever that began.
fn forms(value: &[u8]) -> Vec<String> {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![hex.to_uppercase(), hex];
    for kept in [NON_ALPHANUMERIC, QUERY, PATH, COMPONENT, RESERVED] {
        let percent = percent_encode(value, kept).to_string();
        forms.extend([lower_escapes(&percent), percent.replace("%20", "+"), percent]);
    }
    if let Ok(text) = std::str::from_utf8(value) {
        // Go, in which servers are written, also escapes what HTML would read.
        let html = |text: &str| text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        let quoted = |text: &str| {
            let quoted = Value::from(text).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        };
        let once = quoted(text);
        forms.extend([quoted(&once), quoted(&html(&once)), html(&once), once, text.to_owned()]);
    }
    for skipped in 0..3 {
        // What stands before and after a value decides over the digits at its ends; those between are its own.
        let padded = [vec![0; skipped], value.to_vec()].concat();
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let own = encoded.get((skipped * 8).div_ceil(6)..padded.len() * 8 / 6).unwrap_or_default();
            forms.push(own.to_owned());
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// Percent-encoding with small letters.
fn lower_escapes(text: &str) -> String {
    let mut left = 0;
    let small = |c: char| {
        left = if c == '%' { 2 } else { i32::max(left - 1, -1) };
        if left >= 0 { c.to_ascii_lowercase() } else { c }
    };
    text.chars().map(small).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "Pä55/word+\"long\" <&>";

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let known = Known::default();
        known.note(VALUE.as_bytes());
        for before in ["", "a", "ab", "abc", "user=x&"] {
            let text = format!("{before}{VALUE} and more");
            let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
            let percent = percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
            let json = Value::from(text.as_str()).to_string();
            for form in [
                text.clone(),
                Value::from(json.as_str()).to_string(),
                json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
                json,
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                percent_encode(text.as_bytes(), QUERY).to_string().replace("%20", "+"),
                percent_encode(text.as_bytes(), PATH).to_string(),
                percent_encode(text.as_bytes(), COMPONENT).to_string(),
                lower_escapes(&percent),
                percent,
                hex.to_uppercase(),
                hex,
            ] {
                assert!(known.gives_away(&form), "{form}");
                assert!(!known.gives_away(&known.told(&form)), "{form}");
            }
        }
        assert!(!known.gives_away("Pä55/word"));
        assert_eq!(known.told(&format!("denied: {VALUE}!")), "denied: (secret)!");
        assert_eq!(known.told("denied"), "denied");
    }

    /// Whether a text with this value in it is told without it.
    #[track_caller]
    fn check(value: &str, expect: bool) {
        let known = Known::default();
        known.spare(["postgres-manager".to_owned()]);
        known.note(value.as_bytes());
        assert_eq!(known.gives_away(&format!("a text with {value} in it")), expect, "{value}");
    }

    #[test]
    fn what_stands_in_texts_by_chance_is_not_looked_for() {
        for value in ["", "true", "8080", "admin", "password", "20261121", "a-b-c", "postgres-man", "postgres"] {
            check(value, false);
        }
        for value in ["hunter2", "s3cr3t", "Secret", "123456789012", "correcthorsebattery", "postgres-manager-1"] {
            check(value, true);
        }
    }

    #[test]
    fn lines_count() {
        let known = Known::default();
        known.note(b"-----BEGIN-----\r\nline-of-a-key\r\nab\r\n");
        assert!(known.gives_away("log: line-of-a-key") && !known.gives_away("ab"));
        let mut value = serde_json::json!({"a": ["x line-of-a-key", 7]});
        known.clean(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["x (secret)", 7]}));
    }
}
