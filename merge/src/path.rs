//! Field paths: how one field of an object is named.
//!
//! A path is a sequence of [`PathElement`]s from the root of the object. It knows no schema; which element names an
//! item of a list is decided in [`crate::typed`].

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::json_text;
use crate::value;

/// One step of a path.
///
/// Elements are ordered as the API server orders them: fields, then keys, then values, then positions.
#[derive(Debug, Clone)]
pub enum PathElement {
    /// A field of a struct, or a key of a map.
    Field(String),
    /// The item of a list map whose key fields have these values.
    Key(BTreeMap<String, Value>),
    /// The item of a set that is this value.
    Value(Value),
    /// The item at this position, from 0. Only messages use it: no position is ever owned.
    Index(usize),
}

impl PathElement {
    /// A field by its name.
    #[must_use]
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// The item of a list map with one key field.
    #[must_use]
    pub fn key(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Key(BTreeMap::from([(name.into(), value.into())]))
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(l), Self::Field(r)) => l.cmp(r),
            (Self::Key(l), Self::Key(r)) => l
                .iter()
                .zip(r)
                .map(|((ln, lv), (rn, rv))| ln.cmp(rn).then_with(|| value::compare(lv, rv)))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| l.len().cmp(&r.len())),
            (Self::Value(l), Self::Value(r)) => value::compare(l, r),
            (Self::Index(l), Self::Index(r)) => l.cmp(r),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PathElement {}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (position, (name, value)) in fields.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={}", Shown(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", Shown(value)),
            Self::Index(position) => write!(f, "[{position}]"),
        }
    }
}

/// A value as a path shows it: strings in quotes, everything else plain.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => f.write_str(&quoted(text)),
            Value::Array(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma}{}", Shown(item))?;
                }
                f.write_str("]")
            }
            Value::Object(map) => {
                value::sorted(map).into_iter().try_for_each(|(key, item)| write!(f, "{key}={}", Shown(item)))
            }
            Value::Number(number) => f.write_str(&json_text::shown_number(number)),
            other => write!(f, "{other}"),
        }
    }
}

/// A string in double quotes with the escapes that the server's messages use.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_shown(c) => out.push(c),
            c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Whether a character has a look of its own: a letter, a mark, a number, punctuation, a symbol or the plain space.
fn is_shown(c: char) -> bool {
    // A mark alone would be escaped; after a letter it is not.
    c.is_ascii() || ['a', c].iter().collect::<String>().escape_debug().count() == 2
}

/// The way from the root of an object to one of its fields.
///
/// Shown as the API server shows it:
///
/// ```
/// use structured_merge::path::{FieldPath, PathElement};
/// let path = FieldPath::root()
///     .child(PathElement::field("spec"))
///     .child(PathElement::field("containers"))
///     .child(PathElement::key("name", "app"))
///     .child(PathElement::field("image"));
/// assert_eq!(path.to_string(), r#".spec.containers[name="app"].image"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(pub Vec<PathElement>);

impl FieldPath {
    /// The path of the whole object: no element.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of field names alone.
    #[must_use]
    pub fn of_fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(PathElement::field).collect())
    }

    /// This path, one element longer.
    #[must_use]
    pub fn child(mut self, element: PathElement) -> Self {
        self.0.push(element);
        self
    }

    /// The elements from the root.
    #[must_use]
    pub fn elements(&self) -> &[PathElement] {
        &self.0
    }

    /// Whether `prefix` is this path or leads to it.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(element: PathElement, expected: &str) {
        assert_eq!(element.to_string(), expected);
    }

    #[test]
    fn elements_are_shown_as_the_server_shows_them() {
        check(PathElement::field("spec"), ".spec");
        check(PathElement::field("app.kubernetes.io/name"), ".app.kubernetes.io/name");
        check(PathElement::key("name", "a \"b\"\n"), r#"[name="a \"b\"\n"]"#);
        check(
            PathElement::Key(BTreeMap::from([("protocol".into(), json!("TCP")), ("port".into(), json!(80))])),
            r#"[port=80,protocol="TCP"]"#,
        );
        check(PathElement::Value(json!("x")), r#"[="x"]"#);
        check(PathElement::Value(json!(true)), "[=true]");
        check(PathElement::Index(3), "[3]");
        check(PathElement::Value(json!("\u{1}")), r#"[="\x01"]"#);
        check(
            PathElement::Value(json!("é\u{301}\u{a0}\u{2028}\u{200b}😀\u{e0001}")),
            "[=\"é\u{301}\\u00a0\\u2028\\u200b😀\\U000e0001\"]",
        );
        check(PathElement::Value(json!(1.0)), "[=1]");
        check(PathElement::Value(json!(1e-7)), "[=1e-07]");
    }

    #[test]
    fn elements_of_different_sorts_have_an_order() {
        let sorts =
            [PathElement::field("z"), PathElement::key("a", 1), PathElement::Value(json!(0)), PathElement::Index(0)];
        assert!(sorts.is_sorted());
        assert!(PathElement::key("port", 80) == PathElement::key("port", 80.0));
        assert!(PathElement::key("a", 1) < PathElement::key("b", 0));
    }

    #[test]
    fn a_prefix_leads_to_its_path() {
        let spec = FieldPath::of_fields(["spec"]);
        assert!(FieldPath::of_fields(["spec", "replicas"]).starts_with(&spec));
        assert!(spec.starts_with(&FieldPath::root()));
        assert!(!FieldPath::of_fields(["status"]).starts_with(&spec));
    }
}
