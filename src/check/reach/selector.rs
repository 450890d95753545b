//! Label selectors as Kubernetes reads them
//! (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Conditions on labels that must all hold; without a condition, everything matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector(Vec<Condition>);

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The label is there, with one of these values.
    In(String, Vec<String>),
    /// The label is not there, or has none of these values.
    NotIn(String, Vec<String>),
    /// The label is there.
    Exists(String),
    /// The label is not there.
    Absent(String),
    /// An operator that is not known: nothing matches.
    Never,
}

impl Condition {
    /// Whether it holds for these labels.
    #[must_use]
    pub fn holds(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
            Self::Never => false,
        }
    }
}

impl From<LabelSelector> for Selector {
    fn from(selector: LabelSelector) -> Self {
        let plain = selector.match_labels.unwrap_or_default().into_iter().map(|(k, v)| Condition::In(k, vec![v]));
        let expressions = selector.match_expressions.unwrap_or_default().into_iter().map(|one| {
            let values = one.values.unwrap_or_default();
            match one.operator.as_str() {
                "In" => Condition::In(one.key, values),
                "NotIn" => Condition::NotIn(one.key, values),
                "Exists" => Condition::Exists(one.key),
                "DoesNotExist" => Condition::Absent(one.key),
                _ => Condition::Never,
            }
        });
        let mut all: Vec<Condition> = plain.chain(expressions).collect();
        all.sort();
        all.dedup();
        Self(all)
    }
}

impl From<&Labels> for Selector {
    /// The selector of a Service: every label with just this value.
    fn from(labels: &Labels) -> Self {
        Self(labels.iter().map(|(key, value)| Condition::In(key.clone(), vec![value.clone()])).collect())
    }
}

impl Selector {
    /// Whether it matches these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|condition| condition.holds(labels))
    }

    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.0
    }

    /// The values that it allows for a label, where it names them.
    #[must_use]
    pub fn values_of(&self, key: &str) -> Option<Vec<&str>> {
        let lists = self.0.iter().filter_map(|condition| match condition {
            Condition::In(label, values) if label == key => Some(values),
            _ => None,
        });
        lists.fold(None, |known: Option<Vec<&str>>, values| {
            let allowed = |value: &&str| known.as_ref().is_none_or(|known| known.contains(value));
            Some(values.iter().map(String::as_str).filter(allowed).collect())
        })
    }

    fn forbids(&self, key: &str, value: &str) -> bool {
        let named = |condition: &Condition| matches!(condition, Condition::NotIn(label, values) if label == key && values.iter().any(|one| one == value));
        self.0.iter().any(named)
    }

    /// Labels that it matches, beginning with `given`; nothing where no labels that hold those do.
    #[must_use]
    pub fn witness(&self, given: &Labels) -> Option<Labels> {
        let mut labels = given.clone();
        for condition in &self.0 {
            match condition {
                Condition::In(key, _) if !labels.contains_key(key) => {
                    let allowed = self.values_of(key)?;
                    let value = allowed.into_iter().find(|value| !self.forbids(key, value))?;
                    labels.insert(key.clone(), value.to_owned());
                }
                Condition::Exists(key) if !labels.contains_key(key) && self.values_of(key).is_none() => {
                    let value = (0..).map(|number| format!("any-{number}")).find(|value| !self.forbids(key, value))?;
                    labels.insert(key.clone(), value);
                }
                _ => {}
            }
        }
        self.matches(&labels).then_some(labels)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::{Value, json};

    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[track_caller]
    fn check(selector: Value, matching: &[&str], others: &[&str], witness: Option<&str>) {
        let selector = Selector::from(serde_json::from_value::<LabelSelector>(selector).unwrap());
        for text in matching {
            assert!(selector.matches(&labels(text)), "{text} should match {selector:?}");
        }
        for text in others {
            assert!(!selector.matches(&labels(text)), "{text} should not match {selector:?}");
        }
        assert_eq!(selector.witness(&Labels::new()), witness.map(labels));
    }

    #[test]
    fn conditions_hold_as_kubernetes_reads_them() {
        let on = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
        check(json!({}), &["", "a=1"], &[], Some(""));
        check(json!({"matchLabels": {"a": "1", "b": "2"}}), &["a=1 b=2 c=3"], &["a=1", "a=1 b=3"], Some("a=1 b=2"));
        check(on("In", &["1", "2"]), &["a=1", "a=2"], &["", "a=3"], Some("a=1"));
        check(on("NotIn", &["1"]), &["", "a=2"], &["a=1"], Some(""));
        check(on("Exists", &[]), &["a=1"], &["", "b=1"], Some("a=any-0"));
        check(on("DoesNotExist", &[]), &["", "b=1"], &["a=1"], Some(""));
        check(on("Gt", &["1"]), &[], &["a=2"], None);
        check(on("In", &[]), &[], &["a=", ""], None);
    }

    #[test]
    fn a_witness_obeys_every_condition_on_one_label() {
        let expression = |operator: &str, values: &[&str]| json!({"key": "a", "operator": operator, "values": values});
        let of = |list: &[Value]| json!({"matchExpressions": list});
        check(of(&[expression("In", &["1", "2"]), expression("NotIn", &["1"])]), &["a=2"], &["a=1"], Some("a=2"));
        check(of(&[expression("In", &["1", "2"]), expression("In", &["2", "3"])]), &["a=2"], &["a=1"], Some("a=2"));
        check(of(&[expression("In", &["1"]), expression("In", &["2"])]), &[], &["a=1"], None);
        check(of(&[expression("Exists", &[]), expression("NotIn", &["any-0"])]), &["a=1"], &[], Some("a=any-1"));
        check(of(&[expression("Exists", &[]), expression("DoesNotExist", &[])]), &[], &["", "a=1"], None);
    }
}
