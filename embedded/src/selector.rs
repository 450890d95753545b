//! Label and field selectors: reading them from a query and asking whether an object matches. Says which field
//! selectors each kind knows; refuses the rest as the server does.

use serde_json::Value;

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
        let wrong =
            || Failure::bad_request(format!("unable to parse requirement: found '{text}', which is no label selector"));
        let mut requirements = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let requirement = if let Some((key, values, negative)) = set_based(part) {
                if negative { Requirement::NotIn(key, values) } else { Requirement::In(key, values) }
            } else if let Some((key, value)) = part.split_once("!=") {
                Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()])
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                Requirement::In(key.trim().to_owned(), vec![value.trim().to_owned()])
            } else if let Some((key, value)) = part.split_once('>') {
                Requirement::Above(key.trim().to_owned(), value.trim().parse().map_err(|_| wrong())?)
            } else if let Some((key, value)) = part.split_once('<') {
                Requirement::Below(key.trim().to_owned(), value.trim().parse().map_err(|_| wrong())?)
            } else if let Some(key) = part.strip_prefix('!') {
                Requirement::Absent(key.trim().to_owned())
            } else {
                Requirement::Exists(part.to_owned())
            };
            let (Requirement::In(key, _)
            | Requirement::NotIn(key, _)
            | Requirement::Exists(key)
            | Requirement::Absent(key)
            | Requirement::Above(key, _)
            | Requirement::Below(key, _)) = &requirement;
            if key.is_empty() || key.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))) {
                return Err(wrong());
            }
            requirements.push(requirement);
        }
        Ok(LabelSelector(requirements))
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

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

/// `key in (a,b)` or `key notin (a,b)`.
fn set_based(part: &str) -> Option<(String, Vec<String>, bool)> {
    let (head, values) = part.strip_suffix(')')?.split_once('(')?;
    let head = head.trim();
    let (key, negative) = match head.strip_suffix(" notin") {
        Some(key) => (key, true),
        None => (head.strip_suffix(" in")?, false),
    };
    Some((key.trim().to_owned(), values.split(',').map(|v| v.trim().to_owned()).collect(), negative))
}

/// A field selector.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSelector(Vec<(String, String, bool)>);

/// Which fields each kind can be selected by, beside its name and namespace.
///
/// Source: `AddFieldLabelConversionFunc` calls of `k8s.io/kubernetes/pkg/apis/*/v1/conversion.go`.
const FIELDS: &[(&str, &str, &[&str])] = &[
    (
        "",
        "Pod",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    ("", "Node", &["spec.unschedulable"]),
    ("", "Namespace", &["status.phase"]),
    ("", "Secret", &["type"]),
    ("", "Service", &["spec.clusterIP", "spec.type"]),
    (
        "",
        "Event",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("batch", "Job", &["status.successful"]),
    ("apps", "ReplicaSet", &["status.replicas"]),
];

impl FieldSelector {
    /// Reads the text form for a kind.
    pub(crate) fn parse(text: &str, group: &str, kind: &str) -> Result<FieldSelector, Failure> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value, equal) = if let Some((key, value)) = part.split_once("!=") {
                (key, value, false)
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (key, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            let known = matches!(key, "metadata.name" | "metadata.namespace")
                || FIELDS.iter().any(|(g, k, fields)| *g == group && *k == kind && fields.contains(&key));
            if !known {
                return Err(Failure::bad_request(format!("field label not supported: {key}")));
            }
            terms.push((key.to_owned(), value.to_owned(), equal));
        }
        Ok(FieldSelector(terms))
    }

    /// Does the selector ask for nothing?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one name that an object has to have.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.iter().find(|(key, _, equal)| *equal && key == "metadata.name").map(|(_, name, _)| name.as_str())
    }

    /// Does the object match?
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.0.iter().all(|(key, wanted, equal)| {
            let pointer = match key.as_str() {
                "source" => "/source/component".to_owned(),
                "status.successful" => "/status/succeeded".to_owned(),
                key => format!("/{}", key.replace('.', "/")),
            };
            let found = match value.pointer(&pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => match key.as_str() {
                    "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
                    _ => String::new(),
                },
                Some(other) => other.to_string(),
            };
            (found == *wanted) == *equal
        })
    }
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
        check("example.com/a=b", json!({"example.com/a": "b"}), true);
    }

    #[test]
    fn a_wrong_selector_is_refused() {
        assert_eq!(LabelSelector::parse("a=b,=c").unwrap_err().code, 400);
        let failure = FieldSelector::parse("spec.foo=1", "", "Pod").unwrap_err();
        assert_eq!(failure.message, "field label not supported: spec.foo");
    }

    #[test]
    fn field_selectors() {
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        let matches = |text: &str| FieldSelector::parse(text, "", "Pod").unwrap().matches(&pod);
        assert!(matches("metadata.name=a,status.phase!=Pending"));
        assert!(matches("spec.nodeName="));
        assert!(!matches("spec.nodeName!="));
    }
}
