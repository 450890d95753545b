//! Whether a value fits its type, as far as merging needs to know: kinds of JSON values, undeclared fields, and items of
//! lists that go by no name or by the same one. Bounds, patterns and required fields are not looked at.

use std::fmt;

use serde_json::{Map, Value};

use super::items;
use crate::json_text;
use crate::path::PathElement;
use crate::schema::types::{Arena, Items, List, MapType, Shape, TypeId};
use crate::schema::{Scalar, TypeRef};
use crate::value;

/// One way in which a value does not fit its type. Shown as the server words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationError {
    /// Where, as a path is shown; empty for the whole object.
    pub path: String,
    /// What is the matter.
    pub message: String,
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// Every way in which a value does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationErrors(pub Vec<ValidationError>);

impl fmt::Display for ValidationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return only.fmt(f);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ValidationErrors {}

/// Whether a list may hold two items of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It may: what is live already is taken as it is.
    Allow,
    /// It may not: what is applied must be plain.
    Refuse,
}

/// Checks a value against its type.
///
/// # Errors
/// With everything that does not fit.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{schema::Schema, typed};
/// let ty = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap();
/// let wrong = json!({"spec": {"replicas": "3", "replica": 3}});
/// let errors = typed::validate(&ty, &wrong, typed::Duplicates::Refuse).unwrap_err();
/// assert_eq!(
///     errors.to_string(),
///     "errors:\n  .spec.replica: field not declared in schema\n  .spec.replicas: expected numeric (int or float), got string"
/// );
/// ```
pub fn validate(ty: &TypeRef, value: &Value, duplicates: Duplicates) -> Result<(), ValidationErrors> {
    let mut walk = Walk { arena: &ty.arena, duplicates, path: Vec::new(), errors: Vec::new() };
    walk.value(ty.id, value);
    if walk.errors.is_empty() { Ok(()) } else { Err(ValidationErrors(walk.errors)) }
}

/// A step of the path, turned into text only for an error.
enum Step<'a> {
    Field(&'a str),
    Item(PathElement),
}

struct Walk<'a> {
    arena: &'a Arena,
    duplicates: Duplicates,
    path: Vec<Step<'a>>,
    errors: Vec<ValidationError>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, id: TypeId, value: &'a Value) {
        if value.is_null() {
            return;
        }
        match (self.arena.shape(id, Some(value)), value) {
            (Shape::Scalar(scalar), value) => {
                if let Some(message) = misfit(scalar, value) {
                    self.report(message);
                }
            }
            (Shape::List(list), Value::Array(items)) => self.list(list, items),
            (Shape::List(_), other) => self.report(format!("expected list, got &{{{}}}", plain(other))),
            (Shape::Map(map), Value::Object(entries)) => self.map(map, entries),
            (Shape::Map(_), other) => self.report(format!("expected map, got &{{{}}}", plain(other))),
        }
    }

    fn list(&mut self, list: &List, items: &'a [Value]) {
        let mut names = std::collections::BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            let name = if matches!(list.items, Items::Atomic) {
                PathElement::Index(position)
            } else {
                match items::name_of(list, item) {
                    Ok(name) => name,
                    // Where an item goes by no name, nothing more can be said of the list.
                    Err(message) => return self.report(format!("element {position}: {message}")),
                }
            };
            if !matches!(list.items, Items::Atomic)
                && !names.insert(name.clone())
                && self.duplicates == Duplicates::Refuse
            {
                self.report(format!("duplicate entries for key {name}"));
            }
            self.path.push(Step::Item(name));
            self.value(list.element, item);
            self.path.pop();
        }
    }

    fn map(&mut self, map: &MapType, entries: &'a Map<String, Value>) {
        for (key, entry) in value::sorted(entries) {
            self.path.push(Step::Field(key));
            match map.type_of(key) {
                Some(id) => self.value(id, entry),
                None => self.report("field not declared in schema".to_owned()),
            }
            self.path.pop();
        }
    }

    fn report(&mut self, message: String) {
        let show = |step: &Step<'_>| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Item(element) => element.to_string(),
        };
        self.errors.push(ValidationError { path: self.path.iter().map(show).collect(), message });
    }
}

/// Why a scalar does not fit, in the server's words.
fn misfit(scalar: Scalar, value: &Value) -> Option<String> {
    match (scalar, value) {
        (Scalar::Integer | Scalar::Number, Value::Number(_))
        | (Scalar::String, Value::String(_))
        | (Scalar::Boolean, Value::Bool(_)) => None,
        (Scalar::Any, value) if value::is_scalar(value) => None,
        (Scalar::Integer | Scalar::Number, other) => {
            Some(format!("expected numeric (int or float), got {}", type_name(other)))
        }
        (Scalar::String, other) => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", literal(other)))
        }
        (Scalar::Boolean, other) => Some(format!("expected boolean, got &{{{}}}", plain(other))),
        (Scalar::Any, other) => Some(format!("expected any scalar, got &{{{}}}", plain(other))),
    }
}

/// The name of a value's type as the server's messages have it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as the server's messages write it where they quote strings.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => crate::path::quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = value::sorted(map)
                .into_iter()
                .map(|(key, item)| format!("{}:{}", crate::path::quoted(key), literal(item)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        Value::Number(number) => json_text::shown_number(number),
        Value::Bool(flag) => flag.to_string(),
    }
}

/// A value as the server's messages write it where they do not quote strings.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries = value::sorted(map).into_iter().map(|(key, item)| format!("{key}:{}", plain(item)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        Value::Number(number) => json_text::shown_number(number),
        Value::Bool(flag) => flag.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Schema;

    /// `container` is one of a Pod's.
    #[track_caller]
    fn check(container: Value, duplicates: Duplicates, expected: &str) {
        let ty = Schema::kubernetes().kind("", "v1", "Pod");
        let pod = json!({"spec": {"containers": [container]}});
        let found = ty.map(|ty| match validate(&ty, &pod, duplicates) {
            Ok(()) => String::new(),
            Err(errors) => errors.to_string(),
        });
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[track_caller]
    fn refused(container: Value, expected: &str) {
        check(container, Duplicates::Refuse, expected);
    }

    #[test]
    fn messages_are_the_servers() {
        refused(json!({"name": "a", "image": "x", "env": []}), "");
        refused(json!({"name": "a", "env": null, "image": null}), "");
        refused(
            json!({"name": "a", "env": [{"name": "P", "value": 80}]}),
            r#".spec.containers[name="a"].env[name="P"].value: expected string, got &value.valueUnstructured{Value:80}"#,
        );
        refused(
            json!({"name": "a", "image": {"b": ["c", true]}}),
            ".spec.containers[name=\"a\"].image: expected string, got &value.valueUnstructured{Value:\
             map[string]interface {}{\"b\":[]interface {}{\"c\", true}}}",
        );
        refused(
            json!({"name": "a", "stdin": "yes"}),
            r#".spec.containers[name="a"].stdin: expected boolean, got &{yes}"#,
        );
        refused(
            json!({"name": "a", "command": "run"}),
            r#".spec.containers[name="a"].command: expected list, got &{run}"#,
        );
        refused(
            json!({"name": "a", "env": {"b": "c"}}),
            r#".spec.containers[name="a"].env: expected list, got &{map[b:c]}"#,
        );
        refused(
            json!({"name": "a", "resources": [1, 2.5]}),
            r#".spec.containers[name="a"].resources: expected map, got &{[1 2.5]}"#,
        );
        refused(
            json!({"name": "a", "resources": {"limits": {"cpu": []}}}),
            r#".spec.containers[name="a"].resources.limits.cpu: expected any scalar, got &{[]}"#,
        );
        refused(
            json!({"name": "a", "ports": [{"containerPort": true}]}),
            r#".spec.containers[name="a"].ports[containerPort=true,protocol="TCP"].containerPort: expected numeric (int or float), got bool"#,
        );
        refused(
            json!({"name": "a", "args": [1]}),
            r#".spec.containers[name="a"].args[0]: expected string, got &value.valueUnstructured{Value:1}"#,
        );
        refused(json!({"name": "a", "imag": 1}), r#".spec.containers[name="a"].imag: field not declared in schema"#);
    }

    #[test]
    fn items_of_one_name_may_be_live_but_not_applied() {
        let twice = json!({"name": "a", "env": [{"name": "P"}, {"name": "P"}]});
        check(twice.clone(), Duplicates::Allow, "");
        refused(twice, r#".spec.containers[name="a"].env: duplicate entries for key [name="P"]"#);
        let default = json!({"name": "a", "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "TCP"}]});
        refused(
            default,
            r#".spec.containers[name="a"].ports: duplicate entries for key [containerPort=1,protocol="TCP"]"#,
        );
    }

    #[test]
    fn items_without_a_name() {
        let element =
            |what: &str| format!(r#".spec.containers[name="a"].env: element 0: associative list with keys {what}"#);
        refused(json!({"name": "a", "env": [null]}), &element("may not have a null element"));
        refused(json!({"name": "a", "env": ["P=1"]}), &element("may not have non-map elements"));
        let ty = Schema::from_crd_version(
            &json!({"type": "object", "properties": {"spec": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a", "b"],
                "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}}}}),
            false,
        );
        let found = ty.map(|ty| validate(&ty, &json!({"spec": [{}]}), Duplicates::Refuse).map_err(|e| e.to_string()));
        let expected = ".spec: element 0: associative list with keys has an element that omits all key fields [\"a\" \"b\"] \
                        (and doesn't have default values for any key fields)";
        assert_eq!(found, Ok(Err(expected.to_owned())));
    }
}
