//! Whether the user may do all that a plan needs, asked before anything is written, so that what is missing is told at
//! once and not one refusal at a time in the middle of a run. Asking stores nothing on the cluster.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use strata_components::desired::{Kind, ResourceId};

use super::Cluster;
use super::discovery::Served;
use super::request::Call;
use super::rights::{Deed, Right, Rights, leave, of_books, of_needed, of_role};
use crate::observe::Readiness;
use crate::plan::{Action, Condition, Plan, Step};
use crate::provider::ProviderError;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// Questions in flight at once.
const CONCURRENCY: usize = 16;

impl Cluster {
    /// An error that names every right the plan needs and the user does not have.
    pub(super) async fn check_permissions(&self, plan: &Plan) -> Result<(), ProviderError> {
        let mut rights = self.of_steps(plan).await?;
        let outside = plan.phases.iter().flat_map(|phase| &phase.needs);
        outside.for_each(|waited| rights.extend(of_needed(&waited.need.needed)));
        rights.extend(self.of_books(plan).await?);
        let asked: Vec<_> = rights.iter().map(|(right, names)| self.lacks(right, names)).collect();
        let lacking: Vec<Option<String>> = stream::iter(asked).buffered(CONCURRENCY).try_collect().await?;
        let missing: Vec<String> = lacking.into_iter().flatten().collect();
        if missing.is_empty() { Ok(()) } else { Err(ProviderError::Forbidden { missing }) }
    }

    /// What the steps need, and the waits that follow them.
    async fn of_steps(&self, plan: &Plan) -> Result<Rights, ProviderError> {
        let served = self.served().await?;
        let coming = coming(plan.steps().filter_map(|step| step.manifest.as_ref()));
        let mut rights = Rights::default();
        for step in plan.steps() {
            let Some(place) = served.get(&step.id.kind).or_else(|| coming.get(&step.id.kind)) else { continue };
            rights.extend(deed(step).rights(&step.id, place, &served));
            if !matches!(step.action, Action::Unchanged | Action::Blocked)
                && let Some(manifest) = &step.manifest
            {
                rights.extend(self.of_giving(&step.id, manifest).await?);
            }
        }
        Ok(rights)
    }

    /// What writing a role needs of the rights that it gives.
    async fn of_giving(&self, id: &ResourceId, manifest: &Value) -> Result<Rights, ProviderError> {
        let gives = of_role(manifest);
        let free = gives.iter().next().is_none()
            || self.may(&leave("escalate", &id.kind.kind, id.namespace.as_deref()), Some(&id.name)).await?;
        Ok(if free { Rights::default() } else { gives })
    }

    /// What lock, inventory and record need, and the namespace that holds them.
    async fn of_books(&self, plan: &Plan) -> Result<Rights, ProviderError> {
        let control = &self.settings.control_namespace;
        let stays = |step: &Step| !matches!(step.action, Action::Delete | Action::Forget);
        let ends = plan.kept.is_empty() && plan.left_out.is_empty() && !plan.steps().any(stays);
        let mut rights = of_books(&self.identity(&plan.instance), ends);
        let of_namespace = |verb: &str| Right::new("", "namespaces", None, verb);
        // Where that cannot be read, it may have to be made.
        if !self.may(&of_namespace("get"), Some(control)).await? || !self.control_namespace_exists().await? {
            ["create", "patch"].iter().for_each(|verb| rights.one(of_namespace(verb), control));
        }
        Ok(rights)
    }

    /// What of a right the user does not have; `None` where it is had in full.
    async fn lacks(&self, right: &Right, names: Option<&BTreeSet<String>>) -> Result<Option<String>, ProviderError> {
        if self.may(right, None).await? {
            return Ok(None);
        }
        let Some(names) = names else { return Ok(Some(right.told())) };
        // A role may name the objects it is about.
        for name in names {
            if !self.may(right, Some(name)).await? {
                return Ok(Some(right.told()));
            }
        }
        Ok(None)
    }

    async fn may(&self, right: &Right, name: Option<&str>) -> Result<bool, ProviderError> {
        let Right { group, resource, subresource, namespace, verb } = right;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
                "verb": verb, "name": name,
            }},
        });
        let doing = format!("asking whether this user may {}", right.told());
        let answer = self.requests.ok(&Call::post(REVIEWS, doing.as_str(), &review)).await?;
        let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| ProviderError::Unexpected { doing, detail: "it says neither yes nor no".to_owned() })
    }
}

/// The kinds that are defined by some of these manifests, as they will be served.
pub(super) fn coming<'a>(manifests: impl Iterator<Item = &'a Value>) -> BTreeMap<Kind, Served> {
    let definitions = manifests.filter(|manifest| manifest["kind"] == "CustomResourceDefinition");
    let mut coming = BTreeMap::new();
    for spec in definitions.filter_map(|manifest| manifest.get("spec")) {
        let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        for version in spec["versions"].as_array().into_iter().flatten() {
            let version = version["name"].as_str().unwrap_or_default().to_owned();
            let kind = Kind { group: text("/group"), version, kind: text("/names/kind") };
            let namespaced = spec["scope"] == "Namespaced";
            coming.insert(kind, Served { plural: text("/names/plural"), namespaced, kept: true });
        }
    }
    coming
}

fn deed(step: &Step) -> Deed {
    let waits = step.action != Action::Blocked && !matches!(step.readiness, None | Some(Readiness::Exists));
    let (hands_over, conditional) = (!step.hands_over.is_empty(), step.condition == Some(Condition::Unowned));
    Deed { action: step.action, hands_over, conditional, waits }
}
