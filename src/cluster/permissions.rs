//! Whether the user may do all that a plan needs, asked before anything is written, so that what is missing is told at
//! once and not one refusal at a time in the middle of a run. Asking stores nothing on the cluster.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::Cluster;
use super::request::Call;
use crate::observe::Readiness;
use crate::plan::{Action, Plan, Step};
use crate::provider::ProviderError;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// Questions in flight at once.
const CONCURRENCY: usize = 16;

/// Something that a plan has to do to the objects of one kind in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Need {
    group: String,
    resource: String,
    namespace: Option<String>,
    verb: &'static str,
}

impl Need {
    /// As it is told: `patch deployments.apps in namespace shop`.
    fn told(&self) -> String {
        let Self { group, resource, namespace, verb } = self;
        let resource = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        match namespace {
            Some(namespace) => format!("{verb} {resource} in namespace {namespace}"),
            None => format!("{verb} {resource}"),
        }
    }
}

/// What a plan needs, with the names of the objects it is needed for; without names where it is needed of all.
type Needs = BTreeMap<Need, BTreeSet<String>>;

impl Cluster {
    /// An error that names every right the plan needs and the user does not have.
    pub(super) async fn check_permissions(&self, plan: &Plan) -> Result<(), ProviderError> {
        let needs = self.needs(plan).await?;
        let asked: Vec<_> = needs.iter().map(|(need, names)| self.lacks(need, names)).collect();
        let lacking: Vec<Option<String>> = stream::iter(asked).buffered(CONCURRENCY).try_collect().await?;
        let missing: Vec<String> = lacking.into_iter().flatten().collect();
        if missing.is_empty() { Ok(()) } else { Err(ProviderError::Forbidden { missing }) }
    }

    async fn needs(&self, plan: &Plan) -> Result<Needs, ProviderError> {
        let served = self.served().await?;
        let mut needs = Needs::new();
        for step in plan.steps() {
            // A kind that comes with the plan is not known to the authoriser by another name than to us.
            let Some(place) = served.get(&step.id.kind) else { continue };
            let namespace = step.id.namespace.clone().filter(|_| place.namespaced);
            for verb in verbs(step) {
                let need = Need {
                    group: step.id.kind.group.clone(),
                    resource: place.plural.clone(),
                    namespace: namespace.clone(),
                    verb,
                };
                let names = needs.entry(need).or_default();
                if !matches!(verb, "list" | "watch") {
                    names.insert(step.id.name.clone());
                }
            }
        }
        let control = &self.settings.control_namespace;
        let name = self.identity(&plan.instance).control_name();
        let of = |group: &str, resource: &str, verb: &'static str| {
            let (group, resource) = (group.to_owned(), resource.to_owned());
            Need { group, resource, namespace: Some(control.clone()), verb }
        };
        for verb in ["get", "create", "update"] {
            needs.entry(of("coordination.k8s.io", "leases", verb)).or_default().insert(name.clone());
        }
        // Each run leaves a record under a name that no role can know, beside the inventory.
        for verb in ["get", "list", "create", "patch", "delete"] {
            needs.insert(of("", "configmaps", verb), BTreeSet::new());
        }
        Ok(needs)
    }

    /// What of a need the user may not do; `None` where all of it is allowed.
    async fn lacks(&self, need: &Need, names: &BTreeSet<String>) -> Result<Option<String>, ProviderError> {
        if self.may(need, None).await? {
            return Ok(None);
        }
        // A role may name the objects it is about.
        for name in names {
            if !self.may(need, Some(name)).await? {
                return Ok(Some(need.told()));
            }
        }
        Ok(names.is_empty().then(|| need.told()))
    }

    async fn may(&self, need: &Need, name: Option<&str>) -> Result<bool, ProviderError> {
        let Need { group, resource, namespace, verb } = need;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": group, "resource": resource, "namespace": namespace, "verb": verb, "name": name,
            }},
        });
        let doing = format!("asking whether this user may {}", need.told());
        let answer = self.requests.ok(&Call::post(REVIEWS, doing.as_str(), &review)).await?;
        let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| ProviderError::Unexpected { doing, detail: "it says neither yes nor no".to_owned() })
    }
}

/// What a step does to its object, and to the kind of it while it is waited for.
fn verbs(step: &Step) -> impl Iterator<Item = &'static str> {
    let does: &[&str] = match step.action {
        Action::Create | Action::Move => &["create", "patch"],
        Action::Update | Action::Adopt => &["patch"],
        Action::Replace => &["create", "patch", "delete"],
        // What is left behind is marked, looked at, and deleted or let go.
        Action::Delete if step.condition.is_some() => &["get", "patch", "delete"],
        Action::Delete => &["delete"],
        Action::Forget => &["get", "patch"],
        Action::Unchanged | Action::Blocked => &[],
    };
    let gone = matches!(step.action, Action::Delete | Action::Replace);
    let waits = gone || !matches!(step.readiness, None | Some(Readiness::Exists));
    let watches: &[&str] = if waits && step.action != Action::Blocked { &["list", "watch"] } else { &[] };
    does.iter().chain(watches).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_told_with_its_place() {
        let need = |group: &str, namespace: Option<&str>| Need {
            group: group.to_owned(),
            resource: "deployments".to_owned(),
            namespace: namespace.map(str::to_owned),
            verb: "patch",
        };
        assert_eq!(need("apps", Some("shop")).told(), "patch deployments.apps in namespace shop");
        assert_eq!(need("", None).told(), "patch deployments");
    }
}
