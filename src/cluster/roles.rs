//! The least rights by which an instance can be planned, and by which it can be deployed: as roles of Kubernetes.
//!
//! They follow from what the planner lists and from the table behind the question that `up` asks before its first write.
//! What every authenticated user of a cluster may do by default is not repeated: read what is served and in which version,
//! and ask who one is and what one may do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use strata_components::desired::{Desired, Instance, Kind, Resource, ResourceId};
use strata_components::kinds::takes_along;
use structured_merge::schema::Schema;
use thiserror::Error;

use super::Cluster;
use super::discovery::{Served, ServedKinds};
use super::identity::{Identity, PART_OF_LABEL};
use super::observe::lists::Scope;
use super::permissions::coming;
use super::replace::may_leave;
use super::rights::{ACTIONS, Deed, RBAC, Right, Rights, leave, of_books, of_inventory, of_needed, of_role};
use super::sealing::is_core_secret;
use super::{fields, readiness, webhooks};
use crate::observe::{Owner, Readiness};
use crate::plan::policy::named;
use crate::plan::{Action, digest};
use crate::provider::ProviderError;

/// What somebody is to be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Plan: get and list alone, and nothing of Secrets.
    Plan,
    /// Plan and carry out, roll back, unlock and destroy.
    Up,
}

impl Purpose {
    /// The word in the names of roles: `plan` or `up`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Up => "up",
        }
    }
}

/// What roles are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What they are for.
    pub purpose: Purpose,
    /// What the roles are called after.
    pub instance: &'a Instance,
    /// What the stack composes to; what every one does, where the roles are for several of one environment.
    pub desired: &'a [&'a Desired],
    /// Objects, as `KIND/NAME`, that may be deleted although that is asked for by name only.
    pub delete: &'a [String],
    /// Whether `check --live` is to be possible, too; with the namespace of a mesh's control plane, where there is one.
    pub survey: Option<Option<&'a str>>,
}

/// Why no roles can be told.
#[derive(Debug, Error)]
pub enum RolesError {
    /// The cluster cannot be asked.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// What a kind is called in a rule is not known.
    #[error(
        "what {kind} ({api_version}) is called in a rule is not known: it is not served, and the stack does not define it"
    )]
    Unserved {
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
}

/// A rule of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The API group; empty for the core group.
    pub api_groups: Vec<String>,
    /// Resources in the plural, with `/` before a part of them.
    pub resources: Vec<String>,
    /// The objects that it is about; all where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// What may be done.
    pub verbs: Vec<String>,
}

/// Roles of one instance for one purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Roles {
    /// What they are for.
    pub purpose: Purpose,
    /// What they are called after.
    pub instance: Instance,
    /// The namespace of inventories, locks and records.
    pub control_namespace: String,
    /// The rules in each namespace; without a namespace those that hold in the whole cluster.
    pub rules: BTreeMap<Option<String>, Vec<Rule>>,
    /// The namespaces that the roles stand in, as a run would make them.
    pub namespaces: Vec<Value>,
}

/// Who gets a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user, by the name that the cluster knows.
    User(String),
    /// A group of users.
    Group(String),
    /// An account in a namespace.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Subject {
    fn object(&self) -> Value {
        match self {
            Self::User(name) => json!({"apiGroup": RBAC, "kind": "User", "name": name}),
            Self::Group(name) => json!({"apiGroup": RBAC, "kind": "Group", "name": name}),
            Self::ServiceAccount { namespace, name } => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
        }
    }
}

impl Cluster {
    /// The least roles for what is wanted, of kinds as this cluster serves them. What its inventory names and the stack does
    /// not have any more is part of them.
    ///
    /// # Errors
    ///
    /// Where the cluster cannot be asked or is not the one that is meant, and where it does not serve a kind that the stack
    /// needs and does not define.
    pub async fn roles(&self, wanted: &Wanted<'_>) -> Result<Roles, RolesError> {
        let target = self.target().await?;
        let types = Schema::for_server(&target.version);
        let (mut rights, mut own): (Rights, Vec<Value>) = (Rights::default(), Vec::new());
        for desired in wanted.desired {
            rights.extend(self.rights_for(desired, wanted, &types).await?);
            let of_one = namespaces(desired, &self.identity(&desired.instance));
            own.extend(of_one);
        }
        // A namespace that several are in is one of them, and marked as the first one's that has it.
        let mut seen = BTreeSet::new();
        let marked = |one: &Value| one["metadata"]["labels"].get(PART_OF_LABEL).is_some();
        own.sort_by_key(|one| !marked(one));
        own.retain(|one| seen.insert(one["metadata"]["name"].to_string()));
        Ok(Roles {
            purpose: wanted.purpose,
            instance: wanted.instance.clone(),
            control_namespace: self.settings.control_namespace.clone(),
            rules: rules(&rights),
            namespaces: own,
        })
    }

    /// What it takes to do what is wanted to one instance.
    async fn rights_for(&self, desired: &Desired, wanted: &Wanted<'_>, types: &Schema) -> Result<Rights, RolesError> {
        let Wanted { purpose, instance: _, desired: _, delete, survey } = *wanted;
        let identity = self.identity(&desired.instance);
        let (served, parent) = tokio::try_join!(self.served(), self.find_parent(&identity))?;
        let served = served.with(coming(desired.resources.iter().map(|resource| &resource.manifest)));
        for resource in &desired.resources {
            place(&served, &resource.id)?;
        }
        let scope = Scope::of(desired, parent.as_ref(), &served, &identity);
        let custom = |kind: &&Kind| fields::built_in(types, kind).is_none();

        let mut rights = of_inventory(&identity);
        rights.one(Right::new("", "namespaces", None, "get"), "kube-system");
        for plural in webhooks::CONFIGURATIONS {
            rights.all(Right::new(webhooks::GROUP, plural, None, "list"));
        }
        for kind in scope.kinds.iter().filter(custom) {
            if let Some(place) = served.get(kind) {
                let name = format!("{}.{}", place.plural, kind.group);
                rights.one(Right::new("apiextensions.k8s.io", "customresourcedefinitions", None, "get"), &name);
            }
        }
        // What a workload would leave behind is listed, and whether anything scales it.
        let of_workloads = scope.kinds.iter().flat_map(also_listed).collect::<BTreeSet<Kind>>();
        for kind in scope.kinds.iter().chain(&of_workloads) {
            if purpose == Purpose::Plan && is_core_secret(kind) {
                continue;
            }
            for (place, namespace) in scope.collections(kind, &served) {
                for verb in ["get", "list"] {
                    rights.all(Right::new(&kind.group, &place.plural, namespace.map(String::as_str), verb));
                }
            }
        }
        if let Some(mesh) = survey {
            for resource in ["nodes", "pods"] {
                rights.all(Right::new("", resource, None, "list"));
            }
            for (kind, _, namespace) in self.policy_lists(desired, mesh).await? {
                if let Some(place) = served.get(&kind) {
                    rights.all(Right::new(&kind.group, &place.plural, Some(&namespace), "list"));
                }
            }
        }
        if purpose == Purpose::Up {
            rights.extend(of_books(&identity, true));
            desired.needs.values().flatten().for_each(|need| rights.extend(of_needed(&need.needed)));
            for resource in &desired.resources {
                rights.extend(of_resource(resource, desired, delete, &served)?);
            }
            for (kind, name) in self.left(desired, &scope, &served, &identity).await? {
                rights.extend(of_left(&kind, name, &scope, &served));
            }
        }
        Ok(rights)
    }

    /// What may still be there and is not in the stack: kinds of objects in namespaces, and, by its name, every object
    /// without one. With it the kinds that replaced workloads leave behind.
    async fn left(
        &self,
        desired: &Desired,
        scope: &Scope,
        served: &ServedKinds,
        identity: &Identity,
    ) -> Result<Vec<(Kind, Option<String>)>, ProviderError> {
        let has = |kind: &Kind| desired.resources.iter().any(|resource| resource.id.kind == *kind);
        let behind = desired.resources.iter().flat_map(|resource| may_leave(&resource.id.kind));
        let mut left: Vec<(Kind, Option<String>)> = behind.map(|kind| (kind, None)).collect();
        for kind in &scope.kinds {
            match served.get(kind) {
                None => {}
                Some(place) if place.namespaced => left.extend((!has(kind)).then(|| (kind.clone(), None))),
                // Nothing of it is there before it is defined.
                Some(_) if self.served().await?.get(kind).is_none() => {}
                Some(place) => {
                    let path = super::discovery::collection(kind, &place.plural, None);
                    let live = self.list(&kind.kind, &path).await?;
                    let ours = live.iter().filter(|object| identity.owner(object) == Owner::This);
                    let name = |object: &Value| object["metadata"]["name"].as_str().map(str::to_owned);
                    left.extend(ours.map(|object| (kind.clone(), name(object))));
                }
            }
        }
        Ok(left)
    }
}

/// Kinds that are listed beside one of the stack: what it may leave behind, and what may decide its size.
fn also_listed(kind: &Kind) -> impl Iterator<Item = Kind> {
    let scaled = kind.group == "apps" && kind.kind == "Deployment";
    let autoscaler =
        || Kind { group: "autoscaling".into(), version: "v2".into(), kind: "HorizontalPodAutoscaler".into() };
    may_leave(kind).chain(scaled.then(autoscaler))
}

fn place<'a>(served: &'a ServedKinds, id: &ResourceId) -> Result<&'a Served, RolesError> {
    let unserved = || RolesError::Unserved { kind: id.kind.kind.clone(), api_version: id.kind.api_version() };
    served.get(&id.kind).ok_or_else(unserved)
}

/// What it takes to do to an object of the stack whatever a plan may hold for it.
fn of_resource(
    resource: &Resource,
    desired: &Desired,
    delete: &[String],
    served: &ServedKinds,
) -> Result<Rights, RolesError> {
    let (id, place) = (&resource.id, place(served, &resource.id)?);
    let waits = !matches!(readiness::rule(&resource.manifest, None), Readiness::Exists);
    let guarded = takes_along(&id.kind.kind).is_some();
    let goes = !guarded || delete.contains(&named(id));
    let mut rights = Rights::default();
    for action in ACTIONS.into_iter().filter(|action| goes || !matches!(action, Action::Delete | Action::Replace)) {
        let deed = Deed { action, hands_over: true, conditional: false, waits };
        rights.extend(deed.rights(id, place, served));
    }
    // In a namespace of the instance a role is about kinds: services come and go.
    let mut rights = if guarded { rights } else { rights.of_kinds() };
    rights.extend(of_role(&resource.manifest));
    rights.extend(of_binding(resource, desired));
    Ok(rights)
}

/// What a server asks of who binds a role that the stack does not hold itself: of one that it does, all is had already.
fn of_binding(resource: &Resource, desired: &Desired) -> Rights {
    let mut rights = Rights::default();
    let role = &resource.manifest["roleRef"];
    if resource.id.kind.group != RBAC || !role.is_object() {
        return rights;
    }
    let text = |key: &str| role[key].as_str().unwrap_or_default();
    let namespace = resource.id.namespace.as_deref();
    let own = desired.resources.iter().any(|other| {
        let here = other.id.namespace.is_none() || other.id.namespace.as_deref() == namespace;
        other.id.kind.group == RBAC && other.id.kind.kind == text("kind") && other.id.name == text("name") && here
    });
    if !own {
        rights.one(leave("bind", text("kind"), namespace), text("name"));
    }
    rights
}

/// What it takes to delete or let go what has left the stack, or what a replaced workload has left behind.
fn of_left(kind: &Kind, name: Option<String>, scope: &Scope, served: &ServedKinds) -> Rights {
    let mut rights = Rights::default();
    for (place, namespace) in scope.collections(kind, served) {
        let id = ResourceId {
            provider: String::new(),
            target: String::new(),
            kind: kind.clone(),
            namespace: namespace.cloned(),
            name: name.clone().unwrap_or_default(),
        };
        let goes = takes_along(&kind.kind).is_none();
        for action in [Action::Forget, Action::Delete].into_iter().filter(|action| goes || *action == Action::Forget) {
            let deed = Deed { action, hands_over: false, conditional: true, waits: false };
            rights.extend(deed.rights(&id, place, served));
        }
    }
    rights.of_kinds()
}

/// The namespaces that roles stand in: those of the stack with the marks that make them the instance's.
fn namespaces(desired: &Desired, identity: &Identity) -> Vec<Value> {
    let own = |name: &String| {
        let is_it = |one: &&Resource| one.id.kind.kind == "Namespace" && one.id.name == *name;
        let desired = desired.resources.iter().find(is_it);
        desired.map(|one| identity.dress(&one.manifest, digest(&one.manifest)).object)
    };
    let plain = |name: &String| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut all: Vec<Value> = desired.namespaces.iter().map(|name| own(name).unwrap_or_else(|| plain(name))).collect();
    if !desired.namespaces.contains(&identity.control_namespace) {
        all.push(super::carry::control_namespace(&identity.control_namespace));
    }
    all
}

/// Rights as rules: those of one kind over the same objects are one rule, and kinds of a group with the same verbs are.
fn rules(rights: &Rights) -> BTreeMap<Option<String>, Vec<Rule>> {
    /// Where, of which group, and which objects; all of them where there are no names.
    type About = (Option<String>, String, Vec<String>);
    let mut verbs: BTreeMap<(About, String), BTreeSet<String>> = BTreeMap::new();
    for (right, names) in rights.iter() {
        let Right { group, resource, subresource, namespace, verb } = right.clone();
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        let names = names.into_iter().flatten().cloned().collect();
        verbs.entry(((namespace, group, names), resource)).or_default().insert(verb);
    }
    let mut resources: BTreeMap<(About, BTreeSet<String>), Vec<String>> = BTreeMap::new();
    for ((about, resource), verbs) in verbs {
        resources.entry((about, verbs)).or_default().push(resource);
    }
    let mut rules: BTreeMap<Option<String>, Vec<Rule>> = BTreeMap::new();
    for (((namespace, group, resource_names), verbs), resources) in resources {
        let verbs = verbs.into_iter().collect();
        let rule = Rule { api_groups: vec![group], resources, resource_names, verbs };
        rules.entry(namespace).or_default().push(rule);
    }
    rules
}

impl Roles {
    /// The name of every role and binding: `strata-plan-INSTANCE`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("strata-{}-{}", self.purpose.as_str(), self.instance.name())
    }

    /// The account that gets the roles where nobody else is named: of their name, in the control namespace.
    #[must_use]
    pub fn account(&self) -> Subject {
        Subject::ServiceAccount { namespace: self.control_namespace.clone(), name: self.name() }
    }

    /// The objects to be applied, roles before what binds them to the subjects. Without subjects the account of
    /// [`Roles::account`] is one of the objects, and gets the roles.
    #[must_use]
    pub fn objects(&self, subjects: &[Subject]) -> Vec<Value> {
        let name = self.name();
        let metadata = |namespace: Option<&String>| {
            let mut metadata = json!({"name": name, "labels": {"app.kubernetes.io/managed-by": "strata"}});
            if let Some(namespace) = namespace {
                metadata["namespace"] = namespace.as_str().into();
            }
            metadata
        };
        let mut objects = Vec::new();
        let mut bound: Vec<Value> = subjects.iter().map(Subject::object).collect();
        if bound.is_empty() {
            let metadata = metadata(Some(&self.control_namespace));
            objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
            bound.push(self.account().object());
        }
        for (namespace, rules) in &self.rules {
            let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
            let (version, metadata) = (format!("{RBAC}/v1"), metadata(namespace.as_ref()));
            objects.push(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules}));
            objects.push(json!({
                "apiVersion": version,
                "kind": format!("{kind}Binding"),
                "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
                "subjects": bound,
            }));
        }
        objects
    }
}
