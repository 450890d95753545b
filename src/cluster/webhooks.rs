//! Mutating webhooks and policies: what may change an object on its way in, so that the merge alone proves nothing.

use serde_json::Value;
use strata_components::desired::Kind;

use super::request::{Call, Requests};
use crate::provider::ProviderError;

/// Where mutating admission is configured, in the versions a server may serve it in.
const SOURCES: [(&str, &[&str]); 2] =
    [("mutatingwebhookconfigurations", &["v1"]), ("mutatingadmissionpolicies", &["v1", "v1beta1", "v1alpha1"])];

/// What may be changed on its way in.
#[derive(Debug, Clone)]
pub(super) enum Webhooks {
    /// The rules that are configured.
    Known(Vec<Rule>),
    /// They cannot be read, for this reason: anything may be.
    Unknown(String),
}

/// A rule: which kinds it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Whose rule it is.
    name: String,
    groups: Vec<String>,
    resources: Vec<String>,
}

impl Webhooks {
    /// Lists what is configured. A cluster without one of the two kinds of configuration has none of it.
    pub(super) async fn read(requests: &Requests) -> Result<Self, ProviderError> {
        let mut rules = Vec::new();
        for (plural, versions) in SOURCES {
            for version in versions {
                let path = format!("/apis/admissionregistration.k8s.io/{version}/{plural}");
                let call = Call::get(path.as_str(), format!("listing what admission changes ({path})"));
                let answer = requests.send(&call).await?;
                match answer.status.as_u16() {
                    200 => {
                        rules.extend(items(&answer.body).flat_map(rules_of));
                        break;
                    }
                    404 => {}
                    401 => return Err(answer.refused(&call.doing)),
                    code => {
                        let reason = format!("what admission changes cannot be read ({plural}: {code})");
                        return Ok(Self::Unknown(reason));
                    }
                }
            }
        }
        Ok(Self::Known(rules))
    }

    /// Why an object of the kind, named in the plural as in paths, may be changed on its way in; `None` where nothing is
    /// configured to.
    pub(super) fn may_change(&self, kind: &Kind, plural: &str) -> Option<String> {
        let rules = match self {
            Self::Unknown(reason) => return Some(reason.clone()),
            Self::Known(rules) => rules,
        };
        let has = |list: &[String], item: &str| list.iter().any(|entry| entry == "*" || entry == item);
        let mut names: Vec<&str> = rules
            .iter()
            .filter(|rule| {
                has(&rule.groups, &kind.group) && (has(&rule.resources, plural) || has(&rule.resources, "*/*"))
            })
            .map(|rule| rule.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then(|| format!("admission may change it on its way in: {}", names.join(", ")))
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn rules_of(item: &Value) -> Vec<Rule> {
    let own = item["metadata"]["name"].as_str().unwrap_or_default();
    let hooks = item["webhooks"].as_array().into_iter().flatten();
    let webhooks =
        hooks.map(|hook| (format!("webhook {}", hook["name"].as_str().unwrap_or(own)), hook["rules"].as_array()));
    let policy = item.pointer("/spec/matchConstraints/resourceRules").and_then(Value::as_array);
    webhooks
        .chain([(format!("policy {own}"), policy)])
        .flat_map(|(name, rules)| rules.into_iter().flatten().map(move |rule| (name.clone(), rule)))
        .map(|(name, rule)| Rule { name, groups: strings(&rule["apiGroups"]), resources: strings(&rule["resources"]) })
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
        let item = json!({"metadata": {"name": "mesh"}, "webhooks": [
            {"name": "sidecars.example.com", "rules": [{"apiGroups": ["apps"], "resources": ["deployments"]}]},
        ]});
        let known = Webhooks::Known(rules_of(&item));
        let kind = |group: &str| Kind { group: group.into(), version: "v1".into(), kind: "Any".into() };
        let told = "admission may change it on its way in: webhook sidecars.example.com";
        assert_eq!(known.may_change(&kind("apps"), "deployments").as_deref(), Some(told));
        assert_eq!(known.may_change(&kind("apps"), "statefulsets"), None);
        assert_eq!(known.may_change(&kind(""), "deployments"), None);
        let unknown = Webhooks::Unknown("forbidden".to_owned());
        assert_eq!(unknown.may_change(&kind(""), "services").as_deref(), Some("forbidden"));
        let rules = json!({"resourceRules": [{"apiGroups": ["*"], "resources": ["*"]}]});
        let policy = json!({"metadata": {"name": "p"}, "spec": {"matchConstraints": rules}});
        let told = "admission may change it on its way in: policy p";
        assert_eq!(Webhooks::Known(rules_of(&policy)).may_change(&kind(""), "services").as_deref(), Some(told));
    }
}
