//! JSON and numbers as the server's own encoders write them, byte for byte.
//!
//! Two encoders matter: the one that writes `fieldsV1` (json-iterator) and the one that writes the annotation of
//! client-side apply (Go's `encoding/json`). They differ in two escapes and in the exponent of a float.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use crate::value;

/// Which encoder to write as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// That of `fieldsV1`.
    FieldsV1,
    /// That of whole objects.
    Object,
}

impl Encoder {
    /// A value as text, with sorted keys and without spaces.
    pub(crate) fn text(self, value: &Value) -> String {
        let mut out = String::new();
        self.write(value, &mut out);
        out
    }

    pub(crate) fn write(self, value: &Value, out: &mut String) {
        match value {
            Value::String(text) => self.write_string(text, out),
            Value::Number(number) => self.write_number(number, out),
            Value::Array(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    self.write(item, out);
                }
                out.push(']');
            }
            Value::Object(map) => {
                out.push('{');
                for (position, (key, item)) in value::sorted(map).into_iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    self.write_string(key, out);
                    out.push(':');
                    self.write(item, out);
                }
                out.push('}');
            }
            Value::Bool(_) | Value::Null => {
                let _ = write!(out, "{value}");
            }
        }
    }

    /// A string in quotes. Both encoders also escape `<`, `>`, `&` and two line separators.
    pub(crate) fn write_string(self, text: &str, out: &mut String) {
        out.push('"');
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let escape = match c {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\u{8}' if self == Self::Object => "\\b",
                '\u{c}' if self == Self::Object => "\\f",
                c if (c as u32) < 0x20 || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => "",
                _ => continue,
            };
            out.push_str(text.get(plain..at).unwrap_or_default());
            plain = at + c.len_utf8();
            if escape.is_empty() {
                let _ = write!(out, "\\u{:04x}", c as u32);
            } else {
                out.push_str(escape);
            }
        }
        out.push_str(text.get(plain..).unwrap_or_default());
        out.push('"');
    }

    fn write_number(self, number: &Number, out: &mut String) {
        match number.as_f64().filter(|_| number.is_f64()) {
            None => {
                let _ = write!(out, "{number}");
            }
            Some(float) => {
                let size = float.abs();
                if size != 0.0 && !(1e-6..1e21).contains(&size) {
                    let text = with_exponent(float);
                    // Objects have no leading zero in a negative exponent of one digit.
                    match text.split_once("e-0").filter(|_| self == Self::Object) {
                        Some((digits, exponent)) => {
                            let _ = write!(out, "{digits}e-{exponent}");
                        }
                        None => out.push_str(&text),
                    }
                } else {
                    let _ = write!(out, "{float}");
                }
            }
        }
    }
}

/// A number as the server's messages show it.
pub(crate) fn shown_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) { with_exponent(float) } else { float.to_string() }
}

/// The shortest digits that read as this float, with a sign and at least two digits in the exponent.
fn with_exponent(float: f64) -> String {
    let text = format!("{float:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, fields: &str, object: &str) {
        assert_eq!(Encoder::FieldsV1.text(&value), fields);
        assert_eq!(Encoder::Object.text(&value), object);
    }

    #[test]
    fn floats_have_the_shortest_form() {
        check(
            json!([1.0, -0.5, 1e20, 0.000_001]),
            "[1,-0.5,100000000000000000000,0.000001]",
            "[1,-0.5,100000000000000000000,0.000001]",
        );
        check(json!([1e21, 1e-7, 1.5e-12]), "[1e+21,1e-07,1.5e-12]", "[1e+21,1e-7,1.5e-12]");
        check(
            json!([i64::MIN, u64::MAX]),
            "[-9223372036854775808,18446744073709551615]",
            "[-9223372036854775808,18446744073709551615]",
        );
    }

    #[test]
    fn strings_are_escaped() {
        check(json!("a\"\\\n\r\t"), r#""a\"\\\n\r\t""#, r#""a\"\\\n\r\t""#);
        check(
            json!("é<\u{2028}>&\u{1}"),
            r#""é\u003c\u2028\u003e\u0026\u0001""#,
            r#""é\u003c\u2028\u003e\u0026\u0001""#,
        );
        check(json!("\u{8}\u{c}\u{7f}"), "\"\\u0008\\u000c\u{7f}\"", "\"\\b\\f\u{7f}\"");
    }

    #[test]
    fn messages_turn_to_exponents_earlier() {
        let shown = |value: Value| value.as_number().map(shown_number);
        assert_eq!(shown(json!(0.0001)).as_deref(), Some("0.0001"));
        assert_eq!(shown(json!(0.00001)).as_deref(), Some("1e-05"));
        assert_eq!(shown(json!(3.0)).as_deref(), Some("3"));
        assert_eq!(shown(json!(12)).as_deref(), Some("12"));
    }
}
