//! Which objects a policy is asked about, as Kubernetes decides it for its own
//! (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules>).

use std::collections::BTreeMap;

use serde_json::Value;
use strata_components::desired::{Kind, ResourceId};

use super::file::{LabelCondition, LabelOperator, LabelSelector, MatchConstraints, Operations, ResourceRule, Scope};

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

impl Operation {
    /// The word for it in an admission request.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// An object that something is done to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub id: &'a ResourceId,
    pub object: Option<&'a Value>,
    pub old: Option<&'a Value>,
    /// The namespace that it is in, as far as the stack has it.
    pub namespace: Option<&'a Value>,
}

impl MatchConstraints {
    /// Whether a policy with these constraints is asked about an object. Where it is not known yet what is done to the
    /// object, `operation` is `None`, and a rule fits that is about objects created and changed alike.
    pub(super) fn fit(&self, operation: Option<Operation>, subject: &Subject<'_>) -> bool {
        let fit = |rules: &[ResourceRule]| rules.iter().any(|rule| rule.fits(operation, subject.id));
        fit(&self.resource_rules)
            && !fit(&self.exclude_resource_rules)
            && self.object_selector.as_ref().is_none_or(|selector| {
                [subject.object, subject.old].into_iter().flatten().any(|object| selector.matches(&labels(object)))
            })
            && self.namespace_selector.as_ref().is_none_or(|selector| {
                let (of, name) = if is_namespace(&subject.id.kind) {
                    (subject.object.or(subject.old), Some(&subject.id.name))
                } else {
                    (subject.namespace, subject.id.namespace.as_ref())
                };
                let mut labels = of.map(labels).unwrap_or_default();
                // The server gives every namespace this label.
                labels.extend(name.map(|name| ("kubernetes.io/metadata.name", name.as_str())));
                name.is_none() || selector.matches(&labels)
            })
    }

    /// Whether the policy is asked about objects created and changed alike, so that it need not be known which it is.
    pub(super) fn is_of_state(&self) -> bool {
        let alike = |rule: &ResourceRule| rule.is_about(Operation::Create) == rule.is_about(Operation::Update);
        self.resource_rules.iter().chain(&self.exclude_resource_rules).all(alike)
            && self.resource_rules.iter().any(|rule| rule.is_about(Operation::Create))
    }
}

fn is_namespace(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.kind == "Namespace"
}

impl ResourceRule {
    fn is_about(&self, operation: Operation) -> bool {
        self.operations.iter().any(|one| {
            matches!(
                (one, operation),
                (Operations::All, _)
                    | (Operations::Create, Operation::Create)
                    | (Operations::Update, Operation::Update)
                    | (Operations::Delete, Operation::Delete)
            )
        })
    }

    fn fits(&self, operation: Option<Operation>, id: &ResourceId) -> bool {
        let any = |words: &[String], word: &str| words.iter().any(|one| one == "*" || one == word);
        let resource = plural(&id.kind.kind);
        operation.map_or_else(|| self.is_about(Operation::Create), |operation| self.is_about(operation))
            && any(&self.api_groups, &id.kind.group)
            && any(&self.api_versions, &id.kind.version)
            && self.resources.iter().any(|one| {
                let (name, part) = one.split_once('/').unwrap_or((one, ""));
                (name == "*" || name == resource) && (part == "*" || part.is_empty())
            })
            && (self.resource_names.is_empty() || self.resource_names.contains(&id.name))
            && match self.scope {
                Scope::All => true,
                Scope::Cluster => id.namespace.is_none(),
                Scope::Namespaced => id.namespace.is_some(),
            }
    }
}

/// The plural that names a kind in a rule, as Kubernetes guesses it
/// (`UnsafeGuessKindToResource` of <https://pkg.go.dev/k8s.io/apimachinery/pkg/api/meta>): all kinds of its own, and those
/// of custom resources that keep to the custom.
fn plural(kind: &str) -> String {
    let word = kind.to_lowercase();
    match word.as_bytes() {
        _ if word == "endpoints" => word,
        [.., b's'] => word + "es",
        [begin @ .., b'y'] => String::from_utf8_lossy(begin).into_owned() + "ies",
        _ => word + "s",
    }
}

fn labels(object: &Value) -> BTreeMap<&str, &str> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

impl LabelSelector {
    fn matches(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let has = |(key, value): (&String, &String)| labels.get(key.as_str()) == Some(&value.as_str());
        self.match_labels.iter().all(has) && self.match_expressions.iter().all(|one| one.holds(labels))
    }
}

impl LabelCondition {
    fn holds(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let value = labels.get(self.key.as_str());
        let listed = || value.is_some_and(|value| self.values.iter().any(|one| one == value));
        match self.operator {
            LabelOperator::In => listed(),
            LabelOperator::NotIn => !listed(),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn kinds_have_plurals() {
        for (kind, expect) in [
            ("Deployment", "deployments"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("Endpoints", "endpoints"),
            ("PriorityClass", "priorityclasses"),
        ] {
            assert_eq!(plural(kind), expect);
        }
    }
}
