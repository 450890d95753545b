//! Mutating webhooks and policies: what may change an object on its way in, so that the merge alone proves nothing.

use serde_json::Value;
use strata_components::desired::Kind;

use super::request::{Call, Requests};
use crate::provider::ProviderError;

/// Where mutating admission is configured, with the field of each item that holds its rules.
const SOURCES: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
];

/// What may be changed on its way in.
#[derive(Debug, Clone)]
pub(super) enum Webhooks {
    /// The rules that are configured.
    Known(Vec<Rule>),
    /// They cannot be read: anything may be.
    Unknown,
}

/// A rule: which kinds it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    groups: Vec<String>,
    resources: Vec<String>,
}

impl Webhooks {
    /// Lists what is configured. A cluster without one of the two kinds of configuration has none of it.
    pub(super) async fn read(requests: &Requests) -> Result<Self, ProviderError> {
        let mut rules = Vec::new();
        for path in SOURCES {
            let answer = requests.send(&Call::get(path, format!("listing what admission changes ({path})"))).await?;
            match answer.status.as_u16() {
                200 => rules.extend(items(&answer.body).flat_map(rules_of)),
                404 => {}
                _ => return Ok(Self::Unknown),
            }
        }
        Ok(Self::Known(rules))
    }

    /// Whether an object of the kind, named in the plural as in paths, may be changed on its way in.
    pub(super) fn may_change(&self, kind: &Kind, plural: &str) -> bool {
        match self {
            Self::Unknown => true,
            Self::Known(rules) => rules.iter().any(|rule| {
                let has = |list: &[String], item: &str| list.iter().any(|entry| entry == "*" || entry == item);
                has(&rule.groups, &kind.group) && (has(&rule.resources, plural) || has(&rule.resources, "*/*"))
            }),
        }
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn rules_of(item: &Value) -> Vec<Rule> {
    let webhooks = item["webhooks"].as_array().into_iter().flatten().flat_map(|hook| hook["rules"].as_array());
    let policy = item.pointer("/spec/matchConstraints/resourceRules").and_then(Value::as_array);
    webhooks
        .chain(policy)
        .flatten()
        .map(|rule| Rule { groups: strings(&rule["apiGroups"]), resources: strings(&rule["resources"]) })
        .collect()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_say_which_kinds_they_are_about() {
        let item = json!({"webhooks": [{"rules": [{"apiGroups": ["apps"], "resources": ["deployments"]}]}]});
        let known = Webhooks::Known(rules_of(&item));
        let kind = |group: &str| Kind { group: group.into(), version: "v1".into(), kind: "Any".into() };
        assert!(known.may_change(&kind("apps"), "deployments"));
        assert!(!known.may_change(&kind("apps"), "statefulsets"));
        assert!(!known.may_change(&kind(""), "deployments"));
        assert!(Webhooks::Unknown.may_change(&kind(""), "services"));
        let policy =
            json!({"spec": {"matchConstraints": {"resourceRules": [{"apiGroups": ["*"], "resources": ["*"]}]}}});
        assert!(Webhooks::Known(rules_of(&policy)).may_change(&kind(""), "services"));
    }
}
