//! Whether the user may do all that a plan needs, asked before anything is written, so that what is missing is told at
//! once and not one refusal at a time in the middle of a run. Asking stores nothing on the cluster.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use strata_components::desired::Kind;
use strata_components::needs::Needed;

use super::Cluster;
use super::discovery::Served;
use super::request::Call;
use super::wait::has_pods;
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
    /// What of the object: its log, for instance.
    subresource: &'static str,
    namespace: Option<String>,
    verb: &'static str,
}

impl Need {
    fn new(group: &str, resource: &str, namespace: Option<&str>, verb: &'static str) -> Self {
        let (group, resource, namespace) = (group.to_owned(), resource.to_owned(), namespace.map(str::to_owned));
        Self { group, resource, subresource: "", namespace, verb }
    }

    /// As it is told: `patch deployments.apps in namespace shop`.
    fn told(&self) -> String {
        let Self { group, resource, subresource, namespace, verb } = self;
        let resource = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
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
        let mut needs = self.of_steps(plan).await?;
        for (need, names) in of_waits_outside(plan) {
            needs.entry(need).or_default().extend(names);
        }
        needs.extend(self.of_books(plan).await?);
        let asked: Vec<_> = needs.iter().map(|(need, names)| self.lacks(need, names)).collect();
        let lacking: Vec<Option<String>> = stream::iter(asked).buffered(CONCURRENCY).try_collect().await?;
        let missing: Vec<String> = lacking.into_iter().flatten().collect();
        if missing.is_empty() { Ok(()) } else { Err(ProviderError::Forbidden { missing }) }
    }

    /// What the steps need, and the waits that follow them.
    async fn of_steps(&self, plan: &Plan) -> Result<Needs, ProviderError> {
        let served = self.served().await?;
        let coming = coming(plan);
        let mut needs = Needs::new();
        for step in plan.steps() {
            let Some(place) = served.get(&step.id.kind).or_else(|| coming.get(&step.id.kind)) else { continue };
            let namespace = step.id.namespace.as_deref().filter(|_| place.namespaced);
            for verb in verbs(step) {
                let names = needs.entry(Need::new(&step.id.kind.group, &place.plural, namespace, verb)).or_default();
                if !matches!(verb, "list" | "watch") {
                    names.insert(step.id.name.clone());
                }
            }
            if waits(step) && has_pods(&step.id.kind) {
                // Why they do not become ready is told by the pods, by events, and by the last lines of logs.
                let logs = Need { subresource: "log", ..Need::new("", "pods", namespace, "get") };
                let watched = [("pods", "list"), ("pods", "watch"), ("events", "list"), ("events", "watch")];
                let watched = watched.map(|(resource, verb)| Need::new("", resource, namespace, verb));
                needs.extend(watched.into_iter().chain([logs]).map(|need| (need, BTreeSet::new())));
            }
            if step.action == Action::Delete && step.id.kind.kind == "Namespace" {
                // It goes only when nothing foreign is left in it.
                let lists = served.namespaced();
                let lists = lists.map(|(kind, of)| Need::new(&kind.group, &of.plural, Some(&step.id.name), "list"));
                needs.extend(lists.map(|need| (need, BTreeSet::new())));
            }
        }
        Ok(needs)
    }

    /// What lock, inventory and record need, and the namespace that holds them.
    async fn of_books(&self, plan: &Plan) -> Result<Needs, ProviderError> {
        let control = &self.settings.control_namespace;
        let name = self.identity(&plan.instance).control_name();
        let mut needs = Needs::new();
        let mut add = |need: Need, names: &[&String]| {
            needs.insert(need, names.iter().map(|name| (*name).clone()).collect());
        };
        let stays = |step: &Step| !matches!(step.action, Action::Delete | Action::Forget);
        let ends = plan.kept.is_empty() && plan.left_out.is_empty() && !plan.steps().any(stays);
        for verb in ["get", "create", "update"].into_iter().chain(ends.then_some("delete")) {
            add(Need::new("coordination.k8s.io", "leases", Some(control), verb), &[&name]);
        }
        // Each run leaves a record under a name that no role can know, beside the inventory.
        for verb in ["get", "list", "create", "patch", "delete"] {
            add(Need::new("", "configmaps", Some(control), verb), &[]);
        }
        let read = Need::new("", "namespaces", None, "get");
        // Where that cannot be read, it may have to be made.
        let there = self.may(&read, Some(control)).await? && self.control_namespace_exists().await?;
        let made = if there { [].as_slice() } else { &["create", "patch"] };
        for verb in ["get"].iter().chain(made) {
            add(Need { verb, ..read.clone() }, &[control]);
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
        let Need { group, resource, subresource, namespace, verb } = need;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
                "verb": verb, "name": name,
            }},
        });
        let doing = format!("asking whether this user may {}", need.told());
        let answer = self.requests.ok(&Call::post(REVIEWS, doing.as_str(), &review)).await?;
        let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| ProviderError::Unexpected { doing, detail: "it says neither yes nor no".to_owned() })
    }
}

/// What the waits for things outside the stack need.
fn of_waits_outside(plan: &Plan) -> Needs {
    let mut needs = Needs::new();
    for waited in plan.phases.iter().flat_map(|phase| &phase.needs) {
        let namespace = waited.id.namespace.as_deref();
        let (group, resource) = match &waited.need.needed {
            Needed::Service { name, .. } => {
                // Whether one without endpoints is there at all.
                needs.entry(Need::new("", "services", namespace, "get")).or_default().insert(name.clone());
                ("discovery.k8s.io", "endpointslices")
            }
            Needed::Definition { .. } => ("apiextensions.k8s.io", "customresourcedefinitions"),
            Needed::Nodes { .. } => ("", "nodes"),
        };
        needs.extend(["list", "watch"].map(|verb| (Need::new(group, resource, namespace, verb), BTreeSet::new())));
    }
    needs
}

/// The kinds that come with a plan, as they will be served.
fn coming(plan: &Plan) -> BTreeMap<Kind, Served> {
    let definitions = plan.steps().filter(|step| step.id.kind.kind == "CustomResourceDefinition");
    let mut coming = BTreeMap::new();
    for spec in definitions.filter_map(|step| step.manifest.as_ref()?.get("spec")) {
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

/// What a step does to its object, and to the kind of it while it is waited for.
fn verbs(step: &Step) -> impl Iterator<Item = &'static str> {
    let does: &[&str] = match step.action {
        Action::Create | Action::Move => &["create", "patch"],
        // What owns its fields is looked at before it is handed over.
        Action::Update | Action::Adopt if !step.hands_over.is_empty() => &["get", "patch"],
        Action::Update | Action::Adopt => &["patch"],
        Action::Replace => &["create", "patch", "delete"],
        // What is left behind is marked, looked at, and deleted or let go.
        Action::Delete if step.condition.is_some() => &["get", "patch", "delete"],
        Action::Delete => &["delete"],
        Action::Forget => &["get", "patch"],
        Action::Unchanged | Action::Blocked => &[],
    };
    let gone = matches!(step.action, Action::Delete | Action::Replace);
    let watches: &[&str] = if gone || waits(step) { &["list", "watch"] } else { &[] };
    does.iter().chain(watches).copied()
}

/// Whether it is waited for until the object of a step is ready.
fn waits(step: &Step) -> bool {
    step.action != Action::Blocked && !matches!(step.readiness, None | Some(Readiness::Exists))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_told_with_its_place() {
        let need = |group: &str, namespace: Option<&str>| Need::new(group, "deployments", namespace, "patch");
        assert_eq!(need("apps", Some("shop")).told(), "patch deployments.apps in namespace shop");
        assert_eq!(need("", None).told(), "patch deployments");
        let log = Need { subresource: "log", ..need("", None) };
        assert_eq!(log.told(), "patch deployments/log");
    }
}
