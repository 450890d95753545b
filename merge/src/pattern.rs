//! Patterns of field paths: fields named by their beginning, as people and options write them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

use crate::path::{FieldPath, PathElement, quoted};

/// Paths given by their beginning: a path is meant when it starts with the steps, each of which may stand for any
/// element. Without a step, every path is meant.
///
/// Read from a text as messages show paths, with two additions: `["…"]` is a field whose name is no plain word, and
/// `[*]` stands for any element.
///
/// ```
/// use structured_merge::{FieldPath, FieldPattern, FieldSet, PathElement};
/// let resources: FieldPattern = ".spec.containers[*].resources".parse()?;
/// let app = FieldPath::of_fields(["spec", "containers"]).child(PathElement::key("name", "app"));
/// let all: FieldSet = [FieldPath::of_fields(["spec", "nodeName"]),
///     app.clone().child(PathElement::field("image")),
///     app.child(PathElement::field("resources")).child(PathElement::field("limits"))].into_iter().collect();
/// assert_eq!(all.matching(&[resources]).to_string(), r#".spec.containers[name="app"].resources.limits"#);
///
/// let note: FieldPattern = r#".metadata.annotations["example.com/note"]"#.parse()?;
/// assert!(note.matches(&FieldPath::of_fields(["metadata", "annotations", "example.com/note"])));
/// assert!(".spec[".parse::<FieldPattern>().is_err());
/// # Ok::<(), structured_merge::FieldPatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPattern(
    /// The elements from the root; `None` stands for any.
    pub Vec<Option<PathElement>>,
);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{rest:?} is no step of a path: expected .name, [\"name\"], [key=value], [=value] or [*]")]
pub struct FieldPatternError {
    /// What could not be read, to the end of the text.
    pub rest: String,
}

impl FieldPattern {
    /// Whether the path starts with the pattern.
    #[must_use]
    pub fn matches(&self, path: &FieldPath) -> bool {
        self.0.len() <= path.0.len()
            && self.0.iter().zip(&path.0).all(|(step, element)| step.as_ref().is_none_or(|step| step == element))
    }
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            None => f.write_str("[*]"),
            Some(PathElement::Field(name)) if !name.chars().all(is_plain) || name.is_empty() => {
                write!(f, "[{}]", quoted(name))
            }
            Some(element) => element.fmt(f),
        })
    }
}

impl FromStr for FieldPattern {
    type Err = FieldPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(|| FieldPatternError { rest: rest.to_owned() })?;
            steps.push(step);
            rest = after;
        }
        Ok(Self(steps))
    }
}

/// The characters of a field's name that needs no quotes.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$')
}

/// The step that a text begins with, and what comes after it.
fn step(text: &str) -> Option<(Option<PathElement>, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let (name, rest) = word(rest)?;
        return Some((Some(PathElement::field(name)), rest));
    }
    let rest = text.strip_prefix('[')?;
    if let Some(rest) = rest.strip_prefix("*]") {
        return Some((None, rest));
    }
    if rest.starts_with('"') {
        let (name, rest) = value(rest)?;
        let name = name.as_str()?.to_owned();
        return Some((Some(PathElement::Field(name)), rest.strip_prefix(']')?));
    }
    if let Some(rest) = rest.strip_prefix('=') {
        let (item, rest) = value(rest)?;
        return Some((Some(PathElement::Value(item)), rest.strip_prefix(']')?));
    }
    let mut fields = BTreeMap::new();
    let mut rest = rest;
    loop {
        let (name, after) = word(rest)?;
        let (item, after) = value(after.strip_prefix('=')?)?;
        fields.insert(name.to_owned(), item);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((Some(PathElement::Key(fields)), after.strip_prefix(']')?)),
        }
    }
}

/// A plain name, and what comes after it.
fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A JSON scalar, and what comes after it.
fn value(text: &str) -> Option<(Value, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok().filter(|value| !value.is_array() && !value.is_object() && !value.is_null())?;
    Some((value, text.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// What a text is read as, shown again.
    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let read = text.parse::<FieldPattern>();
        let shown = read.as_ref().map(ToString::to_string).map_err(|error| error.rest.clone());
        assert_eq!(shown.as_deref().map_err(String::as_str), expected);
        if let Ok(pattern) = read {
            assert_eq!(pattern.to_string().parse::<FieldPattern>().unwrap(), pattern);
        }
    }

    #[test]
    fn a_pattern_is_read_as_it_is_shown() {
        for text in [
            "",
            ".spec.replicas",
            r#".spec.template.spec.containers[name="server"].image"#,
            r#".spec.ports[port=80,protocol="TCP"]"#,
            r#".metadata.annotations["example.com/a.b"]"#,
            r#".metadata.finalizers[="example.com/a"]"#,
            ".spec.containers[*].resources",
            ".spec.flags[=true]",
        ] {
            check(text, Ok(text));
        }
        check(r#"["spec"].replicas"#, Ok(".spec.replicas"));
        check(r#".spec[protocol="TCP",port=80]"#, Ok(r#".spec[port=80,protocol="TCP"]"#));
    }

    #[test]
    fn what_is_no_pattern_is_pointed_at() {
        check("spec", Err("spec"));
        check(".spec..a", Err("..a"));
        check(".spec[", Err("["));
        check(".spec[name]", Err("[name]"));
        check(".spec[name=x].a", Err("[name=x].a"));
        check(r#".spec[name="a"#, Err(r#"[name="a"#));
        check(".spec[*", Err("[*"));
        check(".spec[=[1]]", Err("[=[1]]"));
        check(".spec ", Err(" "));
    }

    #[test]
    fn a_pattern_means_what_lies_below_it() {
        let item = |name: &str| FieldPath::of_fields(["spec", "containers"]).child(PathElement::key("name", name));
        let image = |name: &str| item(name).child(PathElement::field("image"));
        let matches = |text: &str, path: &FieldPath| text.parse::<FieldPattern>().unwrap().matches(path);
        assert!(matches("", &image("a")));
        assert!(matches(".spec", &image("a")));
        assert!(matches(r#".spec.containers[name="a"]"#, &image("a")));
        assert!(!matches(r#".spec.containers[name="a"]"#, &image("b")));
        assert!(matches(".spec.containers[*].image", &image("b")));
        assert!(!matches(".spec.containers[*].image", &item("b")));
        assert!(!matches(".spe", &image("b")));
    }
}
