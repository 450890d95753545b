//! Label selectors, from a query's text or from objects: does an object match? Selectors of fields have a file of their own.

mod fields;
mod text;

use serde_json::Value;

pub(crate) use self::fields::FieldSelector;

use crate::failure::Failure;
use crate::object;

/// A label selector in its text form, or from an object's `matchLabels` and `matchExpressions`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Above(String, i64),
    Below(String, i64),
}

impl Requirement {
    /// The label that it is about.
    fn key(&self) -> &str {
        match self {
            Requirement::In(key, _)
            | Requirement::NotIn(key, _)
            | Requirement::Exists(key)
            | Requirement::Absent(key)
            | Requirement::Above(key, _)
            | Requirement::Below(key, _) => key,
        }
    }

    fn matches<'v>(&self, get: &impl Fn(&str) -> Option<&'v str>) -> bool {
        let among = |values: &[String], value: &str| values.iter().any(|known| known == value);
        match self {
            Requirement::In(key, values) => get(key).is_some_and(|v| among(values, v)),
            Requirement::NotIn(key, values) => get(key).is_none_or(|v| !among(values, v)),
            Requirement::Exists(key) => get(key).is_some(),
            Requirement::Absent(key) => get(key).is_none(),
            Requirement::Above(key, bound) => get(key).and_then(|v| v.parse().ok()).is_some_and(|v: i64| v > *bound),
            Requirement::Below(key, bound) => get(key).and_then(|v| v.parse().ok()).is_some_and(|v: i64| v < *bound),
        }
    }
}

impl LabelSelector {
    /// Reads the text form: `a=b,c!=d,e in (f,g),!h,i`.
    pub(crate) fn parse(text: &str) -> Result<LabelSelector, Failure> {
        text::read(text).map(LabelSelector).map_err(Failure::bad_request)
    }

    /// Reads `metav1.LabelSelector`. An empty one matches everything; a missing one (`null`) nothing: none is given
    /// back.
    pub(crate) fn of(value: Option<&Value>) -> Option<LabelSelector> {
        let value = value.filter(|v| !v.is_null())?;
        let mut requirements: Vec<Requirement> = object::entries(value, "/matchLabels")
            .map(|(key, v)| Requirement::In(key.clone(), vec![v.as_str().unwrap_or_default().to_owned()]))
            .collect();
        for expression in object::items(value, "/matchExpressions") {
            requirements.push(expression_requirement(expression)?);
        }
        Some(LabelSelector(requirements))
    }

    /// Reads a plain map of labels, as in a Service's selector.
    pub(crate) fn of_map(value: &Value) -> LabelSelector {
        let requirements = value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, v)| Requirement::In(key.clone(), vec![v.as_str().unwrap_or_default().to_owned()]));
        LabelSelector(requirements.collect())
    }

    /// Reads the expressions of a node selector term.
    pub(crate) fn of_expressions(expressions: &[Value]) -> Option<LabelSelector> {
        expressions.iter().map(expression_requirement).collect::<Option<Vec<_>>>().map(LabelSelector)
    }

    /// The labels that every match carries with exactly this value.
    pub(crate) fn exact(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|requirement| match requirement {
            Requirement::In(key, values) => match values.as_slice() {
                [one] => Some((key.as_str(), one.as_str())),
                _ => None,
            },
            _ => None,
        })
    }

    /// Asks besides for the label `key` to be `value`, or (where `equal` is false) not to be.
    pub(crate) fn and(&mut self, key: &str, value: &str, equal: bool) {
        let (key, values) = (key.to_owned(), vec![value.to_owned()]);
        self.0.push(if equal { Requirement::In(key, values) } else { Requirement::NotIn(key, values) });
    }

    /// Does the selector ask for nothing?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Do the object's labels match?
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.0.is_empty() || self.matches_labels(value.pointer("/metadata/labels"))
    }

    /// Does this map of labels match?
    pub(crate) fn matches_labels(&self, labels: Option<&Value>) -> bool {
        self.matches_by(|key| labels?.get(key)?.as_str())
    }

    /// Do the values that `get` finds match?
    pub(crate) fn matches_by<'v>(&self, get: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.0.iter().all(|requirement| requirement.matches(&get))
    }
}

impl std::fmt::Display for LabelSelector {
    /// The text form, by key, as the server writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<(String, String)> = self.0.iter().map(Requirement::written).collect();
        parts.sort();
        let texts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
        f.write_str(&texts.join(","))
    }
}

impl Requirement {
    fn written(&self) -> (String, String) {
        let set = |values: &[String]| {
            let mut values = values.to_vec();
            values.sort();
            values.join(",")
        };
        match self {
            Requirement::In(key, values) => match values.as_slice() {
                [one] => (key.clone(), format!("{key}={one}")),
                many => (key.clone(), format!("{key} in ({})", set(many))),
            },
            Requirement::NotIn(key, values) => match values.as_slice() {
                [one] => (key.clone(), format!("{key}!={one}")),
                many => (key.clone(), format!("{key} notin ({})", set(many))),
            },
            Requirement::Exists(key) => (key.clone(), key.clone()),
            Requirement::Absent(key) => (key.clone(), format!("!{key}")),
            Requirement::Above(key, bound) => (key.clone(), format!("{key}>{bound}")),
            Requirement::Below(key, bound) => (key.clone(), format!("{key}<{bound}")),
        }
    }
}

fn expression_requirement(expression: &Value) -> Option<Requirement> {
    let key = object::text(expression, "/key").to_owned();
    let values: Vec<String> =
        object::items(expression, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let bound = || values.first().and_then(|v| v.parse().ok());
    Some(match object::text(expression, "/operator") {
        "In" => Requirement::In(key, values),
        "NotIn" => Requirement::NotIn(key, values),
        "Exists" => Requirement::Exists(key),
        "DoesNotExist" => Requirement::Absent(key),
        "Gt" => Requirement::Above(key, bound()?),
        "Lt" => Requirement::Below(key, bound()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: Value, expected: bool) {
        let object = json!({"metadata": {"labels": labels}});
        assert_eq!(LabelSelector::parse(selector).unwrap().matches(&object), expected, "{selector}");
    }

    #[test]
    fn label_selectors() {
        check("", json!({}), true);
        check("a=b", json!({"a": "b"}), true);
        check("a==b,c", json!({"a": "b"}), false);
        check("a!=b", json!({}), true);
        check("a in (b, c)", json!({"a": "c"}), true);
        check("a notin (b,c)", json!({"a": "c"}), false);
        check("a notin (b,c)", json!({}), true);
        check("!a,d", json!({"d": ""}), true);
        check("a>3", json!({"a": "4"}), true);
        check("a<3", json!({"a": "x"}), false);
        check("in in (in,notin)", json!({"in": "notin"}), true);
        check("a in ()", json!({"a": ""}), true);
        check("a in (,b)", json!({"a": ""}), true);
        check("example.com/a=b", json!({"example.com/a": "b"}), true);
    }

    #[test]
    fn a_wrong_selector_is_refused() {
        let wrong = |text: &str| LabelSelector::parse(text).unwrap_err().message;
        assert_eq!(wrong("a=b,=c"), "found '=', expected: identifier after ','");
        assert_eq!(wrong("a in"), "unable to parse requirement: found '' expected: '('");
        assert_eq!(wrong("a in (b"), "unable to parse requirement: found '', expected: ',' or ')'");
        assert_eq!(wrong("a=b c"), "found 'c', expected: ',' or 'end of string'");
        assert_eq!(
            wrong("a>b"),
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer"
        );
    }
}
