//! Field selectors: reading them from a query, and asking whether an object matches. Which fields each kind can be selected
//! by; the rest is refused as the server does.

use serde_json::Value;

use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;

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
    ("", "ReplicationController", &["status.replicas"]),
];

fn fields_of(resource: &Resource) -> Option<&'static [&'static str]> {
    let found = FIELDS.iter().find(|(group, kind, _)| resource.is(group, kind));
    found.map(|(_, _, fields)| *fields)
}

fn is_known(resource: &Resource, key: &str) -> bool {
    let selectable = |custom: &Value| {
        let paths = object::items(custom, "/selectableFields").iter().map(|field| object::text(field, "/jsonPath"));
        paths.map(|path| path.trim_start_matches('.')).any(|path| path == key)
    };
    matches!(key, "metadata.name" | "metadata.namespace")
        || fields_of(resource).is_some_and(|fields| fields.contains(&key))
        || resource.custom.as_ref().is_some_and(|custom| selectable(custom))
}

/// What the server says of a field that it cannot select by: kinds with fields of their own have their own words.
fn unknown(resource: &Resource, key: &str) -> String {
    if resource.is("batch", "Job") {
        format!("field label {key:?} not supported for Job")
    } else if resource.custom.is_some() || resource.kind == "Event" || fields_of(resource).is_some() {
        format!("field label not supported: {key}")
    } else {
        format!("{key:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    }
}

impl FieldSelector {
    /// Reads the text form for a resource.
    pub(crate) fn parse(text: &str, resource: &Resource) -> Result<FieldSelector, Failure> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value, equal) = if let Some((key, value)) = part.split_once("!=") {
                (key, value, false)
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (key, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            if !is_known(resource, key) {
                return Err(Failure::bad_request(unknown(resource, key)));
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
    use crate::registry::Registry;

    fn parse(text: &str, version: &str, kind: &str) -> Result<FieldSelector, Failure> {
        let registry = Registry::new(std::iter::empty());
        FieldSelector::parse(text, registry.of_kind(version, kind).unwrap())
    }

    #[test]
    fn field_selectors() {
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        let matches = |text: &str| parse(text, "v1", "Pod").unwrap().matches(&pod);
        assert!(matches("metadata.name=a,status.phase!=Pending"));
        assert!(matches("spec.nodeName="));
        assert!(!matches("spec.nodeName!="));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let wrong = |version: &str, kind: &str| parse("spec.foo=1", version, kind).unwrap_err().message;
        assert_eq!(wrong("v1", "Pod"), "field label not supported: spec.foo");
        assert_eq!(wrong("batch/v1", "Job"), "field label \"spec.foo\" not supported for Job");
        let only = "\"spec.foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        assert_eq!(wrong("apps/v1", "ReplicaSet"), only);
    }
}
