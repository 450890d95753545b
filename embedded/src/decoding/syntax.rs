//! Reading JSON, and why a text is none, in the words of Go's `encoding/json`.

use serde_json::Value;

use super::conform::shape;
use super::print::quote;

const END: &str = "unexpected end of JSON input";

/// Reads JSON; the error is in the server's words.
pub(crate) fn json_value(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| fault(body).unwrap_or_else(|| error.to_string()))
}

/// Reads JSON that is to be a map; the error is in the server's words.
pub(crate) fn json_map(body: &[u8]) -> Result<Value, String> {
    match json_value(body)? {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        value @ Value::Object(_) => Ok(value),
        other => {
            let found = shape(&other);
            Err(format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"))
        }
    }
}

/// What is wrong with the text; nothing where it is JSON.
pub(crate) fn fault(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.document().err()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

type Scanned = Result<(), String>;

impl Scanner<'_> {
    fn document(&mut self) -> Scanned {
        self.value()?;
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(byte) => unexpected(byte, "after top-level value"),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, String> {
        let byte = self.peek().ok_or(END)?;
        self.at += 1;
        Ok(byte)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Scanned {
        self.space();
        match self.next()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            byte @ (b'-' | b'0'..=b'9') => self.number(byte),
            byte => unexpected(byte, "looking for beginning of value"),
        }
    }

    fn object(&mut self) -> Scanned {
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            match self.next()? {
                b'"' => self.string()?,
                byte => return unexpected(byte, "looking for beginning of object key string"),
            }
            self.space();
            match self.next()? {
                b':' => self.value()?,
                byte => return unexpected(byte, "after object key"),
            }
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                byte => return unexpected(byte, "after object key:value pair"),
            }
        }
    }

    fn array(&mut self) -> Scanned {
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                byte => return unexpected(byte, "after array element"),
            }
        }
    }

    fn string(&mut self) -> Scanned {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                return unexpected(byte, "in \\u hexadecimal character escape");
                            }
                        }
                    }
                    byte => return unexpected(byte, "in string escape code"),
                },
                byte if byte < 0x20 => return unexpected(byte, "in string literal"),
                _ => {}
            }
        }
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                return unexpected(byte, &format!("in literal {word} (expecting {})", character(expected)));
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Scanned {
        let mut first = first;
        if first == b'-' {
            first = self.next()?;
            if !first.is_ascii_digit() {
                return unexpected(first, "in numeric literal");
            }
        }
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digit(&mut self, place: &str) -> Scanned {
        let byte = self.next()?;
        if !byte.is_ascii_digit() {
            return unexpected(byte, place);
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

fn unexpected(byte: u8, place: &str) -> Scanned {
    Err(format!("invalid character {} {place}", character(byte)))
}

/// A byte as the character of its number, in single quotes.
fn character(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        byte => {
            let quoted = quote(&char::from(byte).to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(fault(text.as_bytes()).as_deref(), expected, "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).is_err(), expected.is_some(), "{text}");
    }

    #[test]
    fn faults_are_named_as_go_names_them() {
        check(r#" {"a": [1, -2.5e+3, true, false, null, "\u00e9\n"], "b": {}} "#, None);
        check("", Some(END));
        check("[1, 2", Some(END));
        check("{]", Some("invalid character ']' looking for beginning of object key string"));
        check(r#"{"a" 1}"#, Some("invalid character '1' after object key"));
        check(r#"{"a": 1 "b"}"#, Some("invalid character '\"' after object key:value pair"));
        check("[1 2]", Some("invalid character '2' after array element"));
        check("[1,]", Some("invalid character ']' looking for beginning of value"));
        check("tru'", Some("invalid character '\\'' in literal true (expecting 'e')"));
        check("-x", Some("invalid character 'x' in numeric literal"));
        check("1.x", Some("invalid character 'x' after decimal point in numeric literal"));
        check("1ex", Some("invalid character 'x' in exponent of numeric literal"));
        check("\"\\q\"", Some("invalid character 'q' in string escape code"));
        check("\"\\u12g4\"", Some("invalid character 'g' in \\u hexadecimal character escape"));
        check("\"\n\"", Some("invalid character '\\n' in string literal"));
        check("{} {}", Some("invalid character '{' after top-level value"));
    }
}
