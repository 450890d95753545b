//! Mutating webhooks and policies: what may change an object on its way in, so that the merge alone proves nothing.
//!
//! They are matched as an API server matches them, by rules, match policy and selectors. What only an expression decides
//! (`matchConditions`) is taken to match, and so is a selector over labels that may still change on the way.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;
use strata_components::desired::{Kind, ResourceId};

use super::request::{Call, Requests};
use crate::check::reach::{Condition, Labels, NAMESPACE_NAME, Selector};
use crate::provider::ProviderError;

/// The group of what is read here.
pub(super) const GROUP: &str = "admissionregistration.k8s.io";
const WEBHOOKS: &str = "mutatingwebhookconfigurations";
const POLICIES: &str = "mutatingadmissionpolicies";
const BINDINGS: &str = "mutatingadmissionpolicybindings";
/// Everything that is listed here.
pub(super) const CONFIGURATIONS: [&str; 3] = [WEBHOOKS, POLICIES, BINDINGS];
/// The versions a server may serve policies in.
const POLICY_VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// What may be changed on its way in.
#[derive(Debug, Clone)]
pub(super) enum Webhooks {
    /// What is configured.
    Known(Vec<Mutator>),
    /// It cannot be read, for this reason: anything may be.
    Unknown(String),
}

/// A webhook, or a policy as one binding binds it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mutator {
    name: String,
    /// Everything that must match for it to be called.
    matches: Vec<Criteria>,
}

/// What a webhook, a policy or a binding is about.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Criteria {
    #[serde(alias = "rules")]
    resource_rules: Vec<Rule>,
    exclude_resource_rules: Vec<Rule>,
    match_policy: Option<String>,
    namespace_selector: LabelSelector,
    object_selector: LabelSelector,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
    resource_names: Vec<String>,
    scope: Option<String>,
}

/// A write that admission would see.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) id: &'a ResourceId,
    /// The kind in the plural, as in paths.
    pub(super) plural: &'a str,
    pub(super) namespaced: bool,
    /// Versions of its group that the cluster serves the same kind in.
    pub(super) versions: Vec<&'a str>,
    /// Whether the object is not there yet.
    pub(super) creates: bool,
    /// The labels it may have, before or after.
    pub(super) labels: MayHave,
    /// The labels its namespace may have; `None` where they are not known.
    pub(super) of_namespace: Option<MayHave>,
}

/// The labels that an object may have: those it has now, those it is going to have, and anything in between. A label
/// that is not named here is on it in no case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MayHave(BTreeMap<String, BTreeSet<Option<String>>>);

impl MayHave {
    /// Of what is live and what is applied to it; either may be absent.
    pub(super) fn of(live: Option<&Value>, applied: Option<&Value>) -> Self {
        let labels = |object: &Value| -> Labels {
            let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
            let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            labels.into_iter().flatten().filter_map(text).collect()
        };
        let sides: Vec<Labels> = live.into_iter().chain(applied).map(labels).collect();
        let mut all = Self::default();
        for key in sides.iter().flat_map(Labels::keys) {
            let values = sides.iter().map(|labels| labels.get(key).cloned());
            all.0.entry(key.clone()).or_default().extend(values);
        }
        all
    }

    /// The same of a namespace, which every server labels with its name.
    pub(super) fn of_namespace(name: &str, live: Option<&Value>, applied: Option<&Value>) -> Self {
        let mut all = Self::of(live, applied);
        all.0.insert(NAMESPACE_NAME.to_owned(), [Some(name.to_owned())].into());
        all
    }

    /// Whether labels that it may have fit a selector; too often rather than too seldom, because each condition is
    /// looked at by itself.
    fn may_fit(&self, selector: &LabelSelector) -> bool {
        let selector = Selector::from(selector.clone());
        let absent = || [None].into();
        selector.conditions().iter().all(|condition| {
            let key = match condition {
                Condition::In(key, _) | Condition::NotIn(key, _) | Condition::Exists(key) | Condition::Absent(key) => {
                    key
                }
                // How a server reads an operator that is not known here is not known either.
                Condition::Never => return true,
            };
            self.0.get(key).cloned().unwrap_or_else(absent).into_iter().any(|value| {
                let labels: Labels = value.map(|value| (key.clone(), value)).into_iter().collect();
                condition.holds(&labels)
            })
        })
    }
}

impl Webhooks {
    /// Lists what is configured. A cluster without one of the kinds of configuration has none of it.
    pub(super) async fn read(requests: &Requests) -> Result<Self, ProviderError> {
        let (webhooks, policies) =
            tokio::try_join!(items_of(requests, "v1", WEBHOOKS), policies_and_bindings(requests))?;
        Ok(match (webhooks, policies) {
            (Ok(webhooks), Ok((policies, bindings))) => {
                let webhooks = webhooks.unwrap_or_default();
                let policies = policies.iter().flat_map(|policy| bound(policy, bindings.as_deref()));
                Self::Known(webhooks.iter().flat_map(webhooks_of).chain(policies).collect())
            }
            (Err(reason), _) | (_, Err(reason)) => Self::Unknown(reason),
        })
    }

    /// Why an object may be changed on its way in; `None` where nothing is configured to.
    pub(super) fn may_change<'a>(&self, write: impl FnOnce() -> Write<'a>) -> Option<String> {
        let mutators = match self {
            Self::Unknown(reason) => return Some(reason.clone()),
            Self::Known(mutators) if mutators.is_empty() => return None,
            Self::Known(mutators) => mutators,
        };
        let write = write();
        // What admission itself is configured with passes by it.
        if write.id.kind.group == GROUP {
            return None;
        }
        let called = mutators.iter().filter(|mutator| mutator.matches.iter().all(|criteria| criteria.fit(&write)));
        let names: BTreeSet<&str> = called.map(|mutator| mutator.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        (!names.is_empty()).then(|| format!("admission may change it on its way in: {}", names.join(", ")))
    }
}

/// The objects of a kind of configuration; `None` where the cluster does not serve it, the inner error is that they
/// cannot be read.
type Items = Result<Option<Vec<Value>>, String>;

async fn items_of(requests: &Requests, version: &str, plural: &str) -> Result<Items, ProviderError> {
    let path = format!("/apis/{GROUP}/{version}/{plural}");
    let call = Call::get(path.as_str(), format!("listing what admission changes ({path})"));
    let answer = requests.send(&call).await?;
    if answer.is_absent() {
        return Ok(Ok(None));
    }
    if answer.status == StatusCode::FORBIDDEN && answer.is_server_s() {
        return Ok(Err(format!("what admission changes cannot be read ({plural}: 403)")));
    }
    answer.page(&call.doing).map(|page| Ok(Some(page.items)))
}

type PoliciesAndBindings = Result<(Vec<Value>, Option<Vec<Value>>), String>;

/// All policies, and the bindings without which none is in force; these are absent where they cannot be read.
async fn policies_and_bindings(requests: &Requests) -> Result<PoliciesAndBindings, ProviderError> {
    for version in POLICY_VERSIONS {
        match items_of(requests, version, POLICIES).await? {
            Err(reason) => return Ok(Err(reason)),
            Ok(None) => {}
            Ok(Some(policies)) if policies.is_empty() => break,
            Ok(Some(policies)) => {
                let bindings = items_of(requests, version, BINDINGS).await?;
                return Ok(Ok((policies, bindings.ok().flatten())));
            }
        }
    }
    Ok(Ok((Vec::new(), None)))
}

fn webhooks_of(configuration: &Value) -> Vec<Mutator> {
    let hooks = configuration["webhooks"].as_array().into_iter().flatten();
    hooks
        .map(|hook| {
            let name = hook["name"].as_str().or(configuration["metadata"]["name"].as_str()).unwrap_or_default();
            let mut matches = criteria(Some(hook));
            if hook["rules"].as_array().is_none_or(Vec::is_empty) {
                // A webhook without rules is never called, while a policy without them is about everything.
                matches.resource_rules = vec![Rule::default()];
            }
            Mutator { name: format!("webhook {name}"), matches: vec![matches] }
        })
        .collect()
}

/// The policy once for each of its bindings; once by itself where these are not known.
fn bound(policy: &Value, bindings: Option<&[Value]>) -> Vec<Mutator> {
    let own = policy["metadata"]["name"].as_str().unwrap_or_default();
    let name = format!("policy {own}");
    let constraints = criteria(policy.pointer("/spec/matchConstraints"));
    let Some(bindings) = bindings else { return vec![Mutator { name, matches: vec![constraints] }] };
    let mine = bindings.iter().filter(|binding| binding.pointer("/spec/policyName").is_some_and(|of| of == own));
    mine.map(|binding| {
        let narrowed = criteria(binding.pointer("/spec/matchResources"));
        Mutator { name: name.clone(), matches: vec![constraints.clone(), narrowed] }
    })
    .collect()
}

/// Reads what it can; what cannot be read is about everything.
fn criteria(of: Option<&Value>) -> Criteria {
    of.and_then(|of| Criteria::deserialize(of).ok()).unwrap_or_default()
}

impl Criteria {
    fn fit(&self, write: &Write<'_>) -> bool {
        let any = |rules: &[Rule]| rules.iter().any(|rule| rule.fits(write, self.match_policy.as_deref()));
        (self.resource_rules.is_empty() || any(&self.resource_rules))
            && !any(&self.exclude_resource_rules)
            && self.in_namespace(write)
            && write.labels.may_fit(&self.object_selector)
    }

    fn in_namespace(&self, write: &Write<'_>) -> bool {
        if is_namespace(&write.id.kind) {
            return write.labels.may_fit(&self.namespace_selector);
        }
        // What lives in no namespace is never exempt.
        !write.namespaced || write.of_namespace.as_ref().is_none_or(|labels| labels.may_fit(&self.namespace_selector))
    }
}

impl Rule {
    fn fits(&self, write: &Write<'_>, policy: Option<&str>) -> bool {
        let has = |list: &[String], item: &str| list.iter().any(|entry| entry == "*" || entry == item);
        let resource = self.resources.iter().any(|entry| {
            let (resource, part) = entry.split_once('/').unwrap_or((entry, ""));
            (resource == "*" || resource == write.plural) && (part == "*" || part.is_empty())
        });
        let version = has(&self.api_versions, &write.id.kind.version)
            || (policy != Some("Exact") && write.versions.iter().any(|version| has(&self.api_versions, version)));
        let scope = match self.scope.as_deref() {
            Some("Namespaced") => write.namespaced,
            Some("Cluster") => !write.namespaced,
            _ => true,
        };
        let name = self.resource_names.is_empty() || self.resource_names.contains(&write.id.name);
        let operation = has(&self.operations, if write.creates { "CREATE" } else { "UPDATE" });
        has(&self.api_groups, &write.id.kind.group) && version && resource && scope && name && operation
    }
}

fn is_namespace(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.kind == "Namespace"
}

#[cfg(test)]
mod tests;
