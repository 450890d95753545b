//! The form a [`FieldSet`] has inside `metadata.managedFields`: `fieldsV1`.
//!
//! A set is a JSON object. Its keys name path elements (`f:` a field, `k:` the key fields of a list item, `v:` a value
//! of a set, `i:` a position), its values are the sets below. The key `.` says that the path itself is a member; an
//! empty object says so too.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json_text::Encoder;
use crate::path::PathElement;
use crate::set::{FieldSet, Node};

/// Why a `fieldsV1` could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldsV1Error {
    /// A set that is not a JSON object.
    #[error("reading a field set at {at:?}: expected an object, found {found}")]
    NotAnObject {
        /// The keys that lead there.
        at: String,
        /// What is there.
        found: &'static str,
    },
    /// A key without a `:` in the second place.
    #[error("reading a field set at {at:?}: {key:?} is no path element; expected one such as f:name")]
    MissingColon {
        /// The keys that lead there.
        at: String,
        /// What stands there.
        key: String,
    },
    /// A key whose part after the colon cannot be read.
    #[error("reading a field set at {at:?}: the path element {key:?} is malformed")]
    Malformed {
        /// The keys that lead there.
        at: String,
        /// What stands there.
        key: String,
    },
}

impl FieldSet {
    /// Reads a `fieldsV1` object.
    ///
    /// Path elements of a sort that is not known are skipped, as the server skips them.
    ///
    /// # Errors
    /// When it is not of the form that this module describes.
    ///
    /// ```
    /// use serde_json::json;
    /// use structured_merge::set::FieldSet;
    /// let set = FieldSet::from_fields_v1(&json!({"f:spec": {"f:replicas": {}}}))?;
    /// assert_eq!(set.to_string(), ".spec.replicas");
    /// # Ok::<(), structured_merge::FieldsV1Error>(())
    /// ```
    pub fn from_fields_v1(fields: &Value) -> Result<Self, FieldsV1Error> {
        match fields {
            Value::Null => Ok(Self::new()),
            other => read(other, &mut Vec::new()).map(|(set, _)| set),
        }
    }

    /// Writes the set as a `fieldsV1` object.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.to_fields_v1_object(false))
    }

    fn to_fields_v1_object(&self, member: bool) -> Map<String, Value> {
        let mut fields = Map::new();
        if member && !self.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for node in self.nodes() {
            fields.insert(element_key(&node.element), Value::Object(node.children.to_fields_v1_object(node.member)));
        }
        fields
    }

    /// Writes the set as `fieldsV1` text, byte for byte as the server stores it: no spaces, `.` first, then the
    /// elements in their order.
    ///
    /// ```
    /// use serde_json::json;
    /// use structured_merge::set::FieldSet;
    /// let set = FieldSet::from_fields_v1(&json!({"f:a": {".": {}, "f:b": {}}}))?;
    /// assert_eq!(set.to_fields_v1_text(), r#"{"f:a":{".":{},"f:b":{}}}"#);
    /// # Ok::<(), structured_merge::FieldsV1Error>(())
    /// ```
    #[must_use]
    pub fn to_fields_v1_text(&self) -> String {
        let mut out = String::new();
        write_text(self, false, &mut out);
        out
    }
}

fn write_text(set: &FieldSet, member: bool, out: &mut String) {
    out.push('{');
    let mut separator = "";
    if member && !set.is_empty() {
        out.push_str("\".\":{}");
        separator = ",";
    }
    for node in set.nodes() {
        out.push_str(separator);
        separator = ",";
        Encoder::FieldsV1.write_string(&element_key(&node.element), out);
        out.push(':');
        write_text(&node.children, node.member, out);
    }
    out.push('}');
}

/// Reads one object: the set below it, and whether the path that leads to it is a member. `at` are the keys so far.
fn read<'a>(fields: &'a Value, at: &mut Vec<&'a str>) -> Result<(FieldSet, bool), FieldsV1Error> {
    let Value::Object(map) = fields else {
        return Err(FieldsV1Error::NotAnObject { at: at.join(" "), found: type_name(fields) });
    };
    let mut member = map.is_empty();
    let mut nodes = Vec::with_capacity(map.len());
    for (key, below) in map {
        if key == "." {
            member = true;
            continue;
        }
        let Some(element) = parse_element(key, at)? else { continue };
        at.push(key);
        let (children, child_is_member) = read(below, at)?;
        at.pop();
        nodes.push(Node { element, member: child_is_member, children });
    }
    Ok((FieldSet::from_nodes(nodes), member))
}

fn parse_element(key: &str, at: &[&str]) -> Result<Option<PathElement>, FieldsV1Error> {
    let malformed = || FieldsV1Error::Malformed { at: at.join(" "), key: key.to_owned() };
    let Some((sort, rest)) = key.split_at_checked(2).filter(|(sort, _)| sort.ends_with(':')) else {
        return Err(FieldsV1Error::MissingColon { at: at.join(" "), key: key.to_owned() });
    };
    Ok(Some(match sort {
        "f:" => PathElement::Field(rest.to_owned()),
        "k:" => PathElement::Key(serde_json::from_str::<BTreeMap<String, Value>>(rest).map_err(|_| malformed())?),
        "v:" => PathElement::Value(serde_json::from_str(rest).map_err(|_| malformed())?),
        "i:" => PathElement::Index(rest.parse().map_err(|_| malformed())?),
        _ => return Ok(None),
    }))
}

/// The key an element has in a `fieldsV1` object.
fn element_key(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(fields) => {
            let mut key = String::from("k:{");
            for (position, (name, value)) in fields.iter().enumerate() {
                if position > 0 {
                    key.push(',');
                }
                Encoder::FieldsV1.write_string(name, &mut key);
                key.push(':');
                Encoder::FieldsV1.write(value, &mut key);
            }
            key.push('}');
            key
        }
        PathElement::Value(value) => {
            let mut key = String::from("v:");
            Encoder::FieldsV1.write(value, &mut key);
            key
        }
        PathElement::Index(position) => format!("i:{position}"),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(fields: Value, expected: Result<&str, &str>) {
        let found = FieldSet::from_fields_v1(&fields).map(|set| set.to_string()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
    }

    #[test]
    fn every_sort_of_element_is_read() {
        check(json!({}), Ok(""));
        check(json!(null), Ok(""));
        check(json!({"f:a": {".": {}, "f:b": {}}}), Ok(".a\n.a.b"));
        check(
            json!({"f:a": {"k:{\"b\":2,\"a\":\"x\"}": {}, "v:true": {}, "i:3": {}}}),
            Ok(".a[a=\"x\",b=2]\n.a[=true]\n.a[3]"),
        );
        check(json!({"x:later": {}, "f:a": {}}), Ok(".a"));
        check(json!({"f:": {}, "f:f:a": {}}), Ok(".\n.f:a"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check(json!([]), Err("reading a field set at \"\": expected an object, found a list"));
        check(
            json!({"f:a": {"f:b": 1}}),
            Err("reading a field set at \"f:a f:b\": expected an object, found a number"),
        );
        check(
            json!({"a": {}}),
            Err("reading a field set at \"\": \"a\" is no path element; expected one such as f:name"),
        );
        check(
            json!({"": {}}),
            Err("reading a field set at \"\": \"\" is no path element; expected one such as f:name"),
        );
        check(json!({"k:{": {}}), Err("reading a field set at \"\": the path element \"k:{\" is malformed"));
        check(json!({"k:[]": {}}), Err("reading a field set at \"\": the path element \"k:[]\" is malformed"));
        check(
            json!({"f:a": {"f:b": {"v:x": {}}}}),
            Err("reading a field set at \"f:a f:b\": the path element \"v:x\" is malformed"),
        );
        check(json!({"i:-1": {}}), Err("reading a field set at \"\": the path element \"i:-1\" is malformed"));
    }

    #[test]
    fn text_has_the_servers_order_and_escapes() {
        let fields = json!({"f:s": {".": {}, "k:{\"n\":10}": {}, "k:{\"n\":9}": {}, "v:\"<&>\"": {}}});
        let text = FieldSet::from_fields_v1(&fields).map(|set| set.to_fields_v1_text());
        let expected = r#"{"f:s":{".":{},"k:{\"n\":9}":{},"k:{\"n\":10}":{},"v:\"\\u003c\\u0026\\u003e\"":{}}}"#;
        assert_eq!(text, Ok(expected.to_owned()));
    }
}
